//! What has become of a window whose ACK is late: a copy of its last block asks, before a timer sends all of it again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet};
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
    assert_eq!(bench.wait(PEER, ms(12)).len(), 0, "nor before the round trip was measured anew");
    assert_eq!(bench.say(PEER, tid, ack(8)), [9, 10, 11, 12].map(block));
    assert_eq!(bench.say(PEER, tid, ack(12)), [13, 14, 15, 16].map(block));
    assert_eq!(bench.wait(PEER, ms(59)).len(), 1, "and then once for each window");
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
fn an_answer_that_reports_a_gap_is_heard_though_one_was_before() {
    let (mut bench, tid) = download(&[("blksize", "8"), ("windowsize", "4")], Duration::ZERO);
    // Block 2 is lost, and once more.
    assert_eq!(bench.say(PEER, tid, ack(1)), [2, 3, 4, 5].map(block));
    assert_eq!(bench.say(PEER, tid, ack(1)), NONE, "one report is answered");
    assert_eq!(bench.wait(PEER, ms(10)), [(ms(10), block(5))]);
    assert_eq!(bench.say(PEER, tid, ack(1)), [2, 3, 4, 5].map(block), "and one that comes behind the question");
    assert_eq!(bench.wait(PEER, ms(59)).len(), 0, "which copies are answered now is not known: nobody asks");
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

/// How many datagrams a sender needs for each of 40 windows of 4 blocks, on a network that loses nothing, to a client that
/// acknowledges copies or not. From the fifth window on answers take longer.
fn cost_when_answers_take_longer(from: Duration, to: Duration, acknowledges_copies: bool) -> f64 {
    const WINDOWS: u16 = 40;
    let start = Instant::from_micros(1_000_000);
    let options = Options { block_size: Some(8), window_size: Some(4), ..Options::NONE };
    let granted = grant(&options, Direction::Read, Mode::Octet, &OptionPolicy::default(), None);
    let mut sender = Transfer::<Vec<u8>>::serve_read(start, granted, Timing::default(), 32, 1);
    let (mut out, mut now, mut received, mut sent) = ([0; 600], start, 0, 0);
    // What arrives when, in both directions: DATA at the client, ACKs at the sender.
    let mut under_way: BTreeMap<(Instant, u32), (bool, u16)> = BTreeMap::new();
    for number in 0.. {
        let round_trip = if received < 16 { from } else { to };
        match sender.poll(now, &mut out) {
            TransferAction::Transmit { len, segment_size, .. } => {
                for (place, datagram) in (0..).zip(out[..len].chunks(segment_size.unwrap_or(len))) {
                    let block = match Packet::parse(datagram) {
                        Ok(Packet::Data { block, .. }) => block,
                        _ => 0,
                    };
                    sent += u32::from(block > 0);
                    under_way.insert((now + round_trip / 2, number * 100 + place), (true, block));
                }
            }
            TransferAction::Read { len, .. } => sender.handle_chunk(vec![7; len]),
            TransferAction::Wait(deadline) => {
                let arrival = under_way.first_key_value().map(|(key, _)| key.0);
                now = [arrival, deadline].into_iter().flatten().min().expect("somebody has something to do").max(now);
                sender.handle_timeout(now);
                let Some(first) = under_way.first_entry().filter(|first| first.key().0 <= now) else { continue };
                let (_, (is_data, block)) = first.remove_entry();
                let is_next = is_data && block == received + 1;
                received += u16::from(is_next);
                if !is_data {
                    sender.handle_packet(now, &Packet::Ack { block });
                } else if block == 0 || is_next && block % 4 == 0 || !is_next && acknowledges_copies {
                    under_way.insert((now + round_trip / 2, number * 100), (false, received));
                }
                if received == WINDOWS * 4 {
                    break;
                }
            }
            TransferAction::Request(_) | TransferAction::Ended(_) => unreachable!("it goes on for longer"),
        }
    }
    f64::from(sent) / f64::from(WINDOWS * 4)
}

/// The round trip that was measured is too short then, and so are questions and timers, until it is measured anew: one answer
/// must be enough for that.
#[test]
fn where_answers_take_longer_all_at_once_windows_are_soon_sent_once_again() {
    for acknowledges_copies in [false, true] {
        for (from, to) in [(1, 15), (1, 40), (1, 55), (1, 70), (1, 200), (1, 500), (10, 59), (5, 90)] {
            let cost = cost_when_answers_take_longer(ms(from), ms(to), acknowledges_copies);
            println!("{from} to {to} ms, copies acknowledged: {acknowledges_copies}: {cost:.2}");
            assert!(cost <= 1.2, "{from} to {to} ms, copies acknowledged: {acknowledges_copies}: {cost:.2}");
        }
    }
}
