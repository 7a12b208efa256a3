//! Clients that are gone: the kernel says "port unreachable" for them.

use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::tempdir;

use crate::peer::{Peer, ack, rrq, settle};
use crate::support::{Ports, Serve, content};
use crate::transfers::{Download, Upload, download};

/// They are given up after the usual time, and nobody else's transfer through the same ports suffers.
#[test]
fn clients_that_vanish_in_mid_transfer_disturb_nobody() {
    let root = tempdir().unwrap();
    let bytes = content(1, 20_000);
    std::fs::write(root.path().join("file"), &bytes).unwrap();
    for ports in [Ports::Random, Ports::Single] {
        let mut server = Serve::directory(ports, root.path(), &["--timeout", "50ms", "--give-up-after", "2s"]);
        let address = server.address();
        let done = AtomicBool::new(false);
        let others = std::thread::scope(|scope| {
            let others = scope.spawn(|| {
                let mut count = 0;
                while !done.load(Ordering::Relaxed) {
                    assert!(download(address, "file").unwrap() == bytes);
                    count += 1;
                }
                count
            });
            let gone: Vec<_> = (0..20)
                .map(|index| {
                    let reader = Download::start(address, "file").steps(2);
                    let writer = Upload::start(address, &format!("new-{index}"), &bytes).unwrap().steps(2);
                    // Data is under way to the first, and the second has just said something, when their sockets close.
                    reader.peer.tell(reader.port, &ack(3));
                    writer.send();
                    [reader.peer.address(), writer.peer.address()]
                })
                .collect();
            for client in gone.into_iter().flatten() {
                server.wait_for_log(&[&format!("client={client} "), "outcome=timeout"]);
            }
            done.store(true, Ordering::Relaxed);
            others.join().unwrap()
        });
        assert!(others > 0);
        server.assert_drains();
        let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["file"]);
    }
}

/// An ICMP error of one client must not be taken for an error of the socket that all share.
#[test]
fn a_storm_of_port_unreachable() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), content(2, 3000)).unwrap();
    let server = Serve::directory(Ports::Single, root.path(), &["--timeout", "10ms"]);
    let honest = Download::start(server.address(), "file");
    for _ in 0..500 {
        // Its socket is closed before the answer comes.
        Peer::new(server.address()).say(&rrq(b"file", &[]));
    }
    settle(server.address());
    assert!(honest.finish().unwrap() == content(2, 3000));
    assert!(download(server.address(), "file").unwrap() == content(2, 3000));
}
