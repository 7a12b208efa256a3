//! RFC 7440 (windows), rule by rule, in both roles.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use tftp_proto::endpoint::Outcome;
use tftp_proto::wire::Options;
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error_code, oack, rrq, wrq};

const NONE: [Vec<u8>; 0] = [];

fn file() -> Vec<u8> {
    content::bytes(1, 512 * 20 + 100)
}

fn block(number: u16) -> Vec<u8> {
    let start = (usize::from(number) - 1) * 512;
    data(number, &file()[start..file().len().min(start + 512)])
}

fn blocks(numbers: std::ops::RangeInclusive<u16>) -> Vec<Vec<u8>> {
    numbers.map(block).collect()
}

/// A sender with a window of 4 that has just sent its first window: a server's and a client's.
fn senders() -> [(Bench, SocketAddr, SocketAddr); 2] {
    let mut server = Bench::server();
    server.store().insert("f", file());
    let (tid, answer) = server.request(PEER, rrq("f", "octet", &[("windowsize", "4")]));
    assert_eq!(answer, oack(&[("windowsize", "4")]));
    assert_eq!(server.say(PEER, tid, ack(0)), blocks(1..=4));
    let mut client = Bench::client();
    client.put("f", Options { window_size: Some(4), ..Options::NONE }, file());
    client.heard(SERVER);
    assert_eq!(client.say(TID, US, oack(&[("windowsize", "4")])), blocks(1..=4));
    [(server, PEER, tid), (client, TID, US)]
}

/// A receiver with a window of 4 that has received nothing yet: a server's and a client's.
fn receivers() -> [(Bench, SocketAddr, SocketAddr); 2] {
    let mut server = Bench::server();
    let (tid, answer) = server.request(PEER, wrq("f", "octet", &[("windowsize", "4")]));
    assert_eq!(answer, oack(&[("windowsize", "4")]));
    let mut client = Bench::client();
    client.get("f", Options { window_size: Some(4), ..Options::NONE });
    client.heard(SERVER);
    assert_eq!(client.say(TID, US, oack(&[("windowsize", "4")])), [ack(0)]);
    [(server, PEER, tid), (client, TID, US)]
}

//= rfc7440#section-3
//= type=test
//# Note that all fields except "opc" MUST be ASCII strings followed by a single-byte NULL character.
//= rfc7440#section-3
//= type=test
//# The valid values range MUST be between 1 and 65535 blocks, inclusive.
//= rfc7440#section-3
//= type=test
//# The specified value MUST be less than or equal to the value specified by the client.
#[test]
fn windowsize_is_granted_up_to_the_servers_maximum() {
    let answer = |value: &str| {
        let mut bench = Bench::server();
        bench.request(PEER, wrq("f", "octet", &[("windowsize", value)])).1
    };
    for value in ["1", "2", "63", "64"] {
        assert_eq!(answer(value), oack(&[("windowsize", value)]));
    }
    for value in ["65", "65535", "65536", "99999999999"] {
        assert_eq!(answer(value), oack(&[("windowsize", "64")]), "{value}: our maximum");
    }
    for value in ["0", "-1", "", "x"] {
        assert_eq!(answer(value), ack(0), "{value:?}: left out");
    }
    let mut bench = Bench::server_with(|config| config.options.max_window = 8);
    assert_eq!(bench.request(PEER, wrq("f", "octet", &[("windowsize", "16")])).1, oack(&[("windowsize", "8")]));
}

//= rfc7440#section-3
//= type=test
//# The client MUST then either use the size specified in the OACK or send an ERROR packet, with error code 8, to
//# terminate the transfer.
#[test]
fn a_client_takes_a_smaller_window_and_refuses_a_larger_one() {
    let asked = Options { window_size: Some(4), ..Options::NONE };
    let mut bench = Bench::client();
    bench.put("f", asked, file());
    assert_eq!(bench.say(TID, US, oack(&[("windowsize", "2")])), blocks(1..=2));
    for bad in ["5", "0", "65536"] {
        let mut bench = Bench::client();
        bench.put("f", asked, file());
        assert_eq!(error_code(&bench.say(TID, US, oack(&[("windowsize", bad)]))[0]), Some(8));
    }
}

//= rfc7440#section-4
//= type=test
//# The DSND MUST cyclically send to the DRCV the agreed windowsize consecutive data blocks before normally stopping and
//# waiting for the ACK of the transferred window.
#[test]
fn a_sender_sends_a_window_and_stops() {
    for (mut bench, peer, tid) in senders() {
        assert_eq!(bench.heard(peer), NONE);
        for last in [4, 8, 12, 16] {
            let end = (last + 4).min(21);
            assert_eq!(bench.say(peer, tid, ack(last)), blocks(last + 1..=end));
        }
        assert_eq!(bench.say(peer, tid, ack(20)), blocks(21..=21), "the last window is shorter");
        assert_eq!(bench.say(peer, tid, ack(21)), NONE);
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
        assert_eq!(bench.reports()[0].stats.retransmissions, 0);
        bench.rest();
    }
}

//= rfc7440#section-4
//= type=test
//# The DRCV MUST send to the DSND the ACK of the last data block of the window in order to confirm a successful data
//# block window reception.
#[test]
fn a_receiver_acknowledges_the_last_block_of_a_window_only() {
    for (mut bench, peer, us) in receivers() {
        for number in 1..=21 {
            let answers = bench.say(peer, us, block(number));
            if number % 4 == 0 || number == 21 {
                assert_eq!(answers, [ack(number)], "at the end of each window, and of the file");
            } else {
                assert_eq!(answers, NONE, "block {number}");
            }
        }
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
        bench.rest();
    }
}

//= rfc7440#section-4
//= type=test
//# In the case of a data block sequence error, the DRCV SHOULD notify the DSND by sending an ACK corresponding to the
//# last data block correctly received.
#[test]
fn a_receiver_reports_a_gap_once_and_at_once() {
    for (mut bench, peer, us) in receivers() {
        assert_eq!(bench.say(peer, us, block(1)), NONE);
        assert_eq!(bench.say(peer, us, block(3)), [ack(1)], "block 2 is missing");
        assert_eq!(bench.say(peer, us, block(4)), NONE, "once");
        // The sender begins a new window behind the ACK.
        for number in 2..=4 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(5)), [ack(5)]);
        // A gap at the very beginning of a window.
        assert_eq!(bench.say(peer, us, block(7)), [ack(5)]);
    }
}

/// What came behind the gap shows that the peer has our answer to its request: that is not repeated.
#[test]
fn a_gap_before_the_first_block_is_reported_by_ack_0() {
    for (mut bench, peer, us) in receivers() {
        assert_eq!(bench.say(peer, us, block(3)), [ack(0)]);
        assert_eq!(bench.say(peer, us, block(4)), NONE);
        for number in 1..=3 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(4)), [ack(4)]);
    }
}

//= rfc7440#section-4
//= type=test
//# The notified DSND SHOULD send a new data block window whose beginning MUST be set based on the ACK received out of
//# sequence.
#[test]
fn a_sender_goes_on_from_the_block_that_a_gap_report_names() {
    for (mut bench, peer, us) in senders() {
        assert_eq!(bench.say(peer, us, ack(2)), blocks(3..=6), "a new window behind the ACK");
        assert_eq!(bench.say(peer, us, ack(6)), blocks(7..=10));
    }
}

//= rfc7440#section-4
//= type=test
//# The notified DSND SHOULD send a new data block window whose beginning MUST be set based on the ACK received out of
//# sequence.
#[test]
fn a_gap_report_is_honoured_once_however_many_copies_arrive() {
    for (mut bench, peer, us) in senders() {
        assert_eq!(bench.say(peer, us, ack(4)), blocks(5..=8));
        // Block 5 was lost: EDK2 sends an ACK for each of 6, 7 and 8.
        assert_eq!(bench.say(peer, us, ack(4)), blocks(5..=8));
        assert_eq!(bench.say(peer, us, ack(4)), NONE);
        assert_eq!(bench.say(peer, us, ack(4)), NONE);
        // Block 6 was lost: an ACK for each of 7 and 8, inside the window.
        assert_eq!(bench.say(peer, us, ack(5)), blocks(6..=9));
        assert_eq!(bench.say(peer, us, ack(5)), NONE);
        assert_eq!(bench.say(peer, us, ack(5)), NONE);
        // After progress the next report counts again.
        assert_eq!(bench.say(peer, us, ack(9)), blocks(10..=13));
        assert_eq!(bench.say(peer, us, ack(9)), blocks(10..=13));
        assert_eq!(bench.say(peer, us, ack(9)), NONE);
    }
}

#[test]
fn a_gap_report_counts_again_after_the_timer() {
    for (mut bench, peer, us) in senders() {
        bench.say(peer, us, ack(4));
        assert_eq!(bench.say(peer, us, ack(4)).len(), 4);
        assert_eq!(bench.say(peer, us, ack(4)), NONE);
        let repeats = bench.wait(peer, Duration::from_millis(150));
        assert_eq!(repeats.len(), 4, "the timer has resent the window");
        assert_eq!(bench.say(peer, us, ack(4)), blocks(5..=8));
        assert_eq!(bench.say(peer, us, ack(4)), NONE);
    }
}

//= rfc7440#section-4
//= type=test
//# In the case of an expected ACK not timely reaching the DSND (timeout), the last received ACK SHALL set the beginning
//# of the next windowsize data block window to be sent.
#[test]
fn after_a_timeout_a_sender_goes_on_behind_the_last_ack() {
    for (mut bench, peer, us) in senders() {
        assert_eq!(bench.say(peer, us, ack(4)), blocks(5..=8));
        // Before that, a copy of the last block asks for the ACK.
        let repeats: Vec<_> =
            bench.wait(peer, Duration::from_millis(150)).into_iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(repeats, [blocks(8..=8), blocks(5..=8)].concat());
        assert_eq!(bench.say(peer, us, ack(8)), blocks(9..=12));
    }
}

#[test]
fn a_receiver_that_lost_its_ack_acknowledges_the_window_again_at_its_end() {
    for (mut bench, peer, us) in receivers() {
        for number in 1..=3 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(4)), [ack(4)]);
        // That was lost; after a while the sender goes through the window again.
        assert_eq!(bench.wait(peer, Duration::from_millis(55)).len(), 0);
        let mut answers = Vec::new();
        for number in 1..=4 {
            answers.extend(bench.say(peer, us, block(number)));
        }
        assert!(!answers.is_empty(), "the sender waits for it");
        assert!(answers.iter().all(|answer| *answer == ack(4)), "{answers:?}");
        assert_eq!(answers.len(), 1, "and one is enough");
    }
}

/// Where the window begins that comes again, the receiver knows from its own ACKs.
#[test]
fn a_window_that_comes_again_without_its_first_block_is_acknowledged_at_its_end() {
    for (mut bench, peer, us) in receivers() {
        for number in 1..=3 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(4)), [ack(4)]);
        // That was lost, and so is block 1 when the window comes again.
        assert_eq!(bench.wait(peer, Duration::from_millis(55)).len(), 0);
        for number in 2..=3 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(4)), [ack(4)], "nothing else will come");
        // As after the report of a gap that was lost.
        assert_eq!(bench.say(peer, us, block(5)), NONE);
        assert_eq!(bench.say(peer, us, block(7)), [ack(5)], "block 6 is missing");
        assert_eq!(bench.wait(peer, Duration::from_millis(55)).len(), 0);
        assert_eq!(bench.say(peer, us, block(6)), NONE);
        assert_eq!(bench.say(peer, us, block(7)), NONE);
        assert_eq!(bench.say(peer, us, block(8)), NONE, "the window is that behind ACK 5, up to block 9");
        assert_eq!(bench.say(peer, us, block(9)), [ack(9)]);
    }
}

/// Where that ACK was lost, and the same block once more, the window would come until it is not.
#[test]
fn a_gap_is_reported_again_when_the_window_comes_again() {
    for (mut bench, peer, us) in receivers() {
        assert_eq!(bench.say(peer, us, block(1)), NONE);
        assert_eq!(bench.say(peer, us, block(3)), [ack(1)]);
        assert_eq!(bench.say(peer, us, block(4)), NONE, "once");
        assert_eq!(bench.wait(peer, Duration::from_millis(55)).len(), 0);
        assert_eq!(bench.say(peer, us, block(1)), NONE);
        assert_eq!(bench.say(peer, us, block(3)), [ack(1)], "it is missing again");
        assert_eq!(bench.say(peer, us, block(4)), NONE, "once");
        assert_eq!(bench.say(peer, us, block(2)), NONE);
        assert_eq!(bench.say(peer, us, block(3)), NONE);
        assert_eq!(bench.say(peer, us, block(4)), NONE, "the window is that behind ACK 1");
        assert_eq!(bench.say(peer, us, block(5)), [ack(5)]);
    }
}

/// Otherwise its sender would take that for a gap, and go back.
#[test]
fn a_block_that_is_late_makes_no_window_end_sooner() {
    for (mut bench, peer, us) in receivers() {
        for number in 1..=7 {
            bench.say(peer, us, block(number));
        }
        assert_eq!(bench.say(peer, us, block(8)), [ack(8)]);
        assert_eq!(bench.wait(peer, Duration::from_millis(55)).len(), 0);
        // All of these are of the window before.
        assert_eq!(bench.say(peer, us, block(6)), NONE);
        assert_eq!(bench.say(peer, us, block(9)), NONE);
        assert_eq!(bench.say(peer, us, block(8)), NONE);
        assert_eq!(bench.say(peer, us, block(10)), NONE);
        assert_eq!(bench.say(peer, us, block(7)), NONE);
        assert_eq!(bench.say(peer, us, block(11)), NONE);
        assert_eq!(bench.say(peer, us, block(12)), [ack(12)]);
    }
}

#[test]
fn a_receiver_repeats_its_ack_when_a_whole_window_is_lost() {
    for (mut bench, peer, us) in receivers() {
        for number in 1..=4 {
            bench.say(peer, us, block(number));
        }
        let repeats = bench.wait(peer, Duration::from_millis(400));
        assert!(!repeats.is_empty() && repeats.iter().all(|(_, bytes)| *bytes == ack(4)), "{repeats:?}");
    }
}

#[test]
fn a_receiver_whose_window_lost_its_end_reports_after_the_timeout() {
    for (mut bench, peer, us) in receivers() {
        for number in 1..=2 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        let repeats = bench.wait(peer, Duration::from_secs(4));
        assert!(!repeats.is_empty() && repeats.iter().all(|(_, bytes)| *bytes == ack(2)), "{repeats:?}");
        for number in 3..=5 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(6)), [ack(6)], "the window begins behind the ACK");
    }
}

//= rfc7440#section-4
//= type=test
//# Traffic with windowsize = 1 MUST be equivalent to traffic specified by [RFC1350].
#[test]
fn a_window_of_1_is_rfc_1350() {
    let mut bench = Bench::server();
    bench.store().insert("f", file());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("windowsize", "1")]));
    assert_eq!(bench.say(PEER, tid, ack(0)), blocks(1..=1));
    assert_eq!(bench.say(PEER, tid, ack(0)), NONE, "a duplicate ACK causes no data");
    assert_eq!(bench.say(PEER, tid, ack(1)), blocks(2..=2));
    assert_eq!(bench.say(PEER, tid, ack(1)), NONE);
    let (tid, _) = bench.request(OTHER, wrq("g", "octet", &[("windowsize", "1")]));
    for number in 1..=3 {
        assert_eq!(bench.say(OTHER, tid, block(number)), [ack(number)]);
        assert_eq!(bench.say(OTHER, tid, block(number)), [ack(number)]);
    }
}

#[test]
fn a_file_smaller_than_the_window_is_one_window() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 700));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("windowsize", "64")]));
    assert_eq!(bench.say(PEER, tid, ack(0)).len(), 2);
    assert_eq!(bench.say(PEER, tid, ack(2)), NONE);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
}

#[test]
fn an_ack_outside_the_window_changes_nothing() {
    for (mut bench, peer, us) in senders() {
        bench.say(peer, us, ack(4));
        for stray in [0, 1, 2, 3, 9, 10, 1000, 65_535] {
            assert_eq!(bench.say(peer, us, ack(stray)), NONE, "ACK {stray}");
        }
        assert_eq!(bench.say(peer, us, ack(8)), blocks(9..=12));
    }
}

#[test]
fn a_receiver_takes_no_block_from_beyond_its_window() {
    for (mut bench, peer, us) in receivers() {
        bench.say(peer, us, block(1));
        for stray in [6u16, 100, 40_000, 65_535, 0] {
            assert_eq!(bench.say(peer, us, data(stray, &[1; 512])), NONE, "DATA {stray}");
        }
        for number in 2..=3 {
            assert_eq!(bench.say(peer, us, block(number)), NONE);
        }
        assert_eq!(bench.say(peer, us, block(4)), [ack(4)]);
    }
}
