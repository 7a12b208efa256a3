//! Netascii through transfers: block edges, going back, sizes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use tftp_proto::endpoint::{ClientRequest, Outcome};
use tftp_proto::wire::{Direction, Mode, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, ask};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error_code, oack, rrq, wrq};

const NONE: [Vec<u8>; 0] = [];

//= rfc1350#section-5
//= type=test
//# A host which receives netascii mode data must translate the data to its own format.
#[test]
fn line_ends_and_carriage_returns_survive_every_block_edge() {
    // With blocks of 8, each start shifts the pairs against the edges.
    for shift in 0..9 {
        let local = [&b"abcdefgh"[..shift.min(8)], b"\r\n\n\r\r\n\0\r\0x\n\n\n\n\n\r\r\r\r\r"].concat();
        let wire = content::to_netascii(&local);
        let mut bench = Bench::server();
        bench.store().insert("f", local.clone());
        let (tid, _) = bench.request(PEER, rrq("f", "netascii", &[("blksize", "8")]));
        let (up, _) = bench.request(OTHER, wrq("up", "netascii", &[("blksize", "8")]));
        let blocks = wire.chunks(8).chain(wire.len().is_multiple_of(8).then_some(&[][..]));
        for (block, payload) in (1..).zip(blocks) {
            assert_eq!(bench.say(PEER, tid, ack(block - 1)), [data(block, payload)], "shift {shift}");
            assert_eq!(bench.say(OTHER, up, data(block, payload)), [ack(block)], "shift {shift}");
        }
        assert_eq!(bench.store().file("up"), Some(&local[..]), "shift {shift}");
    }
}

#[test]
fn going_back_encodes_the_same_bytes_again() {
    let local = content::text(5, 3000);
    let wire = content::to_netascii(&local);
    let block = |number: u16| {
        let start = (usize::from(number) - 1) * 64;
        data(number, &wire[start..wire.len().min(start + 64)])
    };
    let options = [("blksize", "64"), ("windowsize", "8")];
    let mut bench = Bench::server();
    bench.store().insert("f", local.clone());
    let (tid, _) = bench.request(PEER, rrq("f", "netascii", &options));
    assert_eq!(bench.say(PEER, tid, ack(0)), (1..=8).map(block).collect::<Vec<_>>());
    assert_eq!(bench.say(PEER, tid, ack(3)), (4..=11).map(block).collect::<Vec<_>>(), "a gap inside the window");
    assert_eq!(bench.say(PEER, tid, ack(11)), (12..=19).map(block).collect::<Vec<_>>());
    assert_eq!(bench.say(PEER, tid, ack(11)), (12..=19).map(block).collect::<Vec<_>>(), "a gap at its base");
    assert_eq!(bench.say(PEER, tid, ack(18)), (19..=26).map(block).collect::<Vec<_>>());

    let mut bench = Bench::client();
    let options = Options { block_size: Some(64), window_size: Some(8), ..Options::NONE };
    bench.start(ClientRequest { mode: Mode::Netascii, options, ..ask(0, SERVER, Direction::Write, "f") }, Some(local));
    let granted = oack(&[("blksize", "64"), ("windowsize", "8")]);
    assert_eq!(bench.say(TID, US, granted), (1..=8).map(block).collect::<Vec<_>>());
    assert_eq!(bench.say(TID, US, ack(5)), (6..=13).map(block).collect::<Vec<_>>());
}

#[test]
fn a_cr_pending_at_the_end_is_written() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("f", "netascii", &[]));
    assert_eq!(bench.say(PEER, tid, data(1, b"ab\r")), [ack(1)]);
    assert_eq!(bench.store().file("f"), Some(&b"ab\r"[..]));
    // Also when the last block is empty and the CR ended the one before.
    let (tid, _) = bench.request(OTHER, wrq("g", "netascii", &[("blksize", "8")]));
    bench.say(OTHER, tid, data(1, b"1234567\r"));
    assert_eq!(bench.say(OTHER, tid, data(2, b"")), [ack(2)]);
    assert_eq!(bench.store().file("g"), Some(&b"1234567\r"[..]));
    let mut bench = Bench::client();
    let id = bench.start(ClientRequest { mode: Mode::Netascii, ..ask(0, SERVER, Direction::Read, "f") }, None);
    assert_eq!(bench.say(TID, US, data(1, b"ab\r")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"ab\r"[..]));
}

#[test]
fn a_pair_split_between_blocks_is_one() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("f", "netascii", &[("blksize", "8")]));
    bench.say(PEER, tid, data(1, b"1234567\r"));
    bench.say(PEER, tid, data(2, b"\n234567\r"));
    bench.say(PEER, tid, data(3, b"\0"));
    assert_eq!(bench.store().file("f"), Some(&b"1234567\n234567\r"[..]));
}

//= rfc2349#transfer-size-option-specification
//= type=test
//# In Read Request packets, a size of "0" is specified in the request and the size of the file, in octets, is returned
//# in the OACK.
#[test]
fn tsize_is_left_out_of_a_netascii_read_and_echoed_for_a_write() {
    let mut bench = Bench::server();
    bench.store().insert("f", b"a\nb\n".to_vec());
    let (_, answer) = bench.request(PEER, rrq("f", "netascii", &[("tsize", "0"), ("blksize", "600")]));
    assert_eq!(answer, oack(&[("blksize", "600")]));
    let (tid, answer) = bench.request(OTHER, wrq("g", "netascii", &[("tsize", "4")]));
    assert_eq!(answer, oack(&[("tsize", "4")]));
    assert_eq!(bench.say(OTHER, tid, data(1, b"a\r\nb\r\n")), [ack(1)], "longer on the wire than announced");
    assert_eq!(bench.store().file("g"), Some(&b"a\nb\n"[..]));
}

#[test]
fn storage_never_hears_of_the_tsize_of_a_netascii_write() {
    for (mode, told) in [("octet", Some(1 << 40)), ("netascii", None)] {
        let mut bench = Bench::server();
        let request = |name| wrq(name, mode, &[("tsize", "1099511627776")]);
        bench.request(PEER, request("f"));
        // It meets a writer that yields, and opens the file once more.
        bench.request(OTHER, request("f"));
        let sizes = bench.store().opens().map(|open| open.size).collect::<Vec<_>>();
        assert_eq!(sizes, [told; 3], "{mode}");
    }
}

#[test]
fn a_file_whose_encoded_form_is_an_exact_multiple_ends_with_an_empty_block() {
    let local = vec![b'\n'; 256];
    let wire = content::to_netascii(&local);
    let mut bench = Bench::server();
    bench.store().insert("f", local.clone());
    let (tid, answer) = bench.request(PEER, rrq("f", "netascii", &[]));
    assert_eq!(answer, data(1, &wire));
    assert_eq!(bench.say(PEER, tid, ack(1)), [data(2, &[])]);
    bench.say(PEER, tid, ack(2));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert_eq!(bench.reports()[0].bytes, 256, "bytes of the file, not of the wire");
}

#[test]
fn size_caps_count_decoded_bytes() {
    let mut bench = Bench::server_with(|config| config.max_upload = 4);
    let (tid, _) = bench.request(PEER, wrq("f", "netascii", &[]));
    assert_eq!(bench.say(PEER, tid, data(1, b"a\r\nb\r\n")), [ack(1)], "6 bytes that are 4");
    let (tid, _) = bench.request(OTHER, wrq("g", "netascii", &[]));
    assert_eq!(error_code(&bench.say(OTHER, tid, data(1, b"a\r\nb\r\nc"))[0]), Some(3));
    assert_eq!(bench.heard(PEER), NONE);
    bench.rest();
    assert_eq!(bench.store().file("f"), Some(&b"a\nb\n"[..]));
    assert_eq!(bench.store().file("g"), None);
}

#[test]
fn a_lone_cr_before_another_byte_stays() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("f", "netascii", &[]));
    bench.say(PEER, tid, data(1, b"a\rb\r\rc"));
    assert_eq!(bench.store().file("f"), Some(&b"a\rb\r\rc"[..]));
}
