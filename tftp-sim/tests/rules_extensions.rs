//! Options that are in use without an RFC: utimeout, blksize2, rollover, multicast.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::endpoint::Outcome;
use tftp_proto::seq::Rollover;
use tftp_proto::wire::Options;
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error_code, oack, rrq, wrq};

const NONE: [Vec<u8>; 0] = [];

/// What a server answers to a write request with one option.
fn answer(name: &str, value: &str) -> Vec<u8> {
    Bench::server().request(PEER, wrq("f", "octet", &[(name, value)])).1
}

#[test]
fn utimeout_is_echoed_exactly_or_left_out() {
    for value in ["10000", "50000", "2500000"] {
        assert_eq!(answer("utimeout", value), oack(&[("utimeout", value)]));
        assert_eq!(answer("UTimeout", value), oack(&[("utimeout", value)]));
    }
    for value in ["0", "-1", "", "9999", "255000001", "99999999999"] {
        assert_eq!(answer("utimeout", value), ack(0), "{value:?}: out of range");
    }
}

#[test]
fn utimeout_is_the_interval_used_in_microseconds() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 600));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("utimeout", "50000")]));
    bench.say(PEER, tid, ack(0));
    assert_eq!(bench.wait(PEER, Duration::from_secs(1))[0].0, Duration::from_millis(50));
    let mut bench = Bench::client();
    bench.put("f", Options { micro_timeout: Some(30_000), ..Options::NONE }, b"x".to_vec());
    assert_eq!(bench.heard(SERVER), [wrq("f", "octet", &[("utimeout", "30000")])]);
    assert_eq!(bench.say(TID, US, oack(&[("utimeout", "30000")])), [data(1, b"x")]);
    assert_eq!(bench.wait(TID, Duration::from_secs(1))[0].0, Duration::from_millis(30));
}

#[test]
fn a_client_refuses_another_utimeout() {
    let mut bench = Bench::client();
    bench.get("f", Options { micro_timeout: Some(30_000), ..Options::NONE });
    assert_eq!(error_code(&bench.say(TID, US, oack(&[("utimeout", "30001")]))[0]), Some(8));
}

#[test]
fn blksize2_is_a_power_of_two() {
    for value in ["8", "512", "1024", "32768"] {
        assert_eq!(answer("blksize2", value), oack(&[("blksize2", value)]));
    }
    for value in ["0", "7", "9", "1000", "1428", "", "-8"] {
        assert_eq!(answer("blksize2", value), ack(0), "{value:?}");
    }
    assert_eq!(answer("blksize2", "65536"), oack(&[("blksize2", "32768")]), "our maximum");
    let mut bench = Bench::server_with(|config| config.options.max_block_size = 1428);
    assert_eq!(
        bench.request(PEER, wrq("f", "octet", &[("blksize2", "8192")])).1,
        oack(&[("blksize2", "1024")]),
        "the largest power of two that the policy allows"
    );
}

#[test]
fn blksize2_is_the_block_size_used() {
    let file = content::bytes(1, 1500);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("blksize2", "1024")]));
    assert_eq!(bench.say(PEER, tid, ack(0)), [data(1, &file[..1024])]);
    assert_eq!(bench.say(PEER, tid, ack(1)), [data(2, &file[1024..])]);
    let mut bench = Bench::client();
    bench.put("f", Options { block_size2: Some(1024), ..Options::NONE }, file.clone());
    assert_eq!(bench.say(TID, US, oack(&[("blksize2", "512")])), [data(1, &file[..512])]);
}

#[test]
fn of_blksize_and_blksize2_one_is_answered() {
    let mut bench = Bench::server();
    let (_, answer) = bench.request(PEER, wrq("f", "octet", &[("blksize2", "512"), ("blksize", "1024")]));
    assert_eq!(answer, oack(&[("blksize", "1024")]));
}

#[test]
fn rollover_0_and_1_are_granted_and_nothing_else() {
    assert_eq!(answer("rollover", "0"), oack(&[("rollover", "0")]));
    assert_eq!(answer("rollover", "1"), oack(&[("rollover", "1")]));
    for value in ["2", "", "-1", "one"] {
        assert_eq!(answer("rollover", value), ack(0), "{value:?}");
    }
    let mut bench = Bench::client();
    bench.get("f", Options { rollover: Some(Rollover::One), ..Options::NONE });
    assert_eq!(error_code(&bench.say(TID, US, oack(&[("rollover", "0")]))[0]), Some(8));
}

/// Reads a file of 65,540 blocks of 8 bytes out of a server, in lock-step, and looks at the numbers.
fn numbers_after_65535(options: &[(&str, &str)]) -> Vec<u16> {
    let file = content::bytes(1, 65_540 * 8 + 1);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[&[("blksize", "8")], options].concat()));
    let mut answers = bench.say(PEER, tid, ack(0));
    let mut numbers = Vec::new();
    let mut received = Vec::new();
    while let Some(answer) = answers.pop() {
        assert!(answers.is_empty());
        let number = tftp_sim::packet::number(&answer).unwrap();
        numbers.push(number);
        received.extend_from_slice(&answer[4..]);
        answers = bench.say(PEER, tid, ack(number));
    }
    assert!(received == file);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    numbers.split_off(65_534)
}

//= rfc1350#section-4
//= type=test
//# block numbers are consecutive and begin with one.
#[test]
fn block_numbers_wrap_to_0_unless_1_was_agreed() {
    assert_eq!(numbers_after_65535(&[]), [65_535, 0, 1, 2, 3, 4, 5]);
    assert_eq!(numbers_after_65535(&[("rollover", "0")]), [65_535, 0, 1, 2, 3, 4, 5]);
    assert_eq!(numbers_after_65535(&[("rollover", "1")]), [65_535, 1, 2, 3, 4, 5, 6]);
}

/// A client gets 65,540 blocks of 8 bytes whose numbers wrap.
fn client_gets_beyond_65535(rollover: Option<Rollover>, numbers: impl Fn(u32) -> u16) {
    let options = Options { block_size: Some(8), rollover, ..Options::NONE };
    let file = content::bytes(1, 65_540 * 8 + 1);
    let mut bench = Bench::client();
    let id = bench.get("f", options);
    let granted = [("blksize", "8"), ("rollover", "1")];
    assert_eq!(bench.say(TID, US, oack(&granted[..=usize::from(rollover.is_some())])), [ack(0)]);
    for (block, payload) in (1..).zip(file.chunks(8)) {
        let number = numbers(block);
        assert_eq!(bench.say(TID, US, data(number, payload)), [ack(number)], "block {block}");
    }
    assert!(bench.store().received(id) == Some(&file[..]));
}

#[test]
fn a_client_follows_either_way_of_wrapping() {
    client_gets_beyond_65535(None, |block| u16::try_from(block % 65_536).unwrap());
    client_gets_beyond_65535(Some(Rollover::One), |block| u16::try_from((block - 1) % 65_535 + 1).unwrap());
}

//= rfc2347#negotiation-protocol
//= type=test
//# Options which the server does not support should be omitted from the OACK; they should not cause an ERROR packet to
//# be generated.
#[test]
fn multicast_is_left_out() {
    let mut bench = Bench::server();
    bench.store().insert("f", b"x".to_vec());
    let (_, answer) = bench.request(PEER, rrq("f", "octet", &[("multicast", ""), ("blksize", "600")]));
    assert_eq!(answer, oack(&[("blksize", "600")]), "the empty value does not end parsing");
    let (_, answer) = bench.request(OTHER, rrq("f", "octet", &[("multicast", "")]));
    assert_eq!(answer, data(1, b"x"));
    assert_eq!(bench.heard(PEER), NONE);
}
