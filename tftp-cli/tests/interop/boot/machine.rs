//! A machine in QEMU that runs U-Boot, its console, and its cable.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::cable::{Cable, MACHINE, SERVER};
use crate::support::{Running, eventually, installed, skip, unique_loopback};

const FIRMWARE: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
/// Far above what anything here needs on a busy machine. U-Boot itself gives a transfer up after 55 s.
const HUNG: Duration = Duration::from_secs(100);
/// How often Enter is pressed until the prompt comes.
const PRESS: Duration = Duration::from_millis(300);

pub(crate) struct Machine {
    process: Running,
    console: Mutex<UnixStream>,
    commands: AtomicUsize,
    _cable: Cable,
    _directory: TempDir,
}

impl Machine {
    /// One at the prompt of U-Boot, for which `server` is the TFTP server of its network. `None`, loudly, if it cannot run
    /// here.
    pub(crate) fn boot(server: SocketAddr) -> Option<Self> {
        let qemu = installed("qemu-system-aarch64", "qemu-system-arm")?;
        if !Path::new(FIRMWARE).is_file() {
            skip("U-Boot for qemu_arm64 (Debian package u-boot-qemu) is not installed");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory for sockets");
        let console = directory.path().join("console");
        let guest = SocketAddr::new(unique_loopback(), 20_000);
        let cable = Cable::plug(guest, server);
        let mut process = Running::start(
            Command::new(qemu)
                .args(["-M", "virt", "-cpu", "cortex-a57", "-m", "256", "-display", "none", "-monitor", "none"])
                .args(["-bios", FIRMWARE, "-device", "virtio-net-device,netdev=cable", "-netdev"])
                .arg(format!("dgram,id=cable,{},{}", end("local", guest), end("remote", cable.host())))
                .args(["-serial", &format!("unix:{},server=on,wait=on", console.display())]),
        );
        let console = eventually("the console", || {
            assert!(process.ended().is_none(), "QEMU 7.2 or newer is needed");
            UnixStream::connect(&console).ok()
        });
        console.set_read_timeout(Some(PRESS)).expect("a time limit for the console");
        let console = Mutex::new(console);
        let machine = Self { process, console, commands: AtomicUsize::new(0), _cable: cable, _directory: directory };
        // Pressed in time it keeps the machine from booting by itself; too late, the prompt comes when that has failed.
        eventually("the prompt", || {
            machine.enter("");
            machine.read_until("=> ", PRESS).ok()
        });
        machine.run(&format!("setenv autoload no; setenv ipaddr {MACHINE}; setenv serverip {SERVER}"));
        Some(machine)
    }

    /// Runs a command, and answers what it printed.
    pub(crate) fn run(&self, command: &str) -> String {
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        // What is typed is printed, too, and must not look like the end.
        self.enter(&format!("{command}; echo EN\"\"D{number}"));
        self.wait_for(&format!("END{number}"))
    }

    /// As if its host had something better to do.
    pub(crate) fn stand_still(&self, time: Duration) {
        self.process.signal(Signal::STOP);
        std::thread::sleep(time);
        self.process.signal(Signal::CONT);
    }

    fn enter(&self, line: &str) {
        let mut console = self.console.lock().unwrap();
        console.write_all(line.as_bytes()).and_then(|()| console.write_all(b"\r")).expect("typing");
    }

    fn wait_for(&self, text: &str) -> String {
        self.read_until(text, HUNG).unwrap_or_else(|said| panic!("no {text:?} within {HUNG:?}: {said}"))
    }

    /// What comes until `text` has come, or what has come instead.
    fn read_until(&self, text: &str, time: Duration) -> Result<String, String> {
        let deadline = Instant::now() + time;
        let mut console = self.console.lock().unwrap();
        let mut all = Vec::new();
        while !all.ends_with(text.as_bytes()) {
            let mut byte = [0];
            match console.read(&mut byte) {
                Ok(0) => panic!("QEMU has ended: {}", String::from_utf8_lossy(&all)),
                Ok(_) => all.extend(byte),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => return Err(String::from_utf8_lossy(&all).into_owned()),
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

fn end(which: &str, address: SocketAddr) -> String {
    format!("{which}.type=inet,{which}.host={},{which}.port={}", address.ip(), address.port())
}
