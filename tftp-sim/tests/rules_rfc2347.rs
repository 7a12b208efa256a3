//! RFC 2347, rule by rule: options and their acknowledgement.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use tftp_proto::endpoint::{ClientRequest, Event, Outcome, RefusedReason, StartError};
use tftp_proto::negotiate::Refusal;
use tftp_proto::wire::{Direction, ErrorCode, OptionKind, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, ask};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error, error_code, oack, rrq, wrq};

const NONE: [Vec<u8>; 0] = [];

/// What a server answers to a read request for a file of 2000 bytes.
fn read_answer(options: &[(&str, &str)]) -> Vec<u8> {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 2000));
    bench.request(PEER, rrq("f", "octet", options)).1
}

/// What a server answers to a write request.
fn write_answer(options: &[(&str, &str)]) -> Vec<u8> {
    Bench::server().request(PEER, wrq("f", "octet", options)).1
}

fn plain_first_block() -> Vec<u8> {
    data(1, &content::bytes(1, 512))
}

//= rfc2347#packet-formats
//= type=test
//# The order in which options are specified is not significant.
#[test]
fn options_come_in_any_order() {
    let one = read_answer(&[("blksize", "1024"), ("tsize", "0"), ("timeout", "3")]);
    let other = read_answer(&[("timeout", "3"), ("blksize", "1024"), ("tsize", "0")]);
    for answer in [one, other] {
        let text = String::from_utf8_lossy(&answer[2..]).to_string();
        let mut pairs: Vec<_> = text.split_terminator('\0').collect::<Vec<_>>().chunks(2).map(<[_]>::to_vec).collect();
        pairs.sort_unstable();
        assert_eq!(pairs, [["blksize", "1024"], ["timeout", "3"], ["tsize", "2000"]]);
    }
}

//= rfc2347#packet-formats
//= type=test
//# The first option, in case-insensitive ASCII (e.g., blksize).
#[test]
fn option_names_are_known_in_any_case_and_answered_in_lower_case() {
    for name in ["blksize", "BLKSIZE", "BlkSize"] {
        assert_eq!(read_answer(&[(name, "1024")]), oack(&[("blksize", "1024")]));
        assert_eq!(write_answer(&[(name, "1024")]), oack(&[("blksize", "1024")]));
    }
    // A client, too, knows them in any case.
    let mut bench = Bench::client();
    bench.get("f", Options { block_size: Some(1024), ..Options::NONE });
    assert_eq!(bench.say(TID, US, oack(&[("BLKSIZE", "1024")])), [ack(0)]);
}

//= rfc2347#negotiation-protocol
//= type=test
//# however, an option may only be specified once.
#[test]
fn an_option_counts_at_most_once_and_then_the_first() {
    assert_eq!(read_answer(&[("blksize", "1024"), ("blksize", "600")]), oack(&[("blksize", "1024")]));
    assert_eq!(write_answer(&[("blksize", "1024"), ("BLKSIZE", "600")]), oack(&[("blksize", "1024")]));
    assert_eq!(read_answer(&[("blksize", "nonsense"), ("blksize", "600")]), plain_first_block());
}

//= rfc2347#packet-formats
//= type=test
//# The options and values are all NULL-terminated, in keeping with the original request format.
//= rfc2347#negotiation-protocol
//= type=test
//# Each option the server recognizes, and accepts the value for, is included in the OACK.
//= rfc2347#negotiation-protocol
//= type=test
//# The server must not include in the OACK any option which had not been specifically requested by the client; that is,
//# only the client may initiate option negotiation.
#[test]
fn an_oack_carries_only_what_was_asked() {
    let all = [("blksize", "1024"), ("timeout", "3"), ("tsize", "7"), ("windowsize", "4"), ("rollover", "0")];
    for (name, value) in all {
        let expected = if name == "tsize" { oack(&[("tsize", "2000")]) } else { oack(&[(name, value)]) };
        assert_eq!(read_answer(&[(name, value)]), expected, "{name}");
        assert_eq!(write_answer(&[(name, value)]), oack(&[(name, value)]), "{name}");
    }
    assert_eq!(read_answer(&[]), plain_first_block());
}

//= rfc2347#negotiation-protocol
//= type=test
//# Options which the server does not support should be omitted from the OACK; they should not cause an ERROR packet to
//# be generated.
#[test]
fn unsupported_options_are_left_out() {
    let options = [("frobnicate", "1"), ("blksize", "1024"), ("multicast", "")];
    assert_eq!(read_answer(&options), oack(&[("blksize", "1024")]));
    assert_eq!(write_answer(&options), oack(&[("blksize", "1024")]));
}

//= rfc2347#negotiation-protocol
//= type=test
//# Options which the server does not support should be omitted from the OACK; they should not cause an ERROR packet to
//# be generated.
//= rfc2347#negotiation-protocol
//= type=test
//# An option not acknowledged by the server must be ignored by the client and server as if it were never requested.
#[test]
fn without_an_option_left_there_is_no_oack() {
    for options in [&[("frobnicate", "1")][..], &[("blksize", "7")], &[("timeout", "0"), ("windowsize", "0")]] {
        assert_eq!(read_answer(options), plain_first_block());
        assert_eq!(write_answer(options), ack(0));
    }
}

//= rfc2347#negotiation-protocol
//= type=test
//# Options which the server does not support should be omitted from the OACK; they should not cause an ERROR packet to
//# be generated.
#[test]
fn options_can_be_switched_off_one_by_one() {
    for kind in OptionKind::ALL {
        let mut bench = Bench::server_with(|config| config.options.disabled.insert(kind));
        bench.store().insert("f", content::bytes(1, 2000));
        let value = if kind == OptionKind::Rollover { "1" } else { "64" };
        let value = if kind == OptionKind::MicroTimeout { "64000" } else { value };
        let other = if kind == OptionKind::Timeout { ("blksize", "512") } else { ("timeout", "9") };
        assert_eq!(
            bench.request(PEER, rrq("f", "octet", &[(kind.name(), value), other])).1,
            oack(&[other]),
            "{kind:?}"
        );
        let answer = bench.request(OTHER, wrq("g", "octet", &[(kind.name(), value)])).1;
        assert_eq!(answer, ack(0), "{kind:?}");
    }
}

//= rfc2347#negotiation-protocol
//= type=test
//# If the transfer was initiated with a Read Request, then an ACK (with the data block number set to 0) is sent by the
//# client to confirm the values in the server's OACK packet.
#[test]
fn a_read_goes_on_from_oack_over_ack_0() {
    let file = content::bytes(1, 2000);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, answer) = bench.request(PEER, rrq("f", "octet", &[("blksize", "1024")]));
    assert_eq!(answer, oack(&[("blksize", "1024")]));
    assert_eq!(bench.say(PEER, tid, ack(0)), [data(1, &file[..1024])]);

    let mut bench = Bench::client();
    let id = bench.get("f", Options { block_size: Some(1024), ..Options::NONE });
    assert_eq!(bench.heard(SERVER), [rrq("f", "octet", &[("blksize", "1024")])]);
    assert_eq!(bench.say(TID, US, oack(&[("blksize", "1024")])), [ack(0)]);
    assert_eq!(bench.say(TID, US, data(1, &file[..1024])), [ack(1)]);
    assert_eq!(bench.say(TID, US, data(2, &file[1024..])), [ack(2)]);
    assert_eq!(bench.store().received(id), Some(&file[..]));
    assert!(
        bench
            .events()
            .iter()
            .any(|event| { matches!(event, Event::Established { parameters, .. } if parameters.block_size == 1024) })
    );
}

//= rfc2347#negotiation-protocol
//= type=test
//# If the transfer was initiated with a Write Request, then the client begins the transfer with the first DATA packet,
//# using the negotiated values.
#[test]
fn a_write_goes_on_from_oack_with_data_1() {
    let file = content::bytes(1, 2000);
    let mut bench = Bench::server();
    let (tid, answer) = bench.request(PEER, wrq("f", "octet", &[("blksize", "1024")]));
    assert_eq!(answer, oack(&[("blksize", "1024")]));
    assert_eq!(bench.say(PEER, tid, data(1, &file[..1024])), [ack(1)]);
    assert_eq!(bench.say(PEER, tid, data(2, &file[1024..])), [ack(2)]);
    assert_eq!(bench.store().file("f"), Some(&file[..]));

    let mut bench = Bench::client();
    bench.put("f", Options { block_size: Some(1024), ..Options::NONE }, file.clone());
    assert_eq!(bench.heard(SERVER), [wrq("f", "octet", &[("blksize", "1024")])]);
    assert_eq!(bench.say(TID, US, oack(&[("blksize", "1024")])), [data(1, &file[..1024])]);
    assert_eq!(bench.say(TID, US, ack(1)), [data(2, &file[1024..])]);
}

//= rfc2347#negotiation-protocol
//= type=test
//# If the client rejects the OACK, then it sends an ERROR packet, with error code 8, to the server and the transfer is
//# terminated.
//= rfc2347#negotiation-protocol
//= type=test
//# If the client receives an OACK containing an unrequested option, it should respond with an ERROR packet, with error
//# code 8, and terminate the transfer.
#[test]
fn a_client_ends_a_failed_negotiation_with_error_8() {
    let asked = Options { block_size: Some(1024), timeout: Some(3), ..Options::NONE };
    for (bad, refusal) in [
        (&[("windowsize", "4")][..], Refusal::NotAsked),
        (&[("frobnicate", "4")], Refusal::NotAsked),
        (&[("blksize", "2048")], Refusal::Changed(OptionKind::BlockSize)),
        (&[("timeout", "4")], Refusal::Changed(OptionKind::Timeout)),
        (&[("blksize", "7")], Refusal::Invalid),
        (&[("blksize", "many")], Refusal::Invalid),
    ] {
        for write in [false, true] {
            let mut bench = Bench::client();
            if write {
                bench.put("f", asked, b"x".to_vec())
            } else {
                bench.get("f", asked)
            };
            bench.heard(SERVER);
            let answers = bench.say(TID, US, oack(bad));
            assert_eq!(answers.len(), 1, "{bad:?}");
            assert_eq!(error_code(&answers[0]), Some(8), "{bad:?}");
            let code = ErrorCode::OptionNegotiation;
            assert_eq!(bench.outcomes(), [Outcome::Refused { code, reason: RefusedReason::Oack(refusal) }], "{bad:?}");
            bench.rest();
        }
    }
}

//= rfc2347#negotiation-protocol
//= type=test
//# If the client receives an OACK containing an unrequested option, it should respond with an ERROR packet, with error
//# code 8, and terminate the transfer.
#[test]
fn a_client_that_asked_nothing_refuses_an_oack() {
    for options in [&[("blksize", "512")][..], &[]] {
        let mut bench = Bench::client();
        bench.get("f", Options::NONE);
        assert_eq!(error_code(&bench.say(TID, US, oack(options))[0]), Some(8), "{options:?}");
    }
}

//= rfc2347#negotiation-protocol
//= type=test
//# If the client rejects the OACK, then it sends an ERROR packet, with error code 8, to the server and the transfer is
//# terminated.
#[test]
fn an_error_8_from_the_client_ends_the_transfer() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 2000));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("blksize", "1024")]));
    assert_eq!(bench.say(PEER, tid, error(8, "no")), NONE);
    assert!(matches!(bench.outcomes()[..], [Outcome::PeerError { code: ErrorCode::OptionNegotiation, .. }]));
    assert_eq!(bench.active(), 0);
    bench.rest();
}

//= rfc2347#negotiation-protocol
//= type=test
//# In the event that a server returns an error for a request which carries an option, the client may attempt to repeat
//# the request without appending any options.
#[test]
fn a_client_tries_again_without_options_after_error_8() {
    let asked = Options { block_size: Some(1024), transfer_size: Some(0), ..Options::NONE };
    let mut bench = Bench::client();
    let id = bench.get("f", asked);
    assert_eq!(bench.heard(SERVER), [rrq("f", "octet", &[("blksize", "1024"), ("tsize", "0")])]);
    assert_eq!(bench.say(TID, US, error(8, "no options please")), NONE);
    assert_eq!(bench.heard(SERVER), [rrq("f", "octet", &[])]);
    // From a new port, as a server would.
    let tid = tftp_sim::bench::address([10, 0, 0, 1], 50_002);
    assert_eq!(bench.say(tid, US, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"x"[..]));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);

    let mut bench = Bench::client();
    bench.put("f", asked, b"x".to_vec());
    bench.heard(SERVER);
    bench.say(TID, US, error(8, "no options please"));
    assert_eq!(bench.heard(SERVER), [wrq("f", "octet", &[])]);
    assert_eq!(bench.say(tid, US, ack(0)), [data(1, b"x")]);
    // A second ERROR 8 is the end.
    bench.say(tid, US, error(8, "still no"));
    assert!(matches!(bench.outcomes()[..], [Outcome::PeerError { .. }]));
    assert_eq!(bench.heard(SERVER), NONE);
    bench.rest();
}

/// It answers the request with options, which nobody waits for any more.
#[test]
fn a_late_copy_of_error_8_neither_ends_nor_repeats_the_request_without_options() {
    let mut bench = Bench::client();
    let id = bench.get("f", Options { block_size: Some(1024), ..Options::NONE });
    bench.heard(SERVER);
    bench.say(TID, US, error(8, "no options please"));
    assert_eq!(bench.heard(SERVER), [rrq("f", "octet", &[])]);
    for _ in 0..3 {
        assert_eq!(bench.say(TID, US, error(8, "no options please")), NONE);
        assert_eq!(bench.heard(SERVER), NONE);
    }
    assert_eq!(bench.outcomes(), []);
    let tid = tftp_sim::bench::address([10, 0, 0, 1], 50_002);
    assert_eq!(bench.say(tid, US, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"x"[..]));
    bench.rest();
}

//= rfc2347#negotiation-protocol
//= type=test
//# In the event that a server returns an error for a request which carries an option, the client may attempt to repeat
//# the request without appending any options.
#[test]
fn a_client_that_shall_not_fall_back_does_not() {
    let mut bench = Bench::client();
    let options = Options { block_size: Some(1024), ..Options::NONE };
    bench.start(ClientRequest { options, fall_back: false, ..ask(0, SERVER, Direction::Read, "f") }, None);
    bench.heard(SERVER);
    bench.say(TID, US, error(8, "no options please"));
    assert_eq!(bench.heard(SERVER), NONE);
    assert!(matches!(bench.outcomes()[..], [Outcome::PeerError { .. }]));
    bench.rest();
}

//= rfc2347#negotiation-protocol
//= type=test
//# An option not acknowledged by the server must be ignored by the client and server as if it were never requested.
#[test]
fn a_client_goes_on_without_options_when_the_server_ignores_them() {
    let file = content::bytes(1, 600);
    let asked = Options { block_size: Some(1024), window_size: Some(8), ..Options::NONE };
    let mut bench = Bench::client();
    let id = bench.get("f", asked);
    assert_eq!(bench.say(TID, US, data(1, &file[..512])), [ack(1)]);
    assert_eq!(bench.say(TID, US, data(2, &file[512..])), [ack(2)]);
    assert_eq!(bench.store().received(id), Some(&file[..]));

    let mut bench = Bench::client();
    bench.put("f", asked, file.clone());
    assert_eq!(bench.say(TID, US, ack(0)), [data(1, &file[..512])]);
    assert_eq!(bench.say(TID, US, ack(1)), [data(2, &file[512..])]);
}

//= rfc2347#negotiation-protocol
//= type=test
//# If multiple options were requested, the client must use those options which were acknowledged by the server and must
//# not use those options which were not acknowledged by the server.
#[test]
fn a_client_takes_an_oack_that_leaves_options_out() {
    let file = content::bytes(1, 600);
    let asked = Options { block_size: Some(1024), window_size: Some(8), timeout: Some(2), ..Options::NONE };
    let mut bench = Bench::client();
    bench.get("f", asked);
    assert_eq!(bench.say(TID, US, oack(&[("timeout", "2")])), [ack(0)]);
    assert_eq!(bench.say(TID, US, data(1, &file[..512])), [ack(1)], "blocks of 512, in lock-step");
    assert_eq!(bench.say(TID, US, data(2, &file[512..])), [ack(2)]);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
}

//= rfc2347#packet-formats
//= type=test
//# The maximum size of a request packet is 512 octets.
#[test]
fn a_request_never_exceeds_512_bytes() {
    let mut bench = Bench::client();
    let options = Options { block_size: Some(1024), transfer_size: Some(0), ..Options::NONE };
    let now = bench.now();
    let request = |len: usize| ClientRequest { options, ..ask(0, SERVER, Direction::Read, &"n".repeat(len)) };
    // 2 of opcode, 1 behind the name, 6 of mode, 13 of blksize, 8 of tsize.
    let longest = 512 - 2 - 1 - 6 - 13 - 8;
    assert_eq!(bench.node().endpoint.start(now, request(longest + 1)), Err(StartError::NameTooLong));
    assert_eq!(bench.node().endpoint.start(now, request(0)), Err(StartError::InvalidName));
    let mut nul = request(3);
    nul.filename[1] = 0;
    assert_eq!(bench.node().endpoint.start(now, nul), Err(StartError::InvalidName));
    bench.start(request(longest), None);
    assert_eq!(bench.heard(SERVER)[0].len(), 512);
}
