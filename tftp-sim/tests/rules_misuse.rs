//! Settings and buffers that make no sense: a transfer makes the best of them or ends, and never spins.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::negotiate::{Parameters, grant};
use tftp_proto::transfer::{Ending, Progress, Transfer, TransferAction};
use tftp_proto::wire::{Direction, ErrorCode, Mode, Options, Packet};
use tftp_sim::bench::{Bench, PEER};
use tftp_sim::content;
use tftp_sim::network::{Faults, Network};
use tftp_sim::packet::{ack, rrq};
use tftp_sim::pair::{Case, run};

const NOW: Instant = Instant::from_micros(1_000_000);
const FILE: &[u8] = &[7; 3000];
/// More turns than any of these transfers needs.
const MANY: usize = 1000;

fn serve(options: Options, direction: Direction) -> Transfer<&'static [u8]> {
    let granted = grant(&options, direction, Mode::Octet, &OptionPolicy::default(), None);
    match direction {
        Direction::Read => Transfer::serve_read(NOW, granted, Timing::default(), 1024, 1),
        Direction::Write => Transfer::serve_write(NOW, granted, Timing::default(), 1),
    }
}

/// What leaves a transfer, whose reads are answered, up to its end or until it waits.
fn drain(transfer: &mut Transfer<&'static [u8]>, out: &mut [u8]) -> (Vec<Vec<u8>>, TransferAction) {
    let mut sent = Vec::new();
    for _ in 0..MANY {
        match transfer.poll(NOW, out) {
            TransferAction::Transmit { len, .. } => sent.push(out[..len].to_vec()),
            TransferAction::Read { offset, len, .. } => {
                let rest = &FILE[FILE.len().min(usize::try_from(offset).unwrap())..];
                transfer.handle_chunk(&rest[..len.min(rest.len())]);
            }
            action => return (sent, action),
        }
    }
    panic!("it spins: {} datagrams", sent.len());
}

#[test]
fn a_buffer_too_small_for_a_block_ends_the_transfer_and_the_peer_is_told() {
    let asked = Options { block_size: Some(1000), ..Options::NONE };
    for room in [512, 1003] {
        let mut transfer = serve(asked, Direction::Read);
        let (sent, end) = drain(&mut transfer, &mut vec![0; room]);
        assert_eq!(end, TransferAction::Ended(Ending::Failed));
        assert_eq!(sent.len(), 1);
        let told = Packet::parse(&sent[0]).unwrap();
        assert!(matches!(told, Packet::Error { code: ErrorCode::NotDefined, .. }), "{told:?}");
    }
    let mut transfer = serve(asked, Direction::Read);
    assert_eq!(drain(&mut transfer, &mut [0; 1004]).0.len(), 1, "the OACK");
    transfer.handle_packet(NOW, &Packet::Ack { block: 0 });
    assert_eq!(drain(&mut transfer, &mut [0; 1004]).0[0].len(), 1004);
}

#[test]
fn a_buffer_too_small_for_anything_ends_the_transfer_without_a_word() {
    for direction in [Direction::Read, Direction::Write] {
        for options in [Options::NONE, Options { block_size: Some(1000), ..Options::NONE }] {
            for room in [0, 3] {
                let mut transfer = serve(options, direction);
                assert_eq!(drain(&mut transfer, &mut vec![0; room]), (vec![], TransferAction::Ended(Ending::Failed)));
            }
        }
    }
}

#[test]
fn blocks_or_windows_of_nothing_become_the_smallest_there_are() {
    let nothing = Parameters { block_size: 0, window_size: 0, ..Parameters::without_options(Mode::Octet) };
    let timing = Timing::default();
    let mut out = [0; 600];
    let mut server = Transfer::<&[u8]>::serve_read(NOW, (Options::NONE, nothing), timing, 0, 1);
    assert_eq!(server.parameters().map(|agreed| (agreed.block_size, agreed.window_size)), Some((8, 1)));
    let (mut acks, mut received) = (0, 0);
    for _ in 0..MANY {
        let (sent, end) = drain(&mut server, &mut out);
        if end == TransferAction::Ended(Ending::Completed) {
            break;
        }
        for packet in sent {
            let Ok(Packet::Data { block, payload }) = Packet::parse(&packet) else { panic!() };
            received += payload.len();
            acks += 1;
            server.handle_packet(NOW, &Packet::Ack { block });
        }
    }
    assert_eq!((received, acks), (FILE.len(), FILE.len() / 8 + 1));

    let mut receiver = Transfer::<&[u8]>::serve_write(NOW, (Options::NONE, nothing), timing, 1);
    assert_eq!(drain(&mut receiver, &mut out).0, [b"\0\x04\0\0"]);
    let block = Packet::Data { block: 1, payload: &[1; 8] };
    assert_eq!(receiver.handle_packet(NOW, &block), Progress::Data { payload: &[1; 8], last: false });
    assert_eq!(drain(&mut receiver, &mut out).0, [b"\0\x04\0\x01"]);
    assert_eq!(
        receiver.handle_packet(NOW, &Packet::Data { block: 2, payload: b"" }),
        Progress::Data { payload: b"", last: true }
    );
}

/// Without a round trip to wait for, too.
const ZERO: Timing = Timing {
    initial_timeout: Duration::ZERO,
    min_timeout: Duration::ZERO,
    max_timeout: Duration::ZERO,
    give_up_after: Duration::from_secs(1),
    max_retries: None,
    unproved_retries: 4,
    dally: Duration::ZERO,
};

#[test]
fn intervals_of_nothing_become_a_millisecond_and_flood_nobody() {
    // A peer that answers once and then never.
    let mut bench = Bench::server_with(|config| config.timing = ZERO);
    bench.store().insert("f", content::bytes(1, 5000));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    let before = bench.world.now();
    bench.say(PEER, tid, ack(1));
    bench.rest();
    let report = &bench.reports()[0];
    let sent = report.stats.datagrams_sent;
    assert!((2..=1002).contains(&sent), "{sent} in a second");
    assert!(bench.world.now() - before >= Duration::from_millis(900));
}

#[test]
fn a_first_interval_of_nothing_does_not_end_what_could_be_answered() {
    let case = Case { timing: ZERO, ..Case::new(Direction::Read, Options::NONE, content::bytes(1, 5000)) };
    let faults = Faults { delay: Duration::from_micros(300), ..Faults::default() };
    let verdict = run(&case, Network::new(faults, 1), 1, false);
    assert_eq!(verdict.client, Ending::Completed);
    assert_eq!(verdict.received, Some(content::bytes(1, 5000)));
}
