//! What an owner can rely on: reports, summaries, counts, and what an endpoint remembers of a host.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::client::Asking;
use tftp_proto::config::Timing;
use tftp_proto::endpoint::{Action, Disposition, Endpoint, Event, FailureKind, Ignored, Meta, Outcome};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Ending, Transfer, TransferAction};
use tftp_proto::wire::{Direction, ErrorCode, Mode, Options, Packet};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, address, server_config};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, oack, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_report_says_what_the_server_granted_and_how_many_datagrams_came() {
    let mut bench = Bench::client();
    bench.get("f", Options { block_size: Some(1024), transfer_size: Some(0), ..Options::NONE });
    bench.say(TID, US, oack(&[("blksize", "600")]));
    bench.say(TID, US, data(1, &[1; 600]));
    assert_eq!(bench.say(TID, US, data(2, b"end")), [ack(2)]);
    let report = &bench.reports()[0];
    assert_eq!(report.options, Options { block_size: Some(600), ..Options::NONE });
    assert_eq!((report.stats.datagrams_received, report.stats.datagrams_sent), (3, 4), "{:?}", report.stats);

    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    bench.say(TID, US, data(1, &[1; 512]));
    assert_eq!(bench.say(TID, US, data(2, b"end")), [ack(2)]);
    let report = &bench.reports()[0];
    assert_eq!(report.options, Options::NONE);
    assert_eq!((report.stats.datagrams_received, report.stats.datagrams_sent), (2, 3), "{:?}", report.stats);
}

#[test]
fn a_report_says_how_long_the_commit_took() {
    for (fate, succeeds) in [(Fate::After(2 * SECOND), true), (Fate::Fails(2 * SECOND, FailureKind::Full), false)] {
        let mut bench = Bench::server();
        bench.store().script(JobKind::Commit, 0, fate);
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        assert_eq!(bench.say(PEER, tid, data(1, b"x")), NONE);
        bench.rest();
        let report = &bench.reports()[0];
        assert_eq!(report.outcome == Outcome::Completed, succeeds);
        assert_eq!(report.commit_time, Some(2 * SECOND));
    }
}

/// While nothing can be sent, answers wait, but not without end. Who comes then is dropped, and the owner hears of it.
#[test]
fn requests_dropped_because_answers_wait_are_counted() {
    let now = Instant::from_micros(1_000_000);
    let mut endpoint = Endpoint::new(server_config([10, 0, 0, 1].into(), 1).0, 1);
    let meta = Meta { socket: 0, peer: PEER, local_ip: Some(SERVER.ip()) };
    for _ in 0..2000 {
        // Without a mode: each is worth an ERROR, but no transfer.
        endpoint.handle_datagram(now, &meta, b"\0\x01f\0");
    }
    for _ in 0..3 {
        let disposition = endpoint.handle_datagram(now, &Meta { peer: OTHER, ..meta }, &rrq("f", "octet", &[]));
        assert_eq!(disposition, Disposition::Ignored(Ignored::Saturated));
    }
    let mut out = vec![0; 70_000];
    let (mut answers, mut dropped) = (0, Vec::new());
    for now in [now, now + SECOND, now + 2 * SECOND] {
        loop {
            match endpoint.poll(now, &mut out) {
                Action::Transmit(_) => answers += 1,
                Action::Event(Event::Saturated { dropped: count }) => dropped.push(count),
                Action::Wait(_) => break,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((answers, dropped), (1024, vec![3]));
}

/// Serves windows of so many blocks, and says how many of each left at once.
fn at_once(bench: &mut Bench, peer: std::net::SocketAddr, window: u16, windows: u16) -> Vec<usize> {
    let asked = window.to_string();
    let (tid, _) = bench.request(peer, rrq("f", "octet", &[("blksize", "512"), ("windowsize", &asked)]));
    (0..windows)
        .map(|number| {
            let at_once = bench.say(peer, tid, ack(number * window)).len();
            bench.world.run_for(Duration::from_millis(30));
            bench.heard(peer);
            at_once
        })
        .collect()
}

#[test]
fn what_a_host_took_at_once_it_gets_at_once_the_next_time() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 1 << 20));
    let again = address([10, 0, 0, 2], 2000);
    assert_eq!(at_once(&mut bench, PEER, 32, 10)[..2], [8, 31], "nothing is known of it");
    assert_eq!(at_once(&mut bench, again, 32, 1), [32]);
    assert_eq!(at_once(&mut bench, OTHER, 32, 1), [8], "another host");
}

#[test]
fn a_host_that_took_a_window_at_once_is_tried_with_a_larger_one() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 1 << 20));
    at_once(&mut bench, PEER, 16, 10);
    let larger = at_once(&mut bench, address([10, 0, 0, 2], 2000), 64, 5);
    assert_eq!((larger[0], larger[4]), (16, 64), "{larger:?}");
}

#[test]
fn nothing_that_comes_later_changes_how_a_transfer_ended() {
    let now = Instant::from_micros(1_000_000);
    let mut out = vec![0; 1000];
    let late = [
        Packet::Error { code: ErrorCode::NotDefined, message: b"late" },
        Packet::Ack { block: 1 },
        Packet::Data { block: 1, payload: b"x" },
    ];
    let granted = grant(&Options::NONE, Direction::Read, Mode::Octet, &Default::default(), None);
    let mut completed = Transfer::<Vec<u8>>::serve_read(now, granted, Timing::default(), 4096, 1);
    assert_eq!(completed.poll(now, &mut out), TransferAction::Read { offset: 0, len: 4096, keep: 0 });
    completed.handle_chunk(b"x".to_vec());
    assert_eq!(completed.poll(now, &mut out), TransferAction::Transmit { len: 5, segment_size: None, body: None });
    completed.handle_packet(now, &Packet::Ack { block: 1 });
    let asking = Asking {
        direction: Direction::Read,
        mode: Mode::Octet,
        options: Options::NONE,
        fall_back: true,
        timing: Timing { unproved_retries: 0, ..Timing::default() },
    };
    let mut unanswered = Transfer::<Vec<u8>>::ask(now, asking, 4096, 1);
    assert_eq!(unanswered.poll(now, &mut out), TransferAction::Request(Options::NONE));
    unanswered.handle_timeout(now + 10 * SECOND);
    for (mut transfer, ending) in [(completed, Ending::Completed), (unanswered, Ending::TimedOut)] {
        for packet in &late {
            assert_eq!(transfer.poll(now, &mut out), TransferAction::Ended(ending));
            let stats = transfer.stats();
            transfer.handle_packet(now, packet);
            assert_eq!(transfer.stats().datagrams_received, stats.datagrams_received + 1);
        }
        assert_eq!(transfer.poll(now, &mut out), TransferAction::Ended(ending));
        assert!(transfer.sender().is_none() && !transfer.is_asking());
    }
}
