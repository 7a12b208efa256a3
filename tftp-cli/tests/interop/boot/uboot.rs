//! U-Boot: its own network stack and driver.
//!
//! Its virtio driver has 32 receive buffers, and once all of them are full it never receives again. It counts its timers
//! that run out, a `T` on its console for each, and gives up at the eleventh of a transfer.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::tempdir;

use super::cable::{MACHINE, SERVER};
use super::machine::Machine;
use super::{crc32, loses_one_in, number_after};
use crate::support::{Ports, Relay, Serve, content, eventually, installed, skip};

const FIRMWARE: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
/// How often Enter is pressed until the prompt comes.
const PRESS: Duration = Duration::from_millis(300);

/// What it is granted at most.
const LARGEST: u16 = 10;

/// One at its prompt.
struct UBoot {
    machine: Machine,
    commands: AtomicUsize,
}

impl UBoot {
    /// One for which `server` is the TFTP server of its network. `None`, loudly, if it cannot run here.
    fn start(server: SocketAddr) -> Option<Self> {
        let qemu = installed("qemu-system-aarch64", "qemu-system-arm")?;
        if !Path::new(FIRMWARE).is_file() {
            skip("U-Boot for qemu_arm64 (Debian package u-boot-qemu) is not installed");
            return None;
        }
        let machine = Machine::start(
            Command::new(qemu)
                .args(["-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-bios", FIRMWARE])
                .args(["-device", "virtio-net-device,netdev=cable"]),
            server,
            "",
        );
        // Pressed in time it keeps the machine from booting by itself; too late, the prompt comes when that has failed.
        eventually("the prompt", || {
            machine.enter("");
            machine.read_until("=> ", PRESS).ok()
        });
        let uboot = Self { machine, commands: AtomicUsize::new(0) };
        uboot.run(&format!("setenv autoload no; setenv ipaddr {MACHINE}; setenv serverip {SERVER}"));
        Some(uboot)
    }

    /// Runs a command, and answers what it printed.
    fn run(&self, command: &str) -> String {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        // What is typed is printed, too, and must not look like the end.
        self.machine.enter(&format!("{command}; echo EN\"\"D{number}"));
        self.machine.wait_for(&format!("END{number}"))
    }
}

struct Boot {
    ports: Ports,
    /// Bytes of the file.
    size: usize,
    /// One datagram in so many is lost, each way.
    lost: Option<u32>,
    /// Seconds of its timer, and of the server's.
    timeout: u16,
    /// What happens while it loads.
    meanwhile: fn(&Machine),
    /// Whether it stands still for longer than anybody waits.
    stalls: bool,
}

const AS_IT_COMES: Boot =
    Boot { ports: Ports::Random, size: 4 << 20, lost: None, timeout: 5, meanwhile: idle, stalls: false };

impl Boot {
    /// Boots a machine that loads a file again and again, with each of these block and window sizes.
    fn load(&self, sizes: &[(u16, u16)]) {
        let root = tempdir().unwrap();
        let bytes = content(1, self.size);
        let mut server = Serve::directory(self.ports, root.path(), &[]);
        let relay = self.lost.map(|lost| Relay::start(server.address(), loses_one_in(lost)));
        let server_seen = relay.as_ref().map_or(server.address(), Relay::address);
        let Some(uboot) = UBoot::start(server_seen) else { return };
        uboot.run(&format!("setenv tftptimeout {}000", self.timeout));
        let sum = format!("==> {:08x}", crc32(&bytes));
        for (number, (block, window)) in sizes.iter().enumerate() {
            let what = format!("blocks of {block}, window {window}");
            let file = format!("kernel-{number}");
            std::fs::write(root.path().join(&file), &bytes).unwrap();
            uboot.run(&format!("setenv tftpblocksize {block}; setenv tftpwindowsize {window}"));
            let said = std::thread::scope(|scope| {
                let load = scope.spawn(|| uboot.run(&format!("tftpboot 0x48000000 {file}")));
                while !load.is_finished() {
                    (self.meanwhile)(&uboot.machine);
                }
                load.join().unwrap()
            });
            assert!(said.contains(&format!("Bytes transferred = {} ", self.size)), "{what}: {said}\n{}", server.log());
            assert!(self.stalls || !said.contains("T "), "a timer ran out, {what}: {said}\n{}", server.log());
            let found = uboot.run("crc32 0x48000000 $filesize");
            assert!(found.contains(&sum), "{what}: {found}");
            let line = server.wait_for_log(&["INFO sent", &file, "outcome=completed"]);
            let granted = match *window {
                1 => format!("\"blksize={block} timeout={}\"", self.timeout),
                window => format!("\"blksize={block} timeout={} windowsize={}\"", self.timeout, window.min(LARGEST)),
            };
            assert!(line.contains(&granted), "{what}: {line}");
            let repeated = number_after(&line, "retransmissions=");
            if self.stalls || self.lost.is_some() {
                assert!(repeated > 0, "nothing happened, {what}: {line}");
            } else {
                // On a busy host an answer may come late, but the machine loses nothing.
                assert!(repeated <= self.size / usize::from(*block) / 20, "{what}: {line}");
            }
        }
        server.assert_drains();
    }
}

fn idle(_: &Machine) {
    std::thread::sleep(Duration::from_millis(5));
}

/// Stands still for 30 ms now and then, as on a busy host.
fn stutter(machine: &Machine) {
    machine.stand_still(Duration::from_millis(30));
    std::thread::sleep(Duration::from_millis(70));
}

/// Stands still longer than the server waits for an answer.
fn stall(machine: &Machine) {
    std::thread::sleep(Duration::from_millis(20));
    machine.stand_still(Duration::from_millis(1500));
    std::thread::sleep(Duration::from_secs(2));
}

#[test]
fn uboot_loads_with_windows_from_1_to_64() {
    let sizes = [(512, 1), (1468, 1), (1468, 2), (1024, 8), (1024, 10), (1468, 16), (1024, 17), (1024, 32), (1468, 64)];
    AS_IT_COMES.load(&sizes);
}

#[test]
fn uboot_loads_from_a_single_port() {
    let boot = Boot { ports: Ports::Single, size: 1_000_000, ..AS_IT_COMES };
    boot.load(&[(1468, 1), (1024, 16), (1468, 64)]);
}

#[test]
fn uboot_that_stands_still_now_and_then_loads_with_any_window() {
    let boot = Boot { size: 16 << 20, meanwhile: stutter, ..AS_IT_COMES };
    boot.load(&[(1024, 8), (1024, 16), (1024, 64), (1468, 64)]);
}

#[test]
fn uboot_that_stands_still_until_its_window_is_repeated_loads_all_the_same() {
    let boot = Boot { size: 16 << 20, timeout: 1, meanwhile: stall, stalls: true, ..AS_IT_COMES };
    boot.load(&[(1024, 1), (1024, 8), (1024, 64)]);
}

#[test]
fn uboot_in_lock_step_loads_over_a_network_that_loses_datagrams() {
    let boot = Boot { lost: Some(101), ..AS_IT_COMES };
    boot.load(&[(1468, 1)]);
}
