//! Ends, and what comes after them: places that are given back, late copies, cancelling and shutting down at odd moments.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::endpoint::{Admission, Disposition, FailureKind, Ignored, Limits, Outcome, Shutdown};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Ending, Transfer, TransferAction};
use tftp_proto::wire::{Direction, ErrorCode, Mode, Options, Packet};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, address, server_config};
use tftp_sim::content;
use tftp_sim::node::Node;
use tftp_sim::packet::{ack, data, error, error_code, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];
const SECOND: Duration = Duration::from_secs(1);

fn file() -> Vec<u8> {
    content::bytes(1, 2000)
}

fn with_file(mut bench: Bench) -> Bench {
    bench.store().insert("f", file());
    bench.store().insert("small", b"x".to_vec());
    bench
}

/// A server whose transfers share one socket.
fn one_socket() -> Bench {
    let (config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 1);
    with_file(Bench::of(Node::new(config, addresses, 1)))
}

#[test]
fn a_peer_whose_transfer_has_ended_has_no_part_in_the_next_one() {
    let mut bench = with_file(Bench::single_port_server());
    bench.request(PEER, rrq("small", "octet", &[]));
    assert_eq!(bench.say(PEER, SERVER, ack(1)), NONE);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.request(OTHER, rrq("f", "octet", &[]));
    assert_eq!(bench.say(PEER, SERVER, ack(1)), NONE);
    assert_eq!(bench.heard(OTHER), NONE, "an ACK of somebody else");
    bench.request(PEER, rrq("small", "octet", &[]));
    assert_eq!(bench.outcomes(), [Outcome::Completed], "it replaces nobody else's");
    assert_eq!(bench.say(OTHER, SERVER, ack(1)), [data(2, &file()[512..1024])]);
    bench.rest();
}

#[test]
fn the_place_of_a_transfer_is_given_back_to_its_network() {
    let mut bench = with_file(Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { per_network: 2, ..Limits::default() }));
    }));
    // One goes on all the time; another comes and goes beside it.
    let (long, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, long, ack(1));
    for port in 2000..2010 {
        let peer = address([10, 0, 0, 2], port);
        let (tid, _) = bench.request(peer, rrq("f", "octet", &[]));
        bench.say(peer, tid, ack(1));
        assert_eq!(bench.deliver(address([10, 0, 0, 2], 3000), SERVER, rrq("f", "octet", &[])), SATURATED);
        bench.say(peer, tid, error(0, "enough"));
    }
    assert_eq!(bench.say(PEER, long, ack(2)), [data(3, &file()[1024..1536])]);
    bench.rest();
}

const SATURATED: Option<Disposition> = Some(Disposition::Ignored(Ignored::Saturated));

#[test]
fn a_file_that_is_open_is_no_longer_being_opened() {
    let mut bench = with_file(Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { opening: 1, ..Limits::default() }));
    }));
    for port in 2000..2005 {
        bench.request(address([10, 0, 0, 2], port), rrq("f", "octet", &[]));
    }
    assert_eq!(bench.active(), 5);
    bench.rest();
}

#[test]
fn storage_that_is_exhausted_costs_the_oldest_transfer_without_an_answer() {
    let mut bench = with_file(Bench::server());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    bench.request(address([198, 51, 100, 1], 1), rrq("f", "octet", &[]));
    bench.store().script(JobKind::OpenRead, 0, Fate::Fails(Duration::ZERO, FailureKind::Exhausted));
    assert_eq!(bench.say(OTHER, SERVER, rrq("f", "octet", &[])), NONE);
    assert!(matches!(bench.outcomes()[..], [Outcome::StorageFailed { .. }, Outcome::Evicted]));
    assert_eq!(bench.say(PEER, tid, ack(2)), [data(3, &file()[1024..1536])], "a proved one stays");
    bench.rest();
}

#[test]
fn a_transfer_can_be_cancelled_while_its_file_is_being_opened() {
    for (packet, job, end) in [
        (rrq("f", "octet", &[]), JobKind::OpenRead, JobKind::Close),
        (wrq("up", "octet", &[]), JobKind::OpenWrite, JobKind::Abort),
    ] {
        let mut bench = with_file(Bench::server());
        bench.store().script(job, 0, Fate::After(SECOND));
        assert_eq!(bench.say(PEER, SERVER, packet), NONE);
        let id = bench.store().log()[0].id;
        bench.world.cancel(0, id);
        bench.world.settle();
        let told = bench.heard(PEER);
        assert_eq!(told.iter().map(|packet| error_code(packet)).collect::<Vec<_>>(), [Some(0)]);
        assert_eq!(bench.outcomes(), [Outcome::Cancelled], "at once");
        bench.rest();
        assert_eq!(bench.store().count(end), 1, "what was opened all the same is let go");
        assert_eq!(bench.heard(PEER), NONE);
    }
}

#[test]
fn a_peer_can_give_up_while_its_file_is_being_opened() {
    // A server with one port only: where else would the peer send it?
    let mut bench = with_file(Bench::single_port_server());
    bench.store().script(JobKind::OpenWrite, 0, Fate::After(SECOND));
    assert_eq!(bench.say(PEER, SERVER, wrq("up", "octet", &[])), NONE);
    assert_eq!(bench.say(PEER, SERVER, error(0, "never mind")), NONE);
    let given_up = Outcome::PeerError { code: ErrorCode::NotDefined, message: b"never mind".to_vec() };
    assert_eq!(bench.outcomes(), [given_up], "at once");
    bench.rest();
    assert_eq!(bench.heard(PEER), NONE);
    assert_eq!(bench.store().count(JobKind::Abort), 1);
}

#[test]
fn an_immediate_shutdown_does_not_wait_for_ever_for_a_commit_that_hangs() {
    for graceful_first in [false, true] {
        let mut bench = with_file(Bench::server());
        bench.store().script(JobKind::Commit, 0, Fate::Never);
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        assert_eq!(bench.say(PEER, tid, data(1, b"x")), NONE);
        if graceful_first {
            bench.world.shutdown(0, Shutdown::Graceful);
            bench.world.run_for(60 * SECOND);
            assert!(!bench.node().is_finished(), "a graceful one waits");
        }
        let start = bench.now();
        bench.world.shutdown(0, Shutdown::Immediate);
        bench.world.settle();
        assert!(!bench.node().is_finished(), "it has some patience");
        bench.rest();
        assert!(bench.node().is_finished());
        assert!(bench.now() - start <= 6 * SECOND, "{:?}", bench.now() - start);
        assert_eq!(bench.outcomes(), [Outcome::ShutDown]);
        assert_eq!(bench.heard(PEER), NONE, "whether the file is safe is not known");
    }
}

#[test]
fn an_immediate_shutdown_cuts_a_graceful_one_short() {
    let mut bench = with_file(Bench::server());
    let (up, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.world.run_for(Duration::from_millis(20));
    assert_eq!(bench.say(PEER, up, data(1, b"x")), [ack(1)]);
    bench.world.shutdown(0, Shutdown::Graceful);
    bench.world.settle();
    assert!(!bench.node().is_finished(), "somebody may have lost our last ACK");
    bench.world.shutdown(0, Shutdown::Immediate);
    bench.world.settle();
    assert!(bench.node().is_finished());
}

#[test]
fn a_late_copy_of_the_request_of_a_finished_upload_begins_nothing() {
    for (packet, after, begins) in [
        (wrq("up", "octet", &[]), Duration::ZERO, false),
        (wrq("up", "octet", &[]), Duration::from_millis(999), false),
        (wrq("up", "octet", &[]), SECOND, true),
        (wrq("other", "octet", &[]), Duration::ZERO, true),
    ] {
        let mut bench = with_file(Bench::server());
        bench.store().overwrite = true;
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        assert_eq!(bench.say(PEER, tid, data(1, b"x")), [ack(1)]);
        bench.world.run_for(after);
        let disposition = bench.deliver(PEER, SERVER, packet);
        let repeated = Disposition::Ignored(Ignored::RepeatedRequest);
        assert_eq!(disposition, Some(if begins { Disposition::Accepted } else { repeated }), "after {after:?}");
        assert_eq!(bench.heard(PEER), if begins { vec![ack(0)] } else { vec![] });
        bench.rest();
    }
}

#[test]
fn an_error_is_repeated_three_times_at_most_and_200_ms_apart() {
    let mut bench = with_file(Bench::server());
    bench.store().script(JobKind::Write, 0, Fate::Fails(Duration::ZERO, FailureKind::Full));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[("blksize", "16384")]));
    let block = [1; 16384];
    let mut told = Vec::new();
    for number in 1..=100 {
        told = bench.say(PEER, tid, data(number, &block));
        if told.iter().any(|packet| error_code(packet) == Some(3)) {
            break;
        }
    }
    let told = told.pop().unwrap();
    assert_eq!(error_code(&told), Some(3));
    for _ in 0..3 {
        bench.world.run_for(Duration::from_millis(199));
        assert_eq!(bench.say(PEER, tid, data(2, &block)), NONE, "too soon");
        bench.world.run_for(Duration::from_millis(1));
        assert_eq!(bench.say(PEER, tid, data(2, &block)), [&told[..]]);
    }
    bench.world.run_for(Duration::from_millis(300));
    assert_eq!(bench.say(PEER, tid, data(2, &block)), NONE, "enough");
    bench.rest();
}

/// Its transfer has ended, but it is no stranger: ERROR 5 would end what it believes to be a success.
#[test]
fn who_was_served_a_moment_ago_gets_no_error_5() {
    let mut bench = one_socket();
    let [neighbour, stranger] = [1025, 1026].map(|port| address([10, 0, 0, 2], port));
    let (tid, _) = bench.request(neighbour, rrq("f", "octet", &[]));
    bench.say(neighbour, tid, ack(1));
    assert_eq!(bench.request(PEER, rrq("small", "octet", &[])).0, tid);
    assert_eq!(bench.say(PEER, tid, ack(1)), NONE);
    assert_eq!(bench.say(PEER, tid, ack(1)), NONE, "a late copy");
    let answer = bench.say(stranger, tid, ack(1));
    assert_eq!(answer.iter().map(|packet| error_code(packet)).collect::<Vec<_>>(), [Some(5)]);
    assert_eq!(bench.say(neighbour, tid, ack(2)), [data(3, &file()[1024..1536])], "and the neighbour goes on");
    bench.rest();
}

/// An address that may be forged hears of a failure once.
#[test]
fn a_failure_is_repeated_only_to_a_peer_that_has_answered() {
    for (options, answered) in [(&[("blksize", "1024")][..], true), (&[], false)] {
        let mut bench = with_file(Bench::server());
        bench.store().script(JobKind::Read, 0, Fate::Fails(Duration::ZERO, FailureKind::Other));
        let (tid, mut told) = bench.request(PEER, rrq("f", "octet", options));
        if answered {
            told = bench.say(PEER, tid, ack(0)).remove(0);
        }
        assert_eq!(error_code(&told), Some(0));
        bench.world.run_for(Duration::from_millis(300));
        assert_eq!(bench.say(PEER, tid, ack(1)).len(), usize::from(answered));
        bench.rest();
    }
}

#[test]
fn during_a_shutdown_nobody_is_told_what_is_wrong_with_a_request() {
    let mut bench = with_file(Bench::server());
    bench.request(PEER, rrq("f", "octet", &[]));
    let no_mode = b"\0\x01f\0";
    assert_eq!(bench.say(OTHER, SERVER, no_mode).iter().map(|told| error_code(told)).collect::<Vec<_>>(), [Some(4)]);
    assert_eq!(bench.say(OTHER, address([255; 4], 69), no_mode), NONE, "nor ever if it came to everybody");
    bench.world.shutdown(0, Shutdown::Graceful);
    assert_eq!(bench.say(OTHER, SERVER, no_mode), NONE);
    bench.rest();
}

/// Without an endpoint, too: a copy of its request makes a transfer send nothing once the peer has answered.
#[test]
fn a_transfer_repeats_its_first_answer_only_to_a_peer_that_never_answered() {
    let now = Instant::from_micros(1);
    let mut out = vec![0; 1000];
    let options = Options { window_size: Some(4), block_size: Some(8), ..Options::NONE };
    let granted = grant(&options, Direction::Read, Mode::Octet, &OptionPolicy::default(), None);
    let mut transfer: Transfer<Vec<u8>> = Transfer::serve_read(now, granted, Timing::default(), 4096, 1);
    let mut sent = |transfer: &mut Transfer<Vec<u8>>| {
        let mut count = 0;
        loop {
            match transfer.poll(now, &mut out) {
                TransferAction::Transmit { len, segment_size, .. } => {
                    count += len.div_ceil(segment_size.unwrap_or(len));
                }
                TransferAction::Read { .. } => transfer.handle_chunk(vec![7; 100]),
                TransferAction::Wait(_) => return count,
                TransferAction::Request(_) | TransferAction::Ended(_) => unreachable!("it has just begun"),
            }
        }
    };
    assert_eq!(sent(&mut transfer), 1, "the OACK");
    transfer.repeat_answer();
    assert_eq!(sent(&mut transfer), 1, "and again");
    transfer.handle_packet(now, &Packet::Ack { block: 0 });
    assert_eq!(sent(&mut transfer), 4, "a window");
    transfer.repeat_answer();
    assert_eq!(sent(&mut transfer), 0);
}

#[test]
fn a_transfer_that_is_forgotten_says_nothing() {
    let now = Instant::from_micros(1);
    let mut out = vec![0; 1000];
    let granted = grant(&Options::NONE, Direction::Write, Mode::Octet, &OptionPolicy::default(), None);
    let mut transfer: Transfer<Vec<u8>> = Transfer::serve_write(now, granted, Timing::default(), 1);
    transfer.forget();
    assert_eq!(transfer.poll(now, &mut out), TransferAction::Ended(Ending::Failed));
    transfer.forget();
    transfer.handle_packet(now, &Packet::Data { block: 1, payload: b"late" });
    assert_eq!(transfer.poll(now, &mut out), TransferAction::Ended(Ending::Failed), "and once is enough");
}
