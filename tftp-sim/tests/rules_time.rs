//! Time: what is given up when, and what is proved to whom.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use tftp_proto::config::Pacing;
use tftp_proto::endpoint::Outcome;
use tftp_proto::wire::{Direction, Options};
use tftp_sim::bench::{Bench, PEER, SERVER, TID, US, ask};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error, oack, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

fn file() -> Vec<u8> {
    content::bytes(1, 2000)
}

fn server() -> Bench {
    let mut bench = Bench::server();
    bench.store().insert("f", file());
    bench
}

//= rfc1350#section-7
//= type=test
//# Timeouts must also be used to detect errors.
//= rfc7440#section-6
//= type=test
//# Implementations SHOULD always set a maximum number of retries for datagram retransmissions, imposing an appropriate
//# threshold on error recovery attempts, after which a transfer SHOULD always be aborted to prevent pathological
//# retransmission conditions.
#[test]
fn a_proved_transfer_is_given_up_after_30_seconds_of_silence() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    bench.world.run_for(Duration::from_millis(29_900));
    assert_eq!(bench.active(), 1);
    bench.world.run_for(Duration::from_millis(200));
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
    bench.rest();
    assert!(bench.reports()[0].duration >= Duration::from_secs(30));

    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, &[1; 512]));
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
    assert_eq!(bench.store().file("up"), None);
    assert!(!bench.store().is_claimed("up"));
}

/// Storage is slow where a window goes on, the client asks for the window again, and its first blocks have to be read
/// again: some leave for the second time and others for the first, in one go.
#[test]
fn silence_is_counted_from_new_blocks_also_behind_repeated_ones() {
    let mut bench = Bench::server_with(|config| config.pacing = Pacing::OFF);
    bench.store().insert("long", content::bytes(1, 300_000));
    // The third window spans three reads of 45 blocks, and the last of them takes its time.
    bench.store().script(JobKind::Read, 4, Fate::After(Duration::from_secs(26)));
    let (tid, _) = bench.request(PEER, rrq("long", "octet", &[("blksize", "1428"), ("windowsize", "64")]));
    for block in [0, 64] {
        assert_eq!(bench.say(PEER, tid, ack(block)).len(), 64);
    }
    assert_eq!(bench.say(PEER, tid, ack(128)).len(), 180 - 128, "as much of the window as was read");
    bench.world.run_for(Duration::from_secs(25));
    bench.say(PEER, tid, ack(128));
    bench.world.run_for(Duration::from_millis(1_005));
    assert_eq!(bench.heard(PEER).len(), 64, "the whole window");
    bench.world.run_for(Duration::from_secs(29));
    assert_eq!(bench.active(), 1, "its end was sent 29 s ago for the first time");
    bench.world.run_for(Duration::from_secs(3));
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
    bench.rest();
}

#[test]
fn trains_and_their_pauses_do_not_lengthen_patience() {
    // Every timer that runs out makes trains shorter and pauses longer. Windows, in blocks.
    for window in [16, 64, 1000, 32_767] {
        let mut bench = Bench::server_with(|config| config.options.max_window = window);
        bench.store().insert("long", vec![0; 8 * 33_000]);
        let options = [("blksize", "8"), ("windowsize", &window.to_string())];
        let (tid, _) = bench.request(PEER, rrq("long", "octet", &options));
        bench.say(PEER, tid, ack(0));
        bench.rest();
        assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
        // Silence begins when the last new block has left.
        let duration = bench.reports()[0].duration;
        let sending = Duration::from_secs(10);
        assert!(
            (Duration::from_secs(30)..Duration::from_secs(31) + sending).contains(&duration),
            "{window}: {duration:?}"
        );
    }
}

#[test]
fn after_an_outage_a_window_takes_seconds_and_no_more() {
    let mut bench = server();
    bench.store().insert("long", vec![0; 512 * 2000]);
    let (tid, _) = bench.request(PEER, rrq("long", "octet", &[("windowsize", "64")]));
    bench.say(PEER, tid, ack(0));
    let windows: Vec<u16> = (1..=10).map(|window| window * 64).collect();
    for window in &windows {
        bench.world.run_for(Duration::from_millis(50));
        bench.say(PEER, tid, ack(*window));
    }
    // A switch that works out its spanning tree.
    bench.world.run_for(Duration::from_secs(28));
    let answers = bench.heard(PEER).len();
    assert!(answers > 0 && bench.active() == 1);
    // The first blocks of the window leave at once.
    let mut blocks = bench.say(PEER, tid, ack(704)).len();
    blocks += bench.wait(PEER, Duration::from_secs(6)).len();
    assert!(blocks >= 64, "{blocks} blocks");
}

/// A server with a long file in lock-step, whose client has just acknowledged block 3 within no time.
fn in_lock_step() -> (Bench, SocketAddr) {
    let mut bench = server();
    bench.store().insert("long", content::bytes(1, 512 * 100));
    let (tid, _) = bench.request(PEER, rrq("long", "octet", &[]));
    for block in 1..=3 {
        bench.say(PEER, tid, ack(block));
    }
    (bench, tid)
}

/// When the next repeat leaves.
fn next_repeat(bench: &mut Bench) -> Duration {
    let start = bench.now();
    loop {
        if !bench.wait(PEER, Duration::from_millis(1)).is_empty() {
            return bench.now() - start;
        }
        assert!(bench.now() - start < Duration::from_secs(30), "nothing is repeated");
    }
}

#[test]
fn the_first_repeat_follows_the_measured_round_trip() {
    let (mut bench, _) = in_lock_step();
    let first = next_repeat(&mut bench);
    assert!((Duration::from_millis(60)..Duration::from_millis(70)).contains(&first), "{first:?}");
    let second = next_repeat(&mut bench);
    assert!((Duration::from_millis(120)..Duration::from_millis(140)).contains(&second), "{second:?}");
}

#[test]
fn the_back_off_is_kept_until_a_round_trip_was_measured() {
    let (mut bench, tid) = in_lock_step();
    for _ in 0..3 {
        next_repeat(&mut bench);
    }
    bench.world.run_for(Duration::from_millis(10));
    // Not one of the last copy of block 4, and of which one is not known.
    assert_eq!(bench.say(PEER, tid, ack(4)), [data(5, &content::bytes(1, 512 * 100)[512 * 4..512 * 5])]);
    let kept = next_repeat(&mut bench);
    assert!(kept >= Duration::from_millis(60 << 3), "{kept:?}");
    // Nor which one of block 5; but block 6 was sent once.
    bench.say(PEER, tid, ack(5));
    bench.say(PEER, tid, ack(6));
    let measured = next_repeat(&mut bench);
    assert!(measured < Duration::from_millis(70), "{measured:?}");
}

#[test]
fn after_an_outage_of_a_minute_a_transfer_goes_on_within_seconds() {
    let mut bench = Bench::server_with(|config| config.timing.give_up_after = Duration::from_secs(120));
    bench.store().insert("long", content::bytes(1, 512 * 2000));
    let (tid, _) = bench.request(PEER, rrq("long", "octet", &[("windowsize", "16")]));
    bench.say(PEER, tid, ack(0));
    bench.wait(PEER, Duration::from_millis(20));
    bench.say(PEER, tid, ack(16));
    bench.wait(PEER, Duration::from_secs(60));
    let back = next_repeat(&mut bench);
    assert!(back <= Duration::from_secs(6), "{back:?}");
    // The window arrives and the one behind it is lost: that is noticed in a second or two.
    bench.wait(PEER, Duration::from_secs(5));
    assert!(!bench.say(PEER, tid, ack(32)).is_empty());
    bench.wait(PEER, Duration::from_millis(500));
    let repeated = next_repeat(&mut bench);
    assert!(repeated <= Duration::from_secs(2), "{repeated:?}");
}

#[test]
fn patience_follows_progress_not_the_start() {
    let mut bench = server();
    bench.store().insert("long", content::bytes(1, 512 * 10));
    let (tid, _) = bench.request(PEER, rrq("long", "octet", &[]));
    // A phone that pauses 25 s before each ACK, while it writes its flash.
    for block in 1..=11 {
        bench.world.run_for(Duration::from_secs(if block == 1 { 1 } else { 25 }));
        bench.say(PEER, tid, ack(block));
    }
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.rest();
}

//= rfc7440#section-6
//= type=test
//# Implementations SHOULD always set a maximum number of retries for datagram retransmissions, imposing an appropriate
//# threshold on error recovery attempts, after which a transfer SHOULD always be aborted to prevent pathological
//# retransmission conditions.
#[test]
fn retries_and_patience_can_be_configured() {
    let mut bench = Bench::server_with(|config| config.timing.max_retries = Some(2));
    bench.store().insert("f", file());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    assert_eq!(bench.wait(PEER, Duration::from_secs(60)).len(), 2);
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);

    let mut bench = Bench::server_with(|config| config.timing.give_up_after = Duration::from_secs(7));
    bench.store().insert("f", file());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    bench.world.run_for(Duration::from_secs(7));
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
}

//= rfc7440#section-6
//= type=test
//# Implementations SHOULD always set a maximum number of retries for datagram retransmissions, imposing an appropriate
//# threshold on error recovery attempts, after which a transfer SHOULD always be aborted to prevent pathological
//# retransmission conditions.
#[test]
fn an_unproved_peer_gets_few_retries() {
    for packet in [rrq("f", "octet", &[]), rrq("f", "octet", &[("blksize", "600")]), wrq("up", "octet", &[])] {
        let mut bench = server();
        bench.request(PEER, packet);
        let repeats = bench.wait(PEER, Duration::from_secs(300));
        assert!(repeats.len() <= 4, "{} repeats", repeats.len());
        assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
        bench.rest();
    }
}

#[test]
fn an_unproved_peer_is_given_up_after_30_seconds_whatever_interval_it_asked_for() {
    let options = [("timeout", "255")];
    for request in [rrq("f", "octet", &options), wrq("up", "octet", &options)] {
        let mut bench = server();
        assert_eq!(bench.request(PEER, request.clone()).1, oack(&options));
        bench.world.run_for(Duration::from_secs(29));
        // A client that did not get the answer asks again. That is no proof, and does not lengthen anything.
        assert_eq!(bench.say(PEER, SERVER, request), [oack(&options)]);
        assert_eq!(bench.active(), 1);
        bench.world.run_for(Duration::from_millis(1_100));
        assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
        assert_eq!(bench.active(), 0);
        assert!(!bench.store().is_claimed("up"));
        bench.rest();
    }
}

#[test]
fn an_unproved_peer_gets_a_small_flight() {
    // Without an OACK to answer, a window was not negotiated: one block. With one: nothing but the OACK.
    let mut bench = server();
    bench.store().insert("big", content::bytes(1, 1 << 20));
    let options = [("blksize", "65464"), ("windowsize", "64")];
    let (_, answer) = bench.request(PEER, rrq("big", "octet", &options));
    assert_eq!(answer, oack(&options));
    bench.wait(PEER, Duration::from_secs(300));
    assert!(bench.world.bytes_sent() < 1000, "{}", bench.world.bytes_sent());
}

#[test]
fn all_but_the_last_ack_is_delivered_unconfirmed() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    for block in 1..=3 {
        bench.say(PEER, tid, ack(block));
    }
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::DeliveredUnconfirmed]);
    assert!(bench.outcomes()[0].is_success());

    let mut bench = Bench::client();
    bench.put("f", Options::NONE, file());
    for block in 0..=3 {
        bench.say(TID, US, ack(block));
    }
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::DeliveredUnconfirmed]);
}

#[test]
fn more_than_the_last_ack_missing_is_a_timeout() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    for block in 1..=2 {
        bench.say(PEER, tid, ack(block));
    }
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
    // The whole file in one window, of which nothing was acknowledged.
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("windowsize", "8")]));
    bench.say(PEER, tid, ack(0));
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
    // One block to a peer that never proved its address.
    let mut bench = server();
    bench.store().insert("tiny", b"x".to_vec());
    bench.request(PEER, rrq("tiny", "octet", &[]));
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
}

#[test]
fn a_gap_report_is_served_at_once_in_spite_of_a_negotiated_timeout() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("timeout", "200"), ("windowsize", "4")]));
    assert_eq!(bench.say(PEER, tid, ack(0)).len(), 4);
    assert_eq!(bench.say(PEER, tid, ack(1)).len(), 3);
}

#[test]
fn a_long_negotiated_timeout_lengthens_patience() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("timeout", "20")]));
    bench.say(PEER, tid, ack(0));
    bench.world.run_for(Duration::from_secs(59));
    assert_eq!(bench.active(), 1, "three intervals at least");
    bench.world.run_for(Duration::from_secs(2));
    assert_eq!(bench.active(), 0);
}

#[test]
fn a_timeout_is_told_to_nobody() {
    // The peer is silent: a packet to it would be wasted, and could be an attack's.
    let mut bench = server();
    bench.request(PEER, wrq("up", "octet", &[]));
    let heard = bench.wait(PEER, Duration::from_secs(300));
    assert!(heard.iter().all(|(_, bytes)| *bytes == ack(0)));
}

#[test]
fn dallying_releases_slot_claim_and_handle_at_commit() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"x"));
    assert_eq!(bench.active(), 0, "what dallies is no transfer");
    assert!(!bench.store().is_claimed("up"));
    assert_eq!(bench.store().leaks().count(), 0);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    // A new request of the same peer replaces what dallies, and runs on another socket.
    let (again, answer) = bench.request(PEER, wrq("up2", "octet", &[]));
    assert_ne!(again, tid);
    assert_eq!(answer, ack(0));
    assert_eq!(bench.say(PEER, again, data(1, b"y")), [ack(1)]);
    bench.rest();
    assert_eq!(bench.store().len(), 3);
}

#[test]
fn an_error_ends_dallying() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"x"));
    assert!(bench.say(PEER, tid, error(0, "done")).is_empty());
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.rest();
}

//= rfc1350#section-7
//= type=test
//# Timeouts must also be used to detect errors.
#[test]
fn a_client_gives_up_asking_after_its_retries() {
    let mut request = ask(0, SERVER, Direction::Read, "f");
    request.timing.unproved_retries = 2;
    let mut bench = Bench::client();
    bench.start(request, None);
    let heard = bench.wait(SERVER, Duration::from_secs(120));
    assert_eq!(heard.len(), 3, "the request and two repeats");
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
    bench.rest();
}
