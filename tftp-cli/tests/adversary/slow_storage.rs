//! Storage that takes its time, and clients that ask again meanwhile: everything comes late, once, and whole.

use std::time::Duration;

use crate::hosted::{Hosted, Trap};
use crate::peer::{Peer, ack, block, data, oack, rrq, settle, wrq};
use crate::support::content;
use crate::transfers::{Download, upload};

/// Longer than a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(600);
const IMPATIENT: Duration = Duration::from_millis(100);

fn slow() -> (Hosted, tftp_tokio::storage::Memory) {
    let trap = Trap::new(PAUSE);
    let memory = trap.memory();
    (Hosted::start(trap, Duration::from_secs(60)), memory)
}

/// Says something again and again until there is an answer.
fn pester(peer: &Peer, say: impl Fn()) -> (Vec<u8>, std::net::SocketAddr, usize) {
    for repeats in 0..600 {
        say();
        if let Some((answer, from)) = peer.hear_within(IMPATIENT) {
            return (answer, from, repeats);
        }
    }
    panic!("no answer");
}

#[test]
fn a_slow_open_delays_the_oack_and_repeats_do_not_multiply_it() {
    let (server, memory) = slow();
    memory.insert("slow", content(1, 3000)).unwrap();
    for request in [rrq(b"slow", &[("blksize", "2048"), ("tsize", "0")]), rrq(b"slow", &[])] {
        let peer = Peer::new(server.address);
        let (answer, port, repeats) = pester(&peer, || peer.say(&request));
        assert!(repeats > 0, "the client has asked again");
        let with_options = answer == oack(&[("blksize", "2048"), ("tsize", "3000")]);
        assert!(with_options || block(&answer).is_some_and(|(number, _)| number == 1), "{answer:?}");
        settle(server.address);
        let copies = peer.pending();
        // The server itself may have repeated it by now.
        assert!(copies.len() <= 3 && copies.iter().all(|copy| *copy == answer), "{copies:?}");
        let size = if with_options { 2048 } else { 512 };
        let mut bytes = Vec::new();
        let mut next = u16::from(!with_options);
        if let Some((_, payload)) = block(&answer) {
            bytes.extend_from_slice(payload);
        }
        while bytes.len() < 3000 {
            let (answer, _, _) = pester(&peer, || peer.tell(port, &ack(next)));
            if let Some((number, payload)) = block(&answer).filter(|(number, _)| *number == next + 1) {
                next = number;
                bytes.extend_from_slice(payload);
            }
        }
        peer.tell(port, &ack(next));
        assert!(bytes == content(1, 3000), "{size}");
    }
    server.wait_until_idle();
}

/// The last block is acknowledged when the file is there, not before, however often it comes.
#[test]
fn a_slow_commit_delays_the_last_acknowledgement() {
    let (server, memory) = slow();
    let peer = Peer::new(server.address);
    let (answer, port, _) = pester(&peer, || peer.say(&wrq(b"slow", &[])));
    assert_eq!(answer, ack(0));
    let mut early = 0;
    loop {
        peer.tell(port, &data(1, b"short"));
        let stored = memory.get("slow").is_some();
        match peer.hear_within(IMPATIENT) {
            Some((answer, _)) if answer == ack(1) => break,
            Some((answer, _)) => assert_eq!(answer, ack(0)),
            None => early += usize::from(!stored),
        }
    }
    assert!(early > 0, "the client has repeated its block while the file was not there");
    assert_eq!(memory.get("slow").unwrap(), "short");
    server.wait_until_idle();
}

#[test]
fn slow_reads_and_writes_break_nothing() {
    let (server, memory) = slow();
    let bytes = content(2, 20_000);
    memory.insert("slow-get", bytes.clone()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(Download::start(server.address, "slow-get").finish().unwrap() == bytes));
        }
        for index in 0..4 {
            let (bytes, address) = (&bytes, server.address);
            scope.spawn(move || upload(address, &format!("slow-put-{index}"), bytes).unwrap());
        }
    });
    for index in 0..4 {
        assert!(memory.get(format!("slow-put-{index}")).unwrap() == bytes);
    }
    server.wait_until_idle();
}
