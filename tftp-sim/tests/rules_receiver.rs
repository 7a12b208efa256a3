//! A receiver's clock: when it repeats an ACK, when it holds its tongue, and when it gives up. No endpoint, no network.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Ending, Receiver, Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet};
use tftp_sim::ms;

/// A server's upload in blocks of 8 bytes, and the time.
struct Upload {
    transfer: Transfer<Vec<u8>>,
    now: Instant,
    deadline: Option<Instant>,
    ending: Option<Ending>,
}

impl Upload {
    /// The OACK was sent.
    fn new(window: u16) -> Self {
        let now = Instant::from_micros(1_000_000);
        let options = Options { block_size: Some(8), window_size: Some(window), ..Options::NONE };
        let granted = grant(&options, Direction::Write, Mode::Octet, &OptionPolicy::default(), None);
        let transfer = Transfer::serve_write(now, granted, Timing::default(), 1);
        let mut upload = Self { transfer, now, deadline: None, ending: None };
        assert_eq!(upload.drain(), [None]);
        upload
    }

    /// What it sends now: numbers of ACKs, or something else.
    fn drain(&mut self) -> Vec<Option<u16>> {
        let mut out = vec![0; 600];
        let mut sent = Vec::new();
        loop {
            match self.transfer.poll(self.now, &mut out) {
                TransferAction::Transmit { len, .. } => sent.push(match Packet::parse(&out[..len]) {
                    Ok(Packet::Ack { block }) => Some(block),
                    _ => None,
                }),
                TransferAction::Wait(deadline) => {
                    self.deadline = deadline;
                    return sent;
                }
                TransferAction::Ended(ending) => {
                    self.ending = Some(ending);
                    return sent;
                }
                TransferAction::Read { .. } | TransferAction::Request(_) => unreachable!("it receives"),
            }
        }
    }

    /// A full block.
    fn block(&mut self, block: u16) -> Vec<Option<u16>> {
        self.transfer.handle_packet(self.now, &Packet::Data { block, payload: &[7; 8] });
        self.drain()
    }

    /// Time passes; what is sent meanwhile.
    fn wait(&mut self, time: Duration) -> Vec<Option<u16>> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end && self.ending.is_none()) {
            self.now = deadline;
            self.transfer.handle_timeout(deadline);
            sent.extend(self.drain());
        }
        self.now = end;
        sent
    }

    fn set_room(&mut self, room: bool) -> Vec<Option<u16>> {
        self.transfer.set_room(self.now, room);
        self.drain()
    }
}

#[test]
fn every_block_in_order_starts_the_timer_anew() {
    let mut upload = Upload::new(8);
    for block in 1..=5 {
        assert_eq!(upload.wait(ms(300)), [], "before block {block}");
        assert_eq!(upload.block(block), []);
    }
    let repeats = upload.wait(ms(1200));
    assert_eq!(repeats.first(), Some(&Some(5)), "and then it says how far it is");
}

#[test]
fn after_a_timeout_a_gap_is_reported_again() {
    let mut upload = Upload::new(4);
    assert_eq!(upload.block(1), []);
    assert_eq!(upload.block(3), [Some(1)]);
    assert_eq!(upload.block(4), [], "once");
    let deadline = upload.deadline.unwrap();
    assert_eq!(upload.wait(deadline.saturating_since(upload.now)), [Some(1)]);
    assert_eq!(upload.block(3), [Some(1)], "that report may be lost, too");
    assert_eq!(upload.block(4), []);
}

/// A copy within a round trip of our ACK left before it came; a later one says that it was lost.
#[test]
fn in_lock_step_a_copy_is_answered_if_it_is_older_than_a_round_trip() {
    let mut upload = Upload::new(1);
    upload.wait(ms(10));
    assert_eq!(upload.block(1), [Some(1)]);
    upload.wait(ms(10));
    assert_eq!(upload.block(2), [Some(2)]);
    upload.wait(ms(5));
    assert_eq!(upload.block(2), []);
    upload.wait(ms(6));
    assert_eq!(upload.block(2), [Some(2)]);
}

#[test]
fn in_a_window_copies_are_answered_once_in_a_while_only() {
    let mut upload = Upload::new(2);
    upload.wait(ms(10));
    assert_eq!(upload.block(1), []);
    assert_eq!(upload.block(2), [Some(2)]);
    upload.wait(ms(45));
    assert_eq!(upload.block(1), []);
    assert_eq!(upload.block(2), [], "senders that take each for a gap would go round with us");
    upload.wait(ms(6));
    assert_eq!(upload.block(1), []);
    assert_eq!(upload.block(2), [Some(2)]);
}

/// While there is no room the pause is ours; then the peer's silence counts, from where it was.
#[test]
fn a_peer_that_is_gone_when_there_is_room_again_is_given_up() {
    let mut upload = Upload::new(1);
    assert_eq!(upload.block(1), [Some(1)]);
    assert_eq!(upload.set_room(false), []);
    assert_eq!(upload.block(2), []);
    assert_eq!(upload.deadline, None, "no timer runs");
    assert_eq!(upload.wait(Duration::from_secs(100)), []);
    assert_eq!(upload.set_room(true), [Some(2)]);
    let repeats = upload.wait(Duration::from_secs(100));
    assert!(repeats.len() > 3 && repeats.iter().all(|sent| *sent == Some(2)), "{repeats:?}");
    assert_eq!(upload.ending, Some(Ending::TimedOut));
}

#[test]
fn who_sends_on_without_the_ack_that_is_held_back_is_not_listened_to() {
    for window in [1, 4] {
        let mut upload = Upload::new(window);
        upload.set_room(false);
        for block in 1..100 {
            assert_eq!(upload.block(block), [], "{block}");
        }
        // What it sent beyond its window has to come again.
        assert_eq!(upload.set_room(true), [Some(window)]);
        let next: Vec<_> = (window + 1..=2 * window).flat_map(|block| upload.block(block)).collect();
        assert_eq!(next, [Some(2 * window)]);
    }
}

#[test]
fn the_final_ack_needs_no_room() {
    let mut upload = Upload::new(1);
    upload.set_room(false);
    upload.transfer.handle_packet(upload.now, &Packet::Data { block: 1, payload: b"end" });
    assert_eq!(upload.drain(), []);
    upload.transfer.committed(upload.now);
    assert_eq!(upload.drain(), [Some(1)]);
    // A lost one is repeated for as long as it dallies, and then it is over.
    upload.wait(ms(2000));
    upload.transfer.handle_packet(upload.now, &Packet::Data { block: 1, payload: b"end" });
    assert_eq!(upload.drain(), [Some(1)]);
    assert_eq!(upload.wait(Duration::from_secs(60)), []);
    assert_eq!(upload.ending, Some(Ending::Completed));
    upload.transfer.handle_packet(upload.now, &Packet::Data { block: 1, payload: b"end" });
    assert_eq!(upload.drain(), []);
}

/// RFC 1350 section 6: dallying is encouraged, and who is in a hurry may end sooner the surer it is that the ACK arrived.
#[test]
fn an_owner_in_a_hurry_dallies_less_the_more_has_arrived_without_a_loss() {
    let dally = |blocks: u16, window: u16, copy: bool, round_trip: Duration| {
        let mut upload = Upload::new(window);
        for block in 1..=blocks {
            upload.wait(round_trip);
            upload.block(block);
        }
        if copy {
            upload.wait(ms(60));
            upload.block(blocks);
        }
        upload.wait(round_trip);
        upload.transfer.handle_packet(upload.now, &Packet::Data { block: blocks + 1, payload: b"end" });
        upload.transfer.committed(upload.now);
        let dally = upload.transfer.receiver().and_then(Receiver::dally).unwrap();
        assert!(dally.until() - upload.now >= ms(10_000), "who has time waits on");
        dally.enough() - upload.now
    };
    assert_eq!([0, 30].map(|blocks| dally(blocks, 1, false, ms(20))), [ms(250); 2]);
    assert_eq!(
        [319, 3199].map(|blocks| dally(blocks, 1, false, ms(20))),
        [Duration::from_micros(12_500), Duration::ZERO]
    );
    assert_eq!(dally(319, 16, false, ms(20)), ms(250), "that many ACKs have not been seen to arrive");
    assert_eq!(dally(3199, 1, true, ms(20)), ms(250), "something was lost");
    // A peer that is near: a number of round trips, unless something was lost.
    assert_eq!([0, 30].map(|blocks| dally(blocks, 1, false, ms(2))), [ms(32); 2]);
    // Nobody asks again before 10 ms have passed, so it is those or nothing.
    for (round_trip, enough) in [(50, 0), (600, 0), (650, 10_400)] {
        assert_eq!(dally(30, 1, false, Duration::from_micros(round_trip)), Duration::from_micros(enough));
    }
    assert_eq!(dally(30, 1, true, Duration::from_micros(50)), ms(250), "something was lost");
}

/// The sender asks, or repeats, because nothing was acknowledged yet.
#[test]
fn copies_that_come_while_the_file_is_being_kept_are_no_sign_of_a_loss() {
    let mut upload = Upload::new(4);
    for block in 1..=4 {
        upload.wait(ms(2));
        upload.block(block);
    }
    upload.wait(ms(2));
    let last = Packet::Data { block: 5, payload: b"end" };
    upload.transfer.handle_packet(upload.now, &last);
    upload.wait(ms(20));
    upload.transfer.handle_packet(upload.now, &last);
    upload.transfer.committed(upload.now);
    let dally = upload.transfer.receiver().and_then(Receiver::dally).unwrap();
    assert_eq!(dally.enough() - upload.now, ms(32), "sixteen round trips, as if there had been none");
}
