//! RFC 2348 (block size) and RFC 2349 (timeout, transfer size), rule by rule.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::endpoint::{ClientRequest, Outcome, RefusedReason};
use tftp_proto::wire::{Direction, ErrorCode, Mode, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, ask};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error, error_code, oack, rrq, wrq};

const SIZE: usize = 200_000;

fn server() -> Bench {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, SIZE));
    bench
}

/// What a server answers to a read request with one option.
fn read_answer(name: &str, value: &str) -> Vec<u8> {
    server().request(PEER, rrq("f", "octet", &[(name, value)])).1
}

/// What a server answers to a write request with one option.
fn write_answer(name: &str, value: &str) -> Vec<u8> {
    server().request(PEER, wrq("new", "octet", &[(name, value)])).1
}

fn plain_first_block() -> Vec<u8> {
    data(1, &content::bytes(1, SIZE)[..512])
}

//= rfc2348#blocksize-option-specification
//= type=test
//# Valid values range between "8" and "65464" octets, inclusive.
#[test]
fn rfc2348_blksize_from_8_to_65464_is_granted() {
    for value in ["8", "9", "511", "512", "1428", "65464"] {
        assert_eq!(read_answer("blksize", value), oack(&[("blksize", value)]));
        assert_eq!(write_answer("blksize", value), oack(&[("blksize", value)]));
    }
}

//= rfc2348#blocksize-option-specification
//= type=test
//# Valid values range between "8" and "65464" octets, inclusive.
#[test]
fn rfc2348_blksize_outside_its_range_is_left_out_or_cut() {
    for value in ["0", "7", "-1", "+8", "0x200", " 8", "8 ", "", "abc"] {
        assert_eq!(read_answer("blksize", value), plain_first_block(), "{value:?}");
        assert_eq!(write_answer("blksize", value), ack(0), "{value:?}");
    }
    let long = "9".repeat(400);
    for value in ["65465", "65536", "99999999999", "18446744073709551616", &long] {
        assert_eq!(read_answer("blksize", value), oack(&[("blksize", "65464")]), "{value:?}");
        assert_eq!(write_answer("blksize", value), oack(&[("blksize", "65464")]), "{value:?}");
    }
}

//= rfc2348#blocksize-option-specification
//= type=test
//# The specified value must be less than or equal to the value specified by the client.
#[test]
fn rfc2348_a_server_never_grants_more_than_was_asked_nor_than_its_maximum() {
    let mut bench = Bench::server_with(|config| config.options.max_block_size = 1428);
    bench.store().insert("f", b"x".to_vec());
    assert_eq!(bench.request(PEER, rrq("f", "octet", &[("blksize", "8192")])).1, oack(&[("blksize", "1428")]));
    assert_eq!(bench.request(OTHER, rrq("f", "octet", &[("blksize", "1024")])).1, oack(&[("blksize", "1024")]));
}

//= rfc2348#blocksize-option-specification
//= type=test
//# Valid values range between "8" and "65464" octets, inclusive.
#[test]
fn rfc2348_a_maximum_below_8_counts_as_8() {
    for maximum in [0, 1, 7] {
        let mut bench = Bench::server_with(|config| config.options.max_block_size = maximum);
        bench.store().insert("f", b"more than eight".to_vec());
        assert_eq!(bench.request(PEER, rrq("f", "octet", &[("blksize", "512")])).1, oack(&[("blksize", "8")]));
        assert_eq!(bench.request(OTHER, rrq("f", "octet", &[])).1, data(1, b"more than eight"));
    }
}

//= rfc2348#blocksize-option-specification
//= type=test
//# The client must then either use the size specified in the OACK, or send an ERROR packet, with error code 8, to
//# terminate the transfer.
#[test]
fn rfc2348_a_client_takes_a_smaller_blksize_and_refuses_a_larger_one() {
    let asked = Options { block_size: Some(1024), ..Options::NONE };
    let mut bench = Bench::client();
    bench.put("f", asked, content::bytes(1, 2000));
    assert_eq!(bench.say(TID, US, oack(&[("blksize", "600")])), [data(1, &content::bytes(1, 2000)[..600])]);
    let mut bench = Bench::client();
    bench.get("f", asked);
    assert_eq!(error_code(&bench.say(TID, US, oack(&[("blksize", "1025")]))[0]), Some(8));
    bench.rest();
}

//= rfc2348#blocksize-option-specification
//= type=test
//# The reception of a data packet with a data length less than the negotiated blocksize is the final packet.
//= rfc2348#blocksize-option-specification
//= type=test
//# If the amount of data to be transfered is an integral multiple of the blocksize, an extra data packet containing no
//# data is sent to end the transfer.
#[test]
fn rfc2348_blocks_have_the_size_that_was_granted() {
    for block_size in [8usize, 9, 1428, 65_464] {
        let value = block_size.to_string();
        for len in [0, 1, block_size - 1, block_size, block_size + 1, block_size * 3] {
            let file = content::bytes(1, len);
            let mut bench = Bench::server();
            bench.store().insert("f", file.clone());
            let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("blksize", &value)]));
            let (write_tid, _) = bench.request(OTHER, wrq("g", "octet", &[("blksize", &value)]));
            let blocks = file.chunks(block_size).chain((len % block_size == 0).then_some(&[][..]));
            for (block, payload) in (1..).zip(blocks) {
                assert_eq!(bench.say(PEER, tid, ack(block - 1)), [data(block, payload)]);
                assert_eq!(bench.say(OTHER, write_tid, data(block, payload)), [ack(block)]);
            }
            bench.say(PEER, tid, ack(u16::try_from(len / block_size + 1).unwrap()));
            assert_eq!(bench.store().file("g"), Some(&file[..]));
            assert_eq!(bench.outcomes(), [Outcome::Completed, Outcome::Completed]);
            bench.rest();
        }
    }
}

//= rfc2349#timeout-interval-option-specification
//= type=test
//# Valid values range between "1" and "255" seconds, inclusive.
//= rfc2349#timeout-interval-option-specification
//= type=test
//# The specified timeout value must match the value specified by the client.
#[test]
fn rfc2349_timeout_from_1_to_255_is_echoed_exactly() {
    for value in ["1", "2", "255"] {
        assert_eq!(read_answer("timeout", value), oack(&[("timeout", value)]));
        assert_eq!(write_answer("timeout", value), oack(&[("timeout", value)]));
    }
}

//= rfc2349#timeout-interval-option-specification
//= type=test
//# Valid values range between "1" and "255" seconds, inclusive.
#[test]
fn rfc2349_a_timeout_out_of_range_or_of_policy_is_left_out() {
    for value in ["0", "256", "-1", "1.5", "", "99999999999"] {
        assert_eq!(read_answer("timeout", value), plain_first_block(), "{value:?}");
        assert_eq!(write_answer("timeout", value), ack(0), "{value:?}");
    }
    let mut bench = Bench::server_with(|config| config.options.max_timeout = Duration::from_secs(10));
    assert_eq!(bench.request(PEER, wrq("f", "octet", &[("timeout", "11")])).1, ack(0));
    assert_eq!(bench.request(OTHER, wrq("g", "octet", &[("timeout", "10")])).1, oack(&[("timeout", "10")]));
}

//= rfc2349#timeout-interval-option-specification
//= type=test
//# The specified timeout value must match the value specified by the client.
#[test]
fn rfc2349_a_client_refuses_another_timeout() {
    let asked = Options { timeout: Some(3), ..Options::NONE };
    for value in ["2", "4", "0", "256"] {
        let mut bench = Bench::client();
        bench.get("f", asked);
        assert_eq!(error_code(&bench.say(TID, US, oack(&[("timeout", value)]))[0]), Some(8));
    }
    let mut bench = Bench::client();
    bench.get("f", asked);
    assert_eq!(bench.say(TID, US, oack(&[("timeout", "3")])), [ack(0)]);
}

//= rfc2349#timeout-interval-option-specification
//= type=test
//# The number of seconds to wait before retransmitting, specified in ASCII.
#[test]
fn rfc2349_the_timeout_granted_is_the_interval_used() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("timeout", "3")]));
    bench.say(PEER, tid, ack(0));
    let repeats = bench.wait(PEER, Duration::from_secs(20));
    assert_eq!(repeats[0].0, Duration::from_secs(3), "the round trip of zero that was measured does not count");
    assert!(repeats[1].0 >= Duration::from_secs(8), "and back-off stands: {:?}", repeats[1].0);

    let mut bench = Bench::client();
    bench.put("f", Options { timeout: Some(2), ..Options::NONE }, b"x".to_vec());
    bench.say(TID, US, oack(&[("timeout", "2")]));
    let repeats = bench.wait(TID, Duration::from_secs(20));
    assert_eq!(repeats[0].0, Duration::from_secs(2));
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# In Read Request packets, a size of "0" is specified in the request and the size of the file, in octets, is returned
//# in the OACK.
#[test]
fn rfc2349_tsize_of_a_read_is_answered_with_the_size() {
    for value in ["0", "7", "18446744073709551615"] {
        assert_eq!(read_answer("tsize", value), oack(&[("tsize", "200000")]), "any value is fine");
    }
    for value in ["-1", "", "x"] {
        assert_eq!(read_answer("tsize", value), plain_first_block(), "{value:?}");
    }
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# In Read Request packets, a size of "0" is specified in the request and the size of the file, in octets, is returned
//# in the OACK.
#[test]
fn rfc2349_tsize_of_a_read_is_left_out_where_the_size_is_not_known() {
    let mut bench = server();
    bench.store().sizes_known = false;
    let options = [("tsize", "0"), ("blksize", "600")];
    assert_eq!(bench.request(PEER, rrq("f", "octet", &options)).1, oack(&[("blksize", "600")]));
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# In Write Request packets, the size of the file, in octets, is specified in the request and echoed back in the OACK.
#[test]
fn rfc2349_tsize_of_a_write_is_echoed() {
    for value in ["0", "1", "1234567", "4294967296", "9223372036854775807"] {
        assert_eq!(write_answer("tsize", value), oack(&[("tsize", value)]));
    }
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# If the file is too large for the server to handle, it may abort the transfer with an Error packet (error code 3).
#[test]
fn rfc2349_tsize_too_large_is_error_3() {
    let mut bench = Bench::server_with(|config| config.max_upload = 1000);
    let (_, answer) = bench.request(PEER, wrq("f", "octet", &[("tsize", "1001")]));
    assert_eq!(error_code(&answer), Some(3));
    assert_eq!(bench.store().file("f"), None);
    let refused = Outcome::Refused { code: ErrorCode::DiskFull, reason: RefusedReason::TooLarge };
    assert_eq!(bench.outcomes(), [refused]);
    let (_, answer) = bench.request(OTHER, wrq("f", "octet", &[("tsize", "1000")]));
    assert_eq!(answer, oack(&[("tsize", "1000")]));
    // With the default cap, too: no file has 2^63 bytes or more.
    for value in ["9223372036854775808", "18446744073709551616", &"9".repeat(400)] {
        assert_eq!(error_code(&write_answer("tsize", value)), Some(3), "{value}");
    }
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# If the file is too large for the server to handle, it may abort the transfer with an Error packet (error code 3).
#[test]
fn rfc2349_a_real_size_above_the_cap_is_error_3_and_no_file() {
    let mut bench = Bench::server_with(|config| config.max_upload = 1000);
    let (tid, _) = bench.request(PEER, wrq("f", "octet", &[]));
    assert_eq!(bench.say(PEER, tid, data(1, &[1; 512])), [ack(1)]);
    let answers = bench.say(PEER, tid, data(2, &[1; 489]));
    assert_eq!(error_code(&answers[0]), Some(3));
    assert_eq!(bench.outcomes(), [Outcome::Refused { code: ErrorCode::DiskFull, reason: RefusedReason::TooLarge }]);
    bench.rest();
    assert!(bench.store().is_empty());
    // Exactly at the cap is fine.
    let mut bench = Bench::server_with(|config| config.max_upload = 1000);
    let (tid, _) = bench.request(PEER, wrq("f", "octet", &[]));
    bench.say(PEER, tid, data(1, &[1; 512]));
    assert_eq!(bench.say(PEER, tid, data(2, &[1; 488])), [ack(2)]);
    assert_eq!(bench.store().file("f").map(<[u8]>::len), Some(1000));
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# If the file is too large for the client to handle, it may abort the transfer with an Error packet (error code 3).
#[test]
fn rfc2349_a_client_refuses_a_file_larger_than_it_can_take() {
    let options = Options { transfer_size: Some(0), ..Options::NONE };
    let request = || ClientRequest { options, max_size: 1000, ..ask(0, SERVER, Direction::Read, "f") };
    let mut bench = Bench::client();
    bench.start(request(), None);
    let answers = bench.say(TID, US, oack(&[("tsize", "1001")]));
    assert_eq!(error_code(&answers[0]), Some(3));
    bench.rest();
    let mut bench = Bench::client();
    bench.start(request(), None);
    bench.say(TID, US, oack(&[("tsize", "1000")]));
    bench.say(TID, US, data(1, &[1; 512]));
    assert_eq!(error_code(&bench.say(TID, US, data(2, &[1; 512]))[0]), Some(3), "whatever was announced");
    assert!(matches!(bench.outcomes()[..], [Outcome::Refused { .. }]));
    bench.rest();
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# If the file is too large for the client to handle, it may abort the transfer with an Error packet (error code 3).
#[test]
fn rfc2349_a_client_that_leaves_with_error_3_did_not_come_for_the_size_alone() {
    // EDK2 leaves with ERROR 8 when it has the size.
    for (code, probe) in [(0, true), (3, false), (8, true)] {
        let mut bench = server();
        let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("tsize", "0")]));
        bench.say(PEER, tid, error(code, "no"));
        let refused = Outcome::PeerError { code: ErrorCode::DiskFull, message: b"no".to_vec() };
        assert_eq!(bench.outcomes(), [if probe { Outcome::SizeProbe } else { refused }]);
    }
}

#[test]
fn rfc2349_a_wrong_tsize_of_a_write_is_only_a_hint() {
    // curl announces 0 when it reads from a pipe.
    for announced in ["0", "5", "100000"] {
        let mut bench = Bench::server();
        let (tid, _) = bench.request(PEER, wrq("f", "octet", &[("tsize", announced)]));
        assert_eq!(bench.say(PEER, tid, data(1, &[1; 512])), [ack(1)]);
        assert_eq!(bench.say(PEER, tid, data(2, &[1; 10])), [ack(2)]);
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
        assert_eq!(bench.store().file("f").map(<[u8]>::len), Some(522));
    }
}

#[test]
fn rfc2349_sizes_have_64_bits() {
    let mut bench = server();
    bench.store().claimed_size = Some(5 << 40);
    let expected = (5u64 << 40).to_string();
    assert_eq!(bench.request(PEER, rrq("f", "octet", &[("tsize", "0")])).1, oack(&[("tsize", &expected)]));
    let mut bench = Bench::client();
    let id = bench.get("f", Options { transfer_size: Some(0), ..Options::NONE });
    assert_eq!(bench.say(TID, US, oack(&[("tsize", &expected)])), [ack(0)]);
    let told = bench.events().iter().find_map(|event| match event {
        tftp_proto::endpoint::Event::Established { id: of, parameters } if *of == id => Some(parameters.transfer_size),
        _ => None,
    });
    assert_eq!(told, Some(Some(5 << 40)));
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# In Read Request packets, a size of "0" is specified in the request and the size of the file, in octets, is returned
//# in the OACK.
#[test]
fn rfc2349_the_size_of_an_empty_file_is_told_only_if_set() {
    let mut bench = Bench::server();
    bench.store().insert("empty", Vec::new());
    let options = [("tsize", "0"), ("blksize", "600")];
    assert_eq!(bench.request(PEER, rrq("empty", "octet", &options)).1, oack(&[("blksize", "600")]));
    assert_eq!(bench.request(OTHER, rrq("empty", "octet", &[("tsize", "0")])).1, data(1, &[]));
    let mut bench = Bench::server_with(|config| config.options.size_of_empty_files = true);
    bench.store().insert("empty", Vec::new());
    assert_eq!(bench.request(PEER, rrq("empty", "octet", &[("tsize", "0")])).1, oack(&[("tsize", "0")]));
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# In Write Request packets, the size of the file, in octets, is specified in the request and echoed back in the OACK.
#[test]
fn rfc2349_a_put_announces_its_size() {
    let mut bench = Bench::client();
    bench.put("f", Options { transfer_size: Some(1), ..Options::NONE }, b"x".to_vec());
    assert_eq!(bench.heard(SERVER), [wrq("f", "octet", &[("tsize", "1")])]);
    assert_eq!(bench.say(TID, US, oack(&[("tsize", "1")])), [data(1, b"x")]);
    let mut request = ask(0, SERVER, Direction::Write, "f");
    request.mode = Mode::Netascii;
    request.options.transfer_size = Some(1);
    let mut bench = Bench::client();
    bench.start(request, Some(b"\n".to_vec()));
    assert_eq!(bench.say(TID, US, oack(&[("tsize", "1")])), [data(1, b"\r\n")]);
}
