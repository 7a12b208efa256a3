//! RFC 1350, rule by rule, in both roles and both directions.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::endpoint::Outcome;
use tftp_proto::wire::{ErrorCode, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, address};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error, error_code, oack, rrq, wrq};

const NONE: [Vec<u8>; 0] = [];

/// A server reads out a file of `len` bytes in blocks of 512.
fn server_reads_out(len: usize) {
    let file = content::bytes(1, len);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, mut answer) = bench.request(PEER, rrq("f", "octet", &[]));
    assert_ne!(tid, SERVER, "a transfer has an identifier of its own");
    let mut block = 0;
    // Every block but the last is full; the last is shorter, perhaps empty.
    for payload in file.chunks(512).chain(len.is_multiple_of(512).then_some(&[][..])) {
        block += 1;
        assert_eq!(answer, data(block, payload));
        let mut answers = bench.say(PEER, tid, ack(block));
        answer = answers.pop().unwrap_or_default();
        assert_eq!(answers, NONE);
    }
    assert!(answer.is_empty(), "nothing comes after the last block");
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert_eq!(bench.reports()[0].bytes, len as u64);
    bench.rest();
}

/// A server takes in a file of `len` bytes in blocks of 512.
fn server_takes_in(len: usize) {
    let file = content::bytes(1, len);
    let mut bench = Bench::server();
    let (tid, answer) = bench.request(PEER, wrq("f", "octet", &[]));
    assert_ne!(tid, SERVER);
    assert_eq!(answer, ack(0), "block 0 acknowledges the request");
    let mut block = 0;
    for payload in file.chunks(512).chain(len.is_multiple_of(512).then_some(&[][..])) {
        assert_eq!(bench.store().file("f"), None, "no file before it is whole");
        block += 1;
        assert_eq!(bench.say(PEER, tid, data(block, payload)), [ack(block)]);
    }
    assert_eq!(bench.store().file("f"), Some(&file[..]));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert_eq!(bench.reports()[0].bytes, len as u64);
    bench.rest();
}

/// A client gets a file of `len` bytes in blocks of 512.
fn client_gets(len: usize) {
    let file = content::bytes(1, len);
    let mut bench = Bench::client();
    let id = bench.get("f", Options::NONE);
    assert_eq!(bench.heard(SERVER), [rrq("f", "octet", &[])]);
    let mut block = 0;
    for payload in file.chunks(512).chain(len.is_multiple_of(512).then_some(&[][..])) {
        assert_eq!(bench.store().received(id), None);
        block += 1;
        assert_eq!(bench.say(TID, US, data(block, payload)), [ack(block)]);
    }
    assert_eq!(bench.store().received(id), Some(&file[..]));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.rest();
}

/// A client puts a file of `len` bytes in blocks of 512.
fn client_puts(len: usize) {
    let file = content::bytes(1, len);
    let mut bench = Bench::client();
    bench.put("f", Options::NONE, file.clone());
    assert_eq!(bench.heard(SERVER), [wrq("f", "octet", &[])]);
    let mut block = 0;
    for payload in file.chunks(512).chain(len.is_multiple_of(512).then_some(&[][..])) {
        let answers = bench.say(TID, US, ack(block));
        block += 1;
        assert_eq!(answers, [data(block, payload)]);
    }
    assert_eq!(bench.say(TID, US, ack(block)), NONE);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.rest();
}

//= rfc1350#section-2
//= type=test
//# Each data packet contains one block of data, and must be acknowledged by an acknowledgment packet before the next
//# packet can be sent.
//= rfc1350#section-4
//= type=test
//# block numbers are consecutive and begin with one.
//= rfc1350#section-5
//= type=test
//# If a host receives a octet file and then returns it, the returned file must be identical to the original.
//= rfc1350#section-5
//= type=test
//# If it is 512 bytes long, the block is not the last block of data; if it is from zero to 511 bytes long, it signals
//# the end of the transfer.
//= rfc1350#section-5
//= type=test
//# The block number in an ACK echoes the block number of the DATA packet being acknowledged.
#[test]
fn blocks_of_512_start_at_1_and_a_short_block_ends_the_file() {
    for len in [1, 511, 513, 1500] {
        server_reads_out(len);
        server_takes_in(len);
        client_gets(len);
        client_puts(len);
    }
}

//= rfc1350#section-5
//= type=test
//# If a host receives a octet file and then returns it, the returned file must be identical to the original.
//= rfc1350#section-5
//= type=test
//# If it is 512 bytes long, the block is not the last block of data; if it is from zero to 511 bytes long, it signals
//# the end of the transfer.
#[test]
fn an_empty_block_ends_a_file_that_is_an_exact_multiple() {
    for len in [512, 1024, 512 * 20] {
        server_reads_out(len);
        server_takes_in(len);
        client_gets(len);
        client_puts(len);
    }
}

//= rfc1350#section-5
//= type=test
//# If a host receives a octet file and then returns it, the returned file must be identical to the original.
//= rfc1350#section-5
//= type=test
//# If it is 512 bytes long, the block is not the last block of data; if it is from zero to 511 bytes long, it signals
//# the end of the transfer.
#[test]
fn an_empty_file_is_one_empty_block() {
    server_reads_out(0);
    server_takes_in(0);
    client_gets(0);
    client_puts(0);
}

//= rfc1350#section-4
//= type=test
//# Since the positive response to a write request is an acknowledgment packet, in this special case the block number
//# will be zero.
#[test]
fn a_write_request_is_answered_with_ack_0() {
    let mut bench = Bench::server();
    assert_eq!(bench.request(PEER, wrq("f", "octet", &[])).1, ack(0));
    let mut bench = Bench::client();
    bench.put("f", Options::NONE, b"x".to_vec());
    assert_eq!(bench.heard(SERVER), [wrq("f", "octet", &[])], "no data before it");
    assert_eq!(bench.say(TID, US, ack(0)), [data(1, b"x")]);
}

//= rfc1350#section-4
//= type=test
//# the hosts should make sure that the source TID matches the value that was agreed on in steps 1 and 2.
//= rfc1350#section-4
//= type=test
//# If a source TID does not match, the packet should be discarded as erroneously sent from somewhere else.
//= rfc1350#section-4
//= type=test
//# An error packet should be sent to the source of the incorrect packet, while not disturbing the transfer.
#[test]
fn a_wrong_source_port_gets_error_5_from_a_server_and_the_transfer_goes_on() {
    let stranger = address([10, 0, 0, 2], 9999);
    for packet in [ack(1), data(1, b"evil")] {
        let mut bench = Bench::server();
        bench.store().insert("f", content::bytes(1, 600));
        let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
        let answers = bench.say(stranger, tid, packet);
        assert_eq!(answers.len(), 1);
        assert_eq!(error_code(&answers[0]), Some(5));
        assert_eq!(bench.heard(PEER), NONE);
        assert_eq!(bench.say(PEER, tid, ack(1)), [data(2, &content::bytes(1, 600)[512..])]);
        bench.say(PEER, tid, ack(2));
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
    }
}

//= rfc1350#section-4
//= type=test
//# the hosts should make sure that the source TID matches the value that was agreed on in steps 1 and 2.
//= rfc1350#section-4
//= type=test
//# An error packet should be sent to the source of the incorrect packet, while not disturbing the transfer.
#[test]
fn a_wrong_source_port_gets_error_5_from_a_client_and_the_transfer_goes_on() {
    let stranger = address([10, 0, 0, 1], 9999);
    for packet in [data(2, b"evil"), ack(1), oack(&[("blksize", "8")])] {
        let mut bench = Bench::client();
        let id = bench.get("f", Options::NONE);
        let file = content::bytes(1, 600);
        assert_eq!(bench.say(TID, US, data(1, &file[..512])), [ack(1)]);
        let answers = bench.say(stranger, US, packet);
        assert_eq!(answers.len(), 1);
        assert_eq!(error_code(&answers[0]), Some(5));
        assert_eq!(bench.say(TID, US, data(2, &file[512..])), [ack(2)]);
        assert_eq!(bench.store().received(id), Some(&file[..]));
    }
    let mut bench = Bench::client();
    bench.put("f", Options::NONE, content::bytes(1, 600));
    bench.say(TID, US, ack(0));
    assert_eq!(error_code(&bench.say(stranger, US, ack(1))[0]), Some(5));
    assert_eq!(bench.say(TID, US, ack(1)), [data(2, &content::bytes(1, 600)[512..])]);
}

//= rfc1350#section-5
//= type=test
//# The mode field contains the string "netascii", "octet", or "mail" (or any combination of upper and lower case
#[test]
fn octet_and_netascii_are_known_in_any_case() {
    for mode in ["octet", "OCTET", "oCtEt", "netascii", "NETASCII", "NetAscii"] {
        let mut bench = Bench::server();
        bench.store().insert("f", b"abc".to_vec());
        assert_eq!(bench.request(PEER, rrq("f", mode, &[])).1, data(1, b"abc"), "{mode}");
        assert_eq!(bench.request(OTHER, wrq("g", mode, &[])).1, ack(0), "{mode}");
    }
}

//= rfc1350#section-2
//= type=test
//# This packet is not acknowledged, and not retransmitted
#[test]
fn error_is_never_answered_by_a_server() {
    // The invariant behind every test forbids it too; here each state is visited by name.
    let file = content::bytes(1, 600);
    for code in 0..=9 {
        let goodbye = error(code, "bye");
        let mut bench = Bench::server();
        bench.store().insert("f", file.clone());
        assert_eq!(bench.say(PEER, SERVER, goodbye.clone()), NONE, "on the listening port");
        let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
        assert_eq!(bench.say(PEER, tid, goodbye.clone()), NONE, "while sending");
        assert!(bench.wait(PEER, Duration::from_secs(120)).is_empty(), "and it ends the transfer");
        assert_eq!(bench.say(PEER, tid, goodbye.clone()), NONE, "after the end");
        let (tid, _) = bench.request(PEER, wrq("g", "octet", &[]));
        assert_eq!(bench.say(PEER, tid, goodbye.clone()), NONE, "while receiving");
        assert!(bench.wait(PEER, Duration::from_secs(120)).is_empty());
        assert!(bench.outcomes().iter().all(|outcome| matches!(outcome, Outcome::PeerError { .. })));
        assert_eq!(bench.active(), 0);
        bench.rest();
    }
}

//= rfc1350#section-2
//= type=test
//# This packet is not acknowledged, and not retransmitted
#[test]
fn error_is_never_answered_by_a_client() {
    for code in 0..=9 {
        let goodbye = error(code, "bye");
        let mut bench = Bench::client();
        bench.get("f", Options::NONE);
        bench.heard(SERVER);
        assert_eq!(bench.say(TID, US, goodbye.clone()), NONE, "while asking");
        bench.put("f", Options::NONE, content::bytes(1, 600));
        bench.heard(SERVER);
        bench.say(TID, US, ack(0));
        assert_eq!(bench.say(TID, US, goodbye.clone()), NONE, "while sending");
        assert!(bench.wait(SERVER, Duration::from_secs(120)).is_empty());
        assert_eq!(bench.heard(TID), NONE);
        for report in bench.reports() {
            let Outcome::PeerError { code: told, message } = &report.outcome else { panic!("{:?}", report.outcome) };
            assert_eq!((told.to_wire(), &message[..]), (code, &b"bye"[..]));
        }
        assert_eq!(bench.reports().len(), 2);
        bench.rest();
    }
}

#[test]
fn an_error_tells_the_receiver_at_once_and_leaves_no_partial_file() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("g", "octet", &[]));
    bench.say(PEER, tid, data(1, &[7; 512]));
    bench.say(PEER, tid, error(0, "gone"));
    assert!(matches!(bench.outcomes()[..], [Outcome::PeerError { code: ErrorCode::NotDefined, .. }]));
    bench.rest();
    assert_eq!(bench.store().file("g"), None);
    assert!(!bench.store().is_claimed("g"));
}

//= rfc1350#section-6
//= type=test
//# On the other hand, dallying is encouraged.
#[test]
fn section_6_a_server_dallies_after_the_final_ack() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("g", "octet", &[]));
    assert_eq!(bench.say(PEER, tid, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.outcomes(), [Outcome::Completed], "the file counts at once");
    // The ACK was lost: the peer repeats its last block, and is answered each time.
    for _ in 0..2 {
        bench.world.run_for(Duration::from_secs(1));
        assert_eq!(bench.say(PEER, tid, data(1, b"x")), [ack(1)]);
    }
    assert_eq!(bench.store().file("g"), Some(&b"x"[..]));
    bench.rest();
    assert_eq!(bench.reports().len(), 1);
    assert_eq!(bench.say(PEER, tid, data(1, b"x")), NONE, "long after, nobody is there");
}

//= rfc1350#section-6
//= type=test
//# On the other hand, dallying is encouraged.
#[test]
fn section_6_a_client_dallies_after_the_final_ack() {
    let mut bench = Bench::client();
    let id = bench.get("f", Options::NONE);
    assert_eq!(bench.say(TID, US, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    for _ in 0..2 {
        bench.world.run_for(Duration::from_secs(1));
        assert_eq!(bench.say(TID, US, data(1, b"x")), [ack(1)]);
    }
    assert_eq!(bench.store().received(id), Some(&b"x"[..]));
    bench.rest();
    assert_eq!(bench.reports().len(), 1);
}

//= rfc1350#section-6
//= type=test
//# The host sending the last DATA must retransmit it until the packet is acknowledged or the sending host times out.
#[test]
fn section_6_the_last_data_is_repeated_until_it_is_acknowledged_or_patience_ends() {
    let file = content::bytes(1, 600);
    let last = data(2, &file[512..]);
    for acknowledged in [true, false] {
        let mut server = Bench::server();
        server.store().insert("f", file.clone());
        let (tid, _) = server.request(PEER, rrq("f", "octet", &[]));
        let mut client = Bench::client();
        client.put("f", Options::NONE, file.clone());
        client.say(TID, US, ack(0));
        for (mut bench, peer, us) in [(server, PEER, tid), (client, TID, US)] {
            assert_eq!(bench.say(peer, us, ack(1)), [&last[..]]);
            let repeats = bench.wait(peer, Duration::from_secs(20));
            assert!(repeats.len() >= 3 && repeats.iter().all(|(_, bytes)| *bytes == last), "{repeats:?}");
            if acknowledged {
                assert_eq!(bench.say(peer, us, ack(2)), NONE);
                assert_eq!(bench.outcomes(), [Outcome::Completed]);
            } else {
                bench.world.run_for(Duration::from_secs(11));
                assert_eq!(bench.outcomes(), [Outcome::DeliveredUnconfirmed]);
                bench.heard(peer);
            }
            assert!(bench.wait(peer, Duration::from_secs(120)).is_empty(), "and not after that");
            bench.rest();
        }
    }
}

//= rfc1350#section-7
//= type=test
//# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode 5) is sent.
#[test]
fn a_failed_request_is_answered_with_an_error() {
    let mut bench = Bench::server();
    let (_, answer) = bench.request(PEER, rrq("absent", "octet", &[]));
    assert_eq!(error_code(&answer), Some(1));
    bench.store().insert("there", b"x".to_vec());
    let (_, answer) = bench.request(OTHER, wrq("there", "octet", &[]));
    assert_eq!(error_code(&answer), Some(6));
    bench.rest();
    assert_eq!(bench.store().file("there"), Some(&b"x"[..]));
    assert_eq!(bench.reports().len(), 2);
}
