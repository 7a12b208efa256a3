//! Storage that never answers, fails in the middle, or panics: that transfer ends with a clear error, no other is
//! touched, and the server can be stopped.

use std::time::{Duration, Instant};

use crate::hosted::{Hosted, SIZE, Trap, file};
use crate::peer::{Peer, ack, data, error_code, rrq, wrq};
use crate::support::content;
use crate::transfers::{Download, Upload, download, upload};

const NOT_DEFINED: u16 = 0;
/// Short, for the tests; 60 s otherwise.
const TIMEOUT: Duration = Duration::from_millis(500);
/// A shutdown waits 5 s for storage that hangs. The rest is for a busy machine.
const SHUTDOWN: Duration = Duration::from_secs(20);

fn trapped() -> (Hosted, tftp_tokio::storage::Memory) {
    let trap = Trap::new(Duration::ZERO);
    let memory = trap.memory();
    (Hosted::start(trap, TIMEOUT), memory)
}

/// An answer that is an ERROR tells nothing of the inside.
#[track_caller]
fn assert_failed(answer: &[u8]) {
    assert_eq!(error_code(answer), Some(NOT_DEFINED), "{answer:?}");
    assert!(answer.len() < 48 && !answer.contains(&b'/'), "{answer:?}");
}

#[test]
fn an_open_that_never_answers() {
    let (server, memory) = trapped();
    for request in [rrq(b"open-hangs", &[]), wrq(b"open-hangs", &[]), rrq(b"open-hangs", &[("blksize", "1024")])] {
        let peer = Peer::new(server.address);
        peer.say(&request);
        assert!(download(server.address, "well").unwrap() == file(), "others go on");
        upload(server.address, "well", b"x").unwrap();
        memory.remove("well");
        assert_failed(&peer.hear().0);
    }
    server.wait_until_idle();
}

#[test]
fn a_read_that_never_answers() {
    let (server, _) = trapped();
    let stuck = Download::start(server.address, "read-hangs");
    let other = Download::start(server.address, "well").steps(100);
    assert_eq!(stuck.finish(), Err(NOT_DEFINED));
    assert!(other.finish().unwrap() == file());
    server.wait_until_idle();
}

#[test]
fn a_write_that_never_answers() {
    let (server, memory) = trapped();
    let bytes = content(2, SIZE);
    let stuck = Upload::start(server.address, "write-hangs", &bytes).unwrap();
    let other = Upload::start(server.address, "well", &bytes).unwrap().steps(100);
    assert_eq!(stuck.finish(), Err(NOT_DEFINED));
    other.finish().unwrap();
    assert!(memory.get("well").unwrap() == bytes);
    assert_eq!(memory.get("write-hangs"), None);
    server.wait_until_idle();
}

#[test]
fn reads_writes_and_commits_that_fail_or_panic() {
    let (server, memory) = trapped();
    let bytes = content(3, SIZE);
    let other = Download::start(server.address, "well").steps(10);
    for name in ["open-fails", "open-panics"] {
        assert_failed(&Peer::new(server.address).ask(&rrq(name.as_bytes(), &[])).0);
        assert_failed(&Peer::new(server.address).ask(&wrq(name.as_bytes(), &[])).0);
    }
    for name in ["read-fails", "read-panics"] {
        let mut reader = Download::start(server.address, name);
        while reader.step().is_ok() {
            assert!(!reader.done, "{name}");
        }
        assert!(reader.bytes == file()[..reader.bytes.len()], "nothing wrong was sent before");
    }
    for name in ["write-fails", "write-panics", "commit-fails", "commit-panics"] {
        assert_eq!(upload(server.address, name, &bytes), Err(NOT_DEFINED), "{name}");
        assert_eq!(memory.get(name), None, "{name}");
        // The name is free again.
        let again = Upload::start(server.address, name, &bytes).unwrap();
        again.peer.tell(again.port, &crate::peer::error(0, b"enough"));
    }
    assert!(other.finish().unwrap() == file());
    server.wait_until_idle();
}

/// Storage that failed the commit stays failed, however often the client repeats its last block.
#[test]
fn a_failed_commit_is_never_acknowledged() {
    let (server, _) = trapped();
    let writer = Upload::start(server.address, "commit-fails", b"short").unwrap();
    writer.send();
    assert_failed(&writer.peer.hear().0);
    for _ in 0..10 {
        writer.send();
    }
    crate::peer::settle(server.address);
    assert!(writer.peer.pending().iter().all(|answer| error_code(answer).is_some()));
}

/// Each with one transfer that is stuck at that step, and one that is not.
fn stops(names: &[&str], stop: impl Fn(&Hosted)) -> Duration {
    let (server, _) = trapped();
    for name in names {
        match name.split('-').next().unwrap() {
            "open" => Peer::new(server.address).say(&rrq(name.as_bytes(), &[])),
            "read" => {
                // Until it is stuck.
                let reader = Download::start(server.address, name);
                assert_eq!(reader.finish(), Err(NOT_DEFINED));
            }
            "write" => assert_eq!(upload(server.address, name, &content(4, SIZE)), Err(NOT_DEFINED)),
            _ => {
                let writer = Upload::start(server.address, name, b"short").unwrap();
                writer.send();
                crate::peer::settle(server.address);
                assert_eq!(writer.peer.pending().len(), 0, "it commits");
            }
        }
    }
    let begun = Instant::now();
    stop(&server);
    server.join();
    begun.elapsed()
}

#[test]
fn a_shutdown_does_not_wait_for_an_open_a_read_or_a_write_that_hangs() {
    for stop in [|server: &Hosted| server.handle.stop(), |server: &Hosted| server.handle.shutdown()] {
        let took = stops(&["open-hangs", "read-hangs", "write-hangs"], stop);
        assert!(took < SHUTDOWN, "{took:?}");
    }
}

#[test]
#[ignore = "a commit that has begun is awaited, however long it takes"]
fn a_stop_does_not_wait_for_ever_for_a_commit_that_hangs() {
    let took = stops(&["commit-hangs"], |server| server.handle.stop());
    assert!(took < SHUTDOWN, "{took:?}");
}

/// What hangs in storage must not use up the places of those who come later.
#[test]
fn many_that_hang_leave_room_for_others() {
    let (server, _) = trapped();
    let stuck: Vec<_> = (0..200).map(|_| Peer::new(server.address)).collect();
    for (index, peer) in stuck.iter().enumerate() {
        peer.say(&if index % 2 == 0 { rrq(b"open-hangs", &[]) } else { wrq(b"open-hangs", &[]) });
    }
    for _ in 0..3 {
        assert!(download(server.address, "well").unwrap() == file());
    }
    for peer in &stuck {
        assert_failed(&peer.hear().0);
    }
    server.wait_until_idle();
    server.handle.stop();
    server.join();
}

/// A peer that talks to a transfer whose file is still being opened gets nothing, and gains nothing.
#[test]
fn packets_to_a_transfer_that_is_not_open_yet() {
    let (server, _) = trapped();
    let peer = Peer::new(server.address);
    peer.say(&rrq(b"open-hangs", &[]));
    let port = Download::start(server.address, "well").port;
    for packet in [ack(0), ack(1), data(1, b"x")] {
        peer.tell(port, &packet);
    }
    assert_failed(&peer.hear().0);
    server.wait_until_idle();
}
