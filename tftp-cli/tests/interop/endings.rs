//! Other ways to end in the middle: a drain, a client that leaves, a disk that is full.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use tempfile::tempdir;

use crate::support::{
    Client, Gate, Packet, Ports, Raw, Relay, Running, Serve, content, eventually, same, unique_loopback,
};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Longer than any test waits: only what was freed at once lets a server drain.
const PATIENT: [&str; 2] = ["--give-up-after", "1h"];

#[test]
fn a_drain_waits_for_every_client() {
    for client in Client::ALL.into_iter().filter_map(Client::installed) {
        let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = content(1, 1 << 21);
        std::fs::write(root.path().join("file"), &bytes).unwrap();
        let mut server = Serve::directory(Ports::Random, root.path(), &PATIENT);
        let gate = Gate::default();
        let relay = Relay::start(server.address(), gate.rule(50));
        let local = here.path().join("file");
        let process = Running::start(&mut client.get(relay.address(), "file", &local));
        gate.wait_until_closed();
        server.interrupt();
        server.wait_for_log(&["waiting for 1 transfer"]);
        gate.open();
        process.finish().assert_success();
        same(&local, &bytes).unwrap();
        let (finished, log) = server.finish();
        assert!(finished.status.success(), "{}: {log}", finished.status);
    }
}

#[test]
fn a_reader_that_leaves_with_an_error_is_forgotten_at_once() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), content(2, 10_000)).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &PATIENT);
    let raw = Raw::new(LOCAL);
    raw.request(server.address(), 1, "file");
    for block in 1..=3 {
        let (packet, from) = raw.receive();
        assert!(matches!(packet, Packet::Data(number, _) if number == block), "{packet:?}");
        if block < 3 {
            raw.ack(from, block);
        } else {
            raw.error(from, 0, "leaving");
        }
    }
    server.assert_drains();
}

#[test]
fn a_writer_that_leaves_with_an_error_leaves_no_file() {
    let root = tempdir().unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &PATIENT);
    let raw = Raw::new(LOCAL);
    raw.request(server.address(), 2, "file");
    for block in 0..3 {
        let (packet, from) = raw.receive();
        assert_eq!(packet, Packet::Ack(block));
        if block < 2 {
            raw.data(from, block + 1, &[7; 512]);
        } else {
            raw.error(from, 0, "leaving");
        }
    }
    server.assert_drains();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_size_probe_is_forgotten_at_once() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), content(3, 10_000)).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &PATIENT);
    let raw = Raw::new(LOCAL);
    raw.send(server.address(), b"\0\x01file\0octet\0tsize\x000\0");
    let (packet, from) = raw.receive();
    assert_eq!(packet, Packet::Oack(b"tsize\x0010000\0".to_vec()));
    raw.error(from, 8, "User aborted the transfer");
    server.assert_drains();
}

/// Files of the server's process can grow to 100 KiB only.
#[test]
fn a_disk_that_is_full_ends_the_upload_only() {
    for client in Client::ALL.into_iter().filter_map(Client::installed) {
        let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
        let listen = format!("{}:0", unique_loopback());
        let mut server = Serve::start_command(
            // A limit that is reached raises a signal first, then fails the write.
            Command::new("sh")
                .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tftp-cli")])
                .args(["serve", "--create", "--listen", &listen])
                .args(PATIENT)
                .arg(root.path()),
        );
        let (large, small) = (here.path().join("large"), here.path().join("small"));
        std::fs::write(&large, content(4, 1 << 20)).unwrap();
        std::fs::write(&small, content(5, 50_000)).unwrap();
        // Not every client tells its failure by its exit code.
        let finished = Running::start(&mut client.put(server.address(), &large, "large")).finish();
        // A client that gives up of its own accord may be gone before the server knows.
        server.wait_for_log(&["file=\"large\"", "outcome="]);
        eventually(&format!("a clean directory after {finished:?}"), || {
            (std::fs::read_dir(root.path()).unwrap().count() == 0).then_some(())
        });
        client.upload(server.address(), &small, "small");
        same(&root.path().join("small"), &content(5, 50_000)).unwrap();
        server.assert_drains();
    }
}
