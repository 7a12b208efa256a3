//! What has become of a window whose ACK is late: a copy of its last block asks, before a timer sends all of it again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use tftp_sim::bench::{Bench, PEER};
use tftp_sim::content;
use tftp_sim::ms;
use tftp_sim::packet::{ack, data, rrq, wrq};

const NONE: [Vec<u8>; 0] = [];
const SIZE: usize = 80_000;

fn block(number: u16) -> Vec<u8> {
    data(number, &content::bytes(1, SIZE)[usize::from(number - 1) * 8..][..8])
}

/// A client that asks with these options and acknowledges the OACK after a round trip; and the server's address.
fn download(options: &[(&str, &str)], round_trip: Duration) -> (Bench, SocketAddr) {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, SIZE));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", options));
    assert_eq!(bench.wait(PEER, round_trip).len(), 0);
    assert!(!bench.say(PEER, tid, ack(0)).is_empty());
    (bench, tid)
}

#[test]
fn a_late_ack_is_asked_for_once_and_then_the_timer_comes() {
    let (mut bench, tid) = download(&[("blksize", "8"), ("windowsize", "4")], Duration::ZERO);
    assert_eq!(bench.wait(PEER, ms(59)), [(ms(10), block(4))]);
    let again = bench.wait(PEER, ms(1));
    assert_eq!(again.into_iter().map(|(_, heard)| heard).collect::<Vec<_>>(), [1, 2, 3, 4].map(block));
    assert_eq!(bench.wait(PEER, ms(100)).len(), 0, "not behind what is sent again");
    assert_eq!(bench.say(PEER, tid, ack(4)), [5, 6, 7, 8].map(block));
    assert_eq!(bench.wait(PEER, ms(59)).len(), 1, "and once for each window");
}

#[test]
fn a_window_that_had_arrived_goes_on_once_though_its_ack_comes_twice() {
    let (mut bench, tid) = download(&[("blksize", "8"), ("windowsize", "4")], Duration::ZERO);
    bench.wait(PEER, ms(11));
    assert_eq!(bench.say(PEER, tid, ack(4)), [5, 6, 7, 8].map(block));
    assert_eq!(bench.say(PEER, tid, ack(4)), NONE);
    assert_eq!(bench.say(PEER, tid, ack(6)), [7, 8, 9, 10].map(block), "what is missing of the next is sent at once");
}

#[test]
fn what_an_answer_reports_is_sent_at_once() {
    let (mut bench, tid) = download(&[("blksize", "8"), ("windowsize", "4")], Duration::ZERO);
    assert_eq!(bench.say(PEER, tid, ack(4)), [5, 6, 7, 8].map(block));
    assert_eq!(bench.say(PEER, tid, ack(4)), [5, 6, 7, 8].map(block));
    assert_eq!(bench.say(PEER, tid, ack(4)), NONE, "one report is answered");
    assert_eq!(bench.wait(PEER, ms(10)), [(ms(10), block(8))]);
    assert_eq!(bench.say(PEER, tid, ack(4)), [5, 6, 7, 8].map(block), "and one that comes behind the question");
}

#[test]
fn an_ack_is_late_when_others_took_less() {
    let (mut bench, tid) = download(&[("blksize", "8"), ("windowsize", "4")], ms(12));
    assert_eq!(bench.wait(PEER, ms(35)).len(), 0, "three round trips, for one sample says little");
    assert_eq!(bench.wait(PEER, ms(1)), [(ms(1), block(4))]);
    bench.say(PEER, tid, ack(4));
    // The longer they take, the later is late: also where each is asked for.
    let (mut bench, tid) = download(&[("blksize", "8"), ("windowsize", "4")], Duration::ZERO);
    let mut asked = 0;
    for window in 1..=100 {
        asked += bench.wait(PEER, ms(14)).len();
        bench.say(PEER, tid, ack(window * 4));
        bench.heard(PEER);
    }
    assert!((1..=3).contains(&asked), "{asked}");
}

#[test]
fn nobody_is_asked_in_lock_step_or_before_a_timeout_that_was_negotiated() {
    for (options, timer) in [
        (&[("blksize", "8")][..], ms(60)),
        (&[("blksize", "8"), ("windowsize", "1")], ms(60)),
        (&[("blksize", "8"), ("windowsize", "4"), ("timeout", "1")], ms(1000)),
    ] {
        let (mut bench, _) = download(options, Duration::ZERO);
        assert_eq!(bench.wait(PEER, timer - ms(1)).len(), 0, "{options:?}");
        assert!(!bench.wait(PEER, ms(1)).is_empty(), "{options:?}");
    }
}

/// A receiver of windows of 4, and the sender's address, after so many blocks of 8 bytes, 10 ms later than the OACK.
fn upload(blocks: u16) -> (Bench, SocketAddr) {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("f", "octet", &[("blksize", "8"), ("windowsize", "4")]));
    bench.wait(PEER, ms(10));
    for number in 1..=blocks {
        bench.say(PEER, tid, block(number));
    }
    (bench, tid)
}

#[test]
fn a_receiver_answers_the_question_for_a_window_after_a_round_trip_and_a_half() {
    let (mut bench, tid) = upload(4);
    bench.wait(PEER, ms(15));
    assert_eq!(bench.say(PEER, tid, block(4)), [ack(4)]);
    assert_eq!(bench.say(PEER, tid, block(4)), NONE, "a copy of the question");
    // Sooner it is a copy that the network made.
    let (mut bench, tid) = upload(4);
    bench.wait(PEER, ms(14));
    assert_eq!(bench.say(PEER, tid, block(4)), NONE);
    // Behind others it is the end of a window that comes again, which senders may send for every ACK that they see twice.
    let (mut bench, tid) = upload(4);
    bench.wait(PEER, ms(15));
    assert_eq!([3, 4].map(|number| bench.say(PEER, tid, block(number))), [NONE, NONE]);
}

#[test]
fn a_receiver_that_has_reported_a_gap_answers_the_question_with_the_report() {
    let (mut bench, tid) = upload(1);
    assert_eq!([3, 4].map(|number| bench.say(PEER, tid, block(number)).len()), [1, 0]);
    bench.wait(PEER, ms(15));
    assert_eq!(bench.say(PEER, tid, block(4)), [ack(1)]);
    assert_eq!(bench.say(PEER, tid, block(4)), NONE);
    // The rest of a window that was on its way, or comes again.
    let (mut bench, tid) = upload(1);
    assert_eq!([3, 4].map(|number| bench.say(PEER, tid, block(number)).len()), [1, 0]);
    bench.wait(PEER, ms(15));
    assert_eq!([3, 4].map(|number| bench.say(PEER, tid, block(number))), [NONE, NONE]);
}
