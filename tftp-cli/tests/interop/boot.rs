//! A machine that boots: U-Boot's own network stack and driver, in QEMU.
//!
//! Its virtio driver has 32 receive buffers, and once all of them are full it never receives again.

use std::time::Duration;

use rustix::process::Signal;
use tempfile::tempdir;

use crate::machine::Machine;
use crate::support::{Ports, Serve, content};

const FILE: &str = "kernel";

/// Boots a machine that loads the same file with each of these block and window sizes.
fn load(ports: Ports, size: usize, sizes: &[(u16, u16)], meanwhile: impl Fn(&Machine) + Sync) {
    let root = tempdir().unwrap();
    let bytes = content(1, size);
    std::fs::write(root.path().join(FILE), &bytes).unwrap();
    let mut server = Serve::directory(ports, root.path(), &[]);
    let Some(machine) = Machine::boot(server.address()) else { return };
    for (block, window) in sizes {
        let said = std::thread::scope(|scope| {
            let load = scope.spawn(|| {
                machine.run(&format!("setenv tftpblocksize {block}; setenv tftpwindowsize {window}"));
                machine.run(&format!("tftpboot 0x48000000 {FILE}"))
            });
            while !load.is_finished() {
                meanwhile(&machine);
            }
            load.join().unwrap()
        });
        assert!(said.contains(&format!("Bytes transferred = {size} ")), "blocks of {block}, window {window}: {said}");
        assert!(!said.contains("T "), "a timer ran out, blocks of {block}, window {window}: {said}");
        let sum = machine.run("crc32 0x48000000 $filesize");
        assert!(sum.contains(&format!("==> {:08x}", crc32(&bytes))), "blocks of {block}, window {window}: {sum}");
        server.wait_for_log(&["sent", FILE, "outcome=completed"]);
    }
    server.assert_drains();
}

fn idle(_: &Machine) {
    std::thread::sleep(Duration::from_millis(5));
}

/// Stands still for 30 ms now and then, as on a busy host.
fn stutter(machine: &Machine) {
    for (signal, pause) in [(Signal::CONT, 70), (Signal::STOP, 30)] {
        machine.signal(signal);
        std::thread::sleep(Duration::from_millis(pause));
    }
    machine.signal(Signal::CONT);
}

#[test]
fn uboot_loads_with_windows_from_1_to_64() {
    let sizes = [(512, 1), (1468, 1), (1468, 2), (1024, 8), (1024, 15), (1468, 16), (1024, 17), (1024, 32), (1468, 64)];
    load(Ports::Random, 4 << 20, &sizes, idle);
}

#[test]
fn uboot_loads_from_a_single_port() {
    load(Ports::Single, 1_000_000, &[(1468, 1), (1024, 16), (1468, 64)], idle);
}

#[test]
fn uboot_that_stands_still_now_and_then_loads_with_any_window() {
    load(Ports::Random, 16 << 20, &[(1024, 8), (1024, 16), (1024, 64), (1468, 64)], stutter);
}

/// As U-Boot and everybody computes it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}
