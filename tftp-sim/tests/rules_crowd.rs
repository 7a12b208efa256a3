//! Timers where many wait in one queue: who sends again then makes it longer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::SocketAddr;

use tftp_proto::Instant;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::endpoint::EndpointConfig;
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet};
use tftp_sim::bench::{Bench, address};
use tftp_sim::content;
use tftp_sim::ms;
use tftp_sim::packet::{ack, data, request};

const CROWD: u8 = 40;
const LAST: u8 = 8;
const BLOCK: usize = 512;

fn peer(number: u8) -> SocketAddr {
    address([10, 0, 1, number], 2000)
}

/// What a crowd has been sent and has not acknowledged yet.
struct Crowd {
    bench: Bench,
    /// Where each one's transfer runs.
    tids: Vec<SocketAddr>,
}

impl Crowd {
    /// Everybody has acknowledged block 1 at once, or the OACK if there are options, and was sent the next window.
    fn of(size: u8, options: &[(&str, &str)]) -> Self {
        Self::with(size, options, |_| {})
    }

    fn with(size: u8, options: &[(&str, &str)], change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let mut bench = Bench::server_with(change);
        bench.store().insert("f", content::bytes(1, 100 * BLOCK));
        let tids = (0..size)
            .map(|number| {
                let (tid, _) = bench.request(peer(number), request(1, b"f", "octet", options));
                tid
            })
            .collect();
        let mut crowd = Self { bench, tids };
        for number in 0..size {
            crowd.acknowledge(number, u16::from(options.is_empty()));
        }
        crowd
    }

    /// What a peer is sent for an ACK.
    fn acknowledge(&mut self, number: u8, block: u16) -> Vec<Vec<u8>> {
        self.bench.say(peer(number), self.tids[usize::from(number)], ack(block))
    }

    /// How many of the last ones hear anything in that time.
    fn last_hear(&mut self, millis: u64) -> usize {
        self.bench.world.run_for(ms(millis));
        (CROWD - LAST..CROWD).filter(|number| !self.bench.heard(peer(*number)).is_empty()).count()
    }
}

#[test]
fn nobody_is_sent_anything_again_while_those_are_answered_who_were_asked_before() {
    let mut crowd = Crowd::of(CROWD, &[]);
    // All of them were sent block 2 at the same time, and one after the other answers. The interval is 60 ms.
    for number in 0..CROWD - LAST {
        assert_eq!(crowd.last_hear(10), 0);
        let next = crowd.acknowledge(number, 2);
        assert_eq!(next, [data(3, &content::bytes(1, 100 * BLOCK)[2 * BLOCK..3 * BLOCK])]);
    }
    for number in CROWD - LAST..CROWD {
        assert_eq!(crowd.acknowledge(number, 2).len(), 1);
    }
}

#[test]
fn who_is_passed_over_is_sent_it_again() {
    let mut crowd = Crowd::of(CROWD, &[]);
    crowd.bench.world.run_for(ms(30));
    for number in 0..CROWD - LAST {
        crowd.acknowledge(number, 2);
    }
    crowd.bench.world.run_for(ms(20));
    // What they acknowledge was sent 30 ms later than what the last ones have not acknowledged.
    for number in 0..CROWD - LAST {
        crowd.acknowledge(number, 3);
    }
    assert_eq!(crowd.last_hear(9), 0);
    assert_eq!(crowd.last_hear(2), LAST.into());
}

#[test]
fn a_crowd_in_which_nobody_answers_waits_for_a_second() {
    let mut crowd = Crowd::of(CROWD, &[]);
    assert_eq!(crowd.last_hear(999), 0);
    assert_eq!(crowd.last_hear(2), LAST.into());
}

#[test]
fn a_few_do_not_wait() {
    let mut few = Crowd::of(7, &[]);
    few.bench.world.run_for(ms(61));
    assert!((0..7).all(|number| few.bench.heard(peer(number)).len() == 1));
}

#[test]
fn a_negotiated_timeout_is_kept_in_a_crowd() {
    let mut crowd = Crowd::of(CROWD, &[("utimeout", "50000")]);
    assert_eq!(crowd.last_hear(49), 0);
    assert_eq!(crowd.last_hear(2), LAST.into());
}

#[test]
fn the_report_of_a_gap_is_served_at_once_in_a_crowd() {
    let mut crowd = Crowd::of(CROWD, &[("windowsize", "4")]);
    assert_eq!(crowd.last_hear(61), 0);
    assert_eq!(crowd.acknowledge(CROWD - 1, 0).len(), 4);
}

#[test]
fn a_crowd_waits_for_no_more_than_a_quarter_of_its_patience() {
    let mut crowd = Crowd::with(CROWD, &[], |config| config.timing.give_up_after = ms(2000));
    assert_eq!(crowd.last_hear(499), 0);
    assert_eq!(crowd.last_hear(2), LAST.into());
}

#[test]
fn only_the_answer_to_what_went_out_once_measures_a_round_trip() {
    let mut out = [0; 600];
    let asked = Options { window_size: None, ..Options::NONE };
    let granted = grant(&asked, Direction::Read, Mode::Octet, &OptionPolicy::default(), None);
    let file = content::bytes(1, 5 * BLOCK);
    let mut sender = Transfer::<&[u8]>::serve_read(Instant::ZERO, granted, Timing::default(), 5 * BLOCK, 1);
    let mut poll = |sender: &mut Transfer<_>, now| {
        while let TransferAction::Read { .. } | TransferAction::Transmit { .. } = sender.poll(now, &mut out) {
            sender.handle_chunk(&file[..]);
        }
    };
    let later = Instant::ZERO + ms(1000);
    poll(&mut sender, Instant::ZERO);
    assert!(sender.measures_round_trip() && sender.has_unacknowledged());
    sender.handle_timeout(later);
    poll(&mut sender, later);
    assert!(!sender.measures_round_trip() && sender.has_unacknowledged());
    sender.handle_packet(later, &Packet::Ack { block: 1 });
    assert!(!sender.has_unacknowledged());
    poll(&mut sender, later);
    assert!(sender.measures_round_trip() && sender.has_unacknowledged());
}

#[test]
fn everybody_gets_the_whole_file() {
    let mut crowd = Crowd::of(CROWD, &[]);
    for block in 2..=101 {
        crowd.bench.world.run_for(ms(70));
        for number in 0..CROWD {
            crowd.acknowledge(number, block);
        }
    }
    crowd.bench.rest();
    assert_eq!(crowd.bench.outcomes().len(), usize::from(CROWD));
    assert!(
        crowd.bench.reports().iter().all(|report| report.outcome.is_success() && report.stats.retransmissions == 0)
    );
}
