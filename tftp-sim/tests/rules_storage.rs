//! Storage: its ends, its failures, its pace, committing, and the writer's claim.
//!
//! That every successful open is followed by exactly one end is checked behind every test of this crate.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::endpoint::{Disposition, FailureKind, Ignored, Outcome, Shutdown};
use tftp_proto::wire::{ErrorCode, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, POOL, SERVER, TID, US, address};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error, error_code, oack, opcode, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];
const SECOND: Duration = Duration::from_secs(1);

const KINDS: [(FailureKind, u16); 8] = [
    (FailureKind::NotFound, 1),
    (FailureKind::AccessDenied, 2),
    (FailureKind::InvalidName, 2),
    (FailureKind::Full, 3),
    (FailureKind::OverQuota, 3),
    (FailureKind::AlreadyExists, 6),
    (FailureKind::Changed, 0),
    (FailureKind::Other, 0),
];

fn server() -> Bench {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 100_000));
    bench
}

fn failed(kind: FailureKind, code: u16) -> Outcome {
    Outcome::StorageFailed { kind, code: ErrorCode::from_wire(code), detail: "/secret/path of the store".into() }
}

//= rfc1350#section-7
//= type=test
//# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode 5) is sent.
#[test]
fn each_failure_of_an_open_has_its_error_code() {
    for (kind, code) in KINDS {
        for (job, packet) in
            [(JobKind::OpenRead, rrq("f", "octet", &[])), (JobKind::OpenWrite, wrq("up", "octet", &[]))]
        {
            let mut bench = server();
            bench.store().script(job, 0, Fate::Fails(Duration::ZERO, kind));
            let (_, answer) = bench.request(PEER, packet);
            assert_eq!(error_code(&answer), Some(code), "{kind:?}");
            assert_eq!(bench.outcomes(), [failed(kind, code)]);
            bench.rest();
            assert_eq!(bench.store().log().len(), 1, "nothing was open, nothing is closed");
        }
    }
}

#[test]
fn a_server_that_cannot_open_more_files_drops_the_request_in_silence() {
    for (job, packet) in [(JobKind::OpenRead, rrq("f", "octet", &[])), (JobKind::OpenWrite, wrq("up", "octet", &[]))] {
        let mut bench = server();
        bench.store().script(job, 0, Fate::Fails(Duration::ZERO, FailureKind::Exhausted));
        assert_eq!(bench.say(PEER, SERVER, packet.clone()), NONE, "the client will ask again");
        let exhausted =
            |outcome: &Outcome| matches!(outcome, Outcome::StorageFailed { kind: FailureKind::Exhausted, .. });
        assert!(matches!(&bench.outcomes()[..], [one] if exhausted(one)), "{:?}", bench.outcomes());
        assert_eq!(bench.active(), 0);
        bench.world.run_for(SECOND);
        bench.request(PEER, packet);
        bench.rest();
        assert_eq!(bench.reports().len(), 2);
    }
    // In mid-transfer it is an error as any other.
    let mut bench = server();
    bench.store().script(JobKind::Read, 0, Fate::Fails(Duration::ZERO, FailureKind::Exhausted));
    bench.say(PEER, SERVER, rrq("f", "octet", &[]));
    assert_eq!(bench.outcomes(), [failed(FailureKind::Exhausted, 0)]);
    bench.rest();
}

//= rfc1350#section-7
//= type=test
//# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode 5) is sent.
#[test]
fn a_read_that_fails_ends_the_transfer_with_an_error() {
    for (kind, code) in KINDS {
        let mut bench = server();
        bench.store().script(JobKind::Read, 1, Fate::Fails(Duration::ZERO, kind));
        bench.world.send(PEER, SERVER, rrq("f", "octet", &[("blksize", "8192")]));
        bench.world.settle();
        let mut arrivals = bench.world.take(PEER);
        let tid = arrivals[0].from;
        // It may read ahead, and then the error comes early.
        for block in 0..20 {
            if error_code(&arrivals.last().unwrap().bytes).is_some() {
                break;
            }
            bench.world.send(PEER, tid, ack(block));
            bench.world.settle();
            arrivals = bench.world.take(PEER);
        }
        assert_eq!(error_code(&arrivals.last().unwrap().bytes), Some(code), "{kind:?}");
        assert_eq!(bench.outcomes(), [failed(kind, code)]);
        bench.rest();
        assert_eq!(bench.store().count(JobKind::Close), 1);
    }
}

//= rfc1350#section-7
//= type=test
//# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode 5) is sent.
#[test]
fn a_write_that_fails_ends_the_transfer_with_an_error_and_no_file() {
    for (kind, code) in KINDS {
        let mut bench = server();
        bench.store().script(JobKind::Write, 0, Fate::Fails(Duration::ZERO, kind));
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[("blksize", "65464")]));
        let mut answer = Vec::new();
        for block in 1..100 {
            answer = bench.say(PEER, tid, data(block, &[1; 65_464])).pop().unwrap();
            if error_code(&answer).is_some() {
                break;
            }
        }
        assert_eq!(error_code(&answer), Some(code), "{kind:?}");
        assert_eq!(bench.outcomes(), [failed(kind, code)]);
        bench.rest();
        assert_eq!(bench.store().file("up"), None);
        assert_eq!((bench.store().count(JobKind::Abort), bench.store().count(JobKind::Commit)), (1, 0));
    }
}

#[test]
fn the_final_ack_leaves_only_when_the_commit_has_succeeded() {
    let mut bench = server();
    bench.store().script(JobKind::Commit, 0, Fate::After(SECOND * 10));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    assert_eq!(bench.say(PEER, tid, data(1, b"x")), NONE);
    assert_eq!(bench.outcomes(), []);
    let heard = bench.wait(PEER, SECOND * 11);
    assert_eq!(heard, [(SECOND * 10, ack(1))]);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert!(bench.reports()[0].commit_time.unwrap() >= SECOND * 10, "its time is reported");
    bench.rest();
}

#[test]
fn while_committing_repeats_are_absorbed_and_no_timer_gives_up() {
    let mut bench = server();
    bench.store().script(JobKind::Commit, 0, Fate::After(SECOND * 50));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"x"));
    for _ in 0..48 {
        bench.world.run_for(SECOND);
        assert_eq!(bench.say(PEER, tid, data(1, b"x")), NONE);
    }
    let heard = bench.wait(PEER, SECOND * 3);
    assert_eq!(heard.len(), 1);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.rest();
}

#[test]
fn a_repeated_request_while_committing_is_absorbed() {
    let mut bench = server();
    bench.store().script(JobKind::Commit, 0, Fate::After(SECOND * 5));
    let request = wrq("up", "octet", &[]);
    let (tid, _) = bench.request(PEER, request.clone());
    bench.say(PEER, tid, data(1, b"x"));
    assert_eq!(bench.say(PEER, SERVER, request), NONE, "a copy from the network");
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert_eq!(bench.store().file("up"), Some(&b"x"[..]));
}

//= rfc1350#section-2
//= type=test
//# This packet is not acknowledged, and not retransmitted
#[test]
fn after_a_failed_commit_repeats_are_answered_with_the_same_error() {
    for (kind, code) in KINDS {
        let mut bench = server();
        bench.store().script(JobKind::Commit, 0, Fate::Fails(Duration::ZERO, kind));
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        let answers = bench.say(PEER, tid, data(1, b"x"));
        assert_eq!(answers.len(), 1);
        assert_eq!(error_code(&answers[0]), Some(code), "{kind:?}");
        for _ in 0..2 {
            bench.world.run_for(SECOND);
            assert_eq!(bench.say(PEER, tid, data(1, b"x")), answers);
        }
        assert_eq!(bench.outcomes(), [failed(kind, code)]);
        bench.rest();
        assert_eq!(bench.store().file("up"), None);
        assert_eq!(bench.store().count(JobKind::Abort), 0, "commit was the end, whatever came of it");
    }
}

#[test]
fn nothing_cancels_a_commit() {
    for way in 0..4 {
        let mut bench = server();
        bench.store().script(JobKind::Commit, 0, Fate::After(SECOND));
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        bench.say(PEER, tid, data(1, b"x"));
        let id = bench.store().log()[0].id;
        match way {
            0 => bench.world.cancel(0, id),
            1 => bench.world.shutdown(0, Shutdown::Immediate),
            2 => assert_eq!(bench.say(PEER, tid, error(0, "changed my mind")), NONE),
            _ => {
                // Another request of the same peer.
                assert_eq!(bench.say(PEER, SERVER, rrq("f", "octet", &[])).len(), 1);
            }
        }
        bench.rest();
        assert_eq!(bench.store().file("up"), Some(&b"x"[..]), "way {way}");
        assert_eq!(bench.store().count(JobKind::Abort), 0, "way {way}");
        let outcome = bench.reports().iter().find(|report| report.id == id).map(|report| report.outcome.clone());
        assert_eq!(outcome, Some(Outcome::Completed), "way {way}: its result is the outcome");
    }
}

#[test]
fn uploads_that_are_being_committed_keep_their_ports_to_themselves() {
    let mut bench = server();
    bench.store().script(JobKind::Commit, 0, Fate::Fails(SECOND * 30, FailureKind::Full));
    let (first, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, first, data(1, b"x"));
    // More requests than there are ports: each replaces the one before, and none is served from where the commit goes on.
    bench.store().insert("g", content::bytes(2, 100_000));
    let other_than_before = |turn: u16| rrq(if turn.is_multiple_of(2) { "f" } else { "g" }, "octet", &[]);
    for turn in 0..2 * POOL {
        let (tid, answer) = bench.request(PEER, other_than_before(turn));
        assert_eq!(opcode(&answer), Some(3));
        assert_ne!(tid, first);
    }
    assert_eq!(bench.outcomes().len(), usize::from(2 * POOL) - 1, "all but the last were replaced");
    bench.wait(PEER, SECOND * 120);
    // What has ended, and is forgotten, leaves its port.
    let tids: Vec<_> = (0..2 * POOL).map(|turn| bench.request(PEER, other_than_before(turn)).0).collect();
    assert!(tids.contains(&first), "{first} is not among {tids:?}");
}

#[test]
fn a_peer_whose_commits_hold_all_ports_is_served_when_one_is_over() {
    for single_port in [false, true] {
        let mut bench = if single_port { Bench::single_port_server() } else { server() };
        bench.store().insert("f", content::bytes(1, 100));
        let ports = if single_port { 1 } else { POOL };
        for place in 0..ports {
            bench.store().script(JobKind::Commit, 0, Fate::After(SECOND * (10 + u32::from(place))));
            let (tid, _) = bench.request(PEER, wrq(&format!("up{place}"), "octet", &[]));
            bench.say(PEER, tid, data(1, b"x"));
        }
        let request = rrq("f", "octet", &[]);
        assert_eq!(bench.deliver(PEER, SERVER, request.clone()), Some(Disposition::Ignored(Ignored::Committing)));
        // Another port of the same host is another peer.
        let other = address([10, 0, 0, 2], 1025);
        let (tid, _) = bench.request(other, request.clone());
        bench.say(other, tid, ack(1));
        let last = bench.wait(PEER, SECOND * 11);
        assert_eq!(last.first().map(|(_, answer)| answer.clone()), Some(ack(1)), "the first upload is safe");
        let (_, answer) = bench.request(PEER, request);
        assert_eq!(answer, data(1, &content::bytes(1, 100)));
        bench.rest();
        let completed = bench.outcomes().iter().filter(|outcome| **outcome == Outcome::Completed).count();
        assert_eq!(completed, usize::from(ports) + 1, "all uploads, and what {other} read");
    }
}

#[test]
fn an_open_that_succeeds_too_late_is_ended_all_the_same() {
    for (packet, job, end) in [
        (rrq("f", "octet", &[]), JobKind::OpenRead, JobKind::Close),
        (wrq("up", "octet", &[]), JobKind::OpenWrite, JobKind::Abort),
    ] {
        let mut bench = server();
        bench.store().script(job, 0, Fate::After(SECOND * 70));
        assert_eq!(bench.say(PEER, SERVER, packet.clone()), NONE);
        bench.rest();
        assert_eq!(bench.store().count(end), 1);
        assert!(matches!(bench.outcomes()[..], [Outcome::StorageFailed { .. }]), "{:?}", bench.outcomes());
        // Gone for another reason.
        let mut bench = server();
        bench.store().script(job, 0, Fate::After(SECOND));
        bench.say(PEER, SERVER, packet);
        bench.world.shutdown(0, Shutdown::Immediate);
        bench.rest();
        assert_eq!(bench.store().count(end), 1);
        assert_eq!(bench.outcomes(), [Outcome::ShutDown]);
    }
}

#[test]
fn storage_that_never_answers_fails_the_transfer() {
    for job in [JobKind::OpenRead, JobKind::Read] {
        let mut bench = server();
        bench.store().script(job, 0, Fate::Never);
        bench.say(PEER, SERVER, rrq("f", "octet", &[]));
        bench.rest();
        assert!(matches!(bench.outcomes()[..], [Outcome::StorageFailed { .. }]), "{job:?} {:?}", bench.outcomes());
    }
    // A commit may take its time: nothing but its result decides.
    for job in [JobKind::OpenWrite, JobKind::Write] {
        let mut bench = server();
        bench.store().script(job, 0, Fate::Never);
        bench.world.send(PEER, SERVER, wrq("up", "octet", &[]));
        bench.world.settle();
        if let Some(answer) = bench.world.take(PEER).first() {
            bench.say(PEER, answer.from, data(1, b"x"));
        }
        bench.rest();
        assert!(matches!(bench.outcomes()[..], [Outcome::StorageFailed { .. }]), "{job:?} {:?}", bench.outcomes());
        assert_eq!(bench.store().file("up"), None);
    }
}

#[test]
fn acks_come_only_as_storage_keeps_up() {
    let mut bench = Bench::server_with(|config| config.buffer_budget = 0);
    bench.store().script(JobKind::Write, 0, Fate::After(SECOND * 20));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    let mut block = 1;
    while bench.say(PEER, tid, data(block, &[7; 512])) == [ack(block)] {
        block += 1;
        assert!(block < 100, "without a budget a transfer holds about two blocks");
    }
    // The peer repeats, in vain; then storage has room.
    let heard = bench.wait(PEER, SECOND * 21);
    assert!(heard.iter().any(|(at, bytes)| *at >= SECOND * 19 && *bytes == ack(block)), "{heard:?}");
    assert_eq!(bench.say(PEER, tid, data(block + 1, b"end")), [ack(block + 1)]);
    bench.rest();
    assert_eq!(bench.store().file("up").map(<[u8]>::len), Some(usize::from(block) * 512 + 3));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
}

#[test]
fn what_is_received_while_storage_is_busy_is_a_share_of_the_budget() {
    // Alone, and among others that came when a quarter of it was there.
    for (others, least, most) in [(0, 120 << 10, 136 << 10), (31, 32 << 10, 36 << 10)] {
        let mut bench = Bench::server_with(|config| config.buffer_budget = 256 << 10);
        bench.store().script(JobKind::Write, 0, Fate::After(SECOND * 20));
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        let mut block = 1;
        while bench.say(PEER, tid, data(block, &[7; 512])) == [ack(block)] {
            if block == 64 {
                for other in 0..others {
                    bench.request(address([10, 9, 0, 1], 2000 + other), wrq(&format!("up-{other}"), "octet", &[]));
                }
            }
            block += 1;
            assert!(block < 1000);
        }
        let held = usize::from(block) * 512;
        assert!((least..most).contains(&held), "{held} bytes beside {others} others");
    }
}

#[test]
fn a_peer_that_waits_for_no_ack_fills_no_memory_either() {
    let mut bench = Bench::server();
    bench.store().script(JobKind::Write, 0, Fate::After(SECOND * 20));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[("windowsize", "8")]));
    for block in 1..5000 {
        bench.world.send(PEER, tid, data(block, &[7; 512]));
    }
    let heard = bench.wait(PEER, SECOND * 21);
    let (_, last) = heard.last().unwrap();
    let held = usize::from(u16::from_be_bytes([last[2], last[3]])) * 512;
    assert!((100 << 10..150 << 10).contains(&held), "{held} bytes");
}

#[test]
fn a_slow_write_is_not_the_peers_silence() {
    let mut bench = Bench::server_with(|config| config.buffer_budget = 0);
    bench.store().script(JobKind::Write, 0, Fate::After(SECOND * 45));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    let mut block = 1;
    while bench.say(PEER, tid, data(block, &[7; 512])) == [ack(block)] {
        block += 1;
    }
    let heard = bench.wait(PEER, SECOND * 46);
    assert!(heard.iter().any(|(_, bytes)| *bytes == ack(block)), "{heard:?}");
    assert_eq!(bench.outcomes(), [], "not given up in the meantime");
    assert_eq!(bench.say(PEER, tid, data(block + 1, b"end")), [ack(block + 1)]);
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
}

#[test]
fn a_slow_read_is_not_the_peers_silence() {
    let mut bench = server();
    bench.store().script(JobKind::Read, 0, Fate::After(SECOND * 45));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("blksize", "1024")]));
    assert_eq!(bench.say(PEER, tid, ack(0)), NONE);
    let heard = bench.wait(PEER, SECOND * 46);
    assert!(heard.iter().any(|(_, bytes)| opcode(bytes) == Some(3)), "{heard:?}");
    assert_eq!(bench.outcomes(), []);
}

fn written_by_another() -> Vec<u8> {
    error(2, "file is being written by another client")
}

#[test]
fn a_second_writer_gets_an_error_and_the_first_goes_on() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, &[1; 512]));
    for second in [OTHER, address([10, 0, 0, 2], 1025)] {
        let (_, answer) = bench.request(second, wrq("up", "octet", &[]));
        assert_eq!(answer, written_by_another(), "{second}");
    }
    assert_eq!(bench.say(PEER, tid, data(2, b"x")), [ack(2)]);
    assert_eq!(bench.store().file("up").map(<[u8]>::len), Some(513));
    bench.rest();
    assert_eq!(bench.outcomes().len(), 3);
}

#[test]
fn an_unproved_writer_yields_to_a_newcomer() {
    let mut bench = server();
    bench.request(PEER, wrq("up", "octet", &[]));
    let (tid, answer) = bench.request(OTHER, wrq("up", "octet", &[]));
    assert_eq!(answer, ack(0), "whoever forged the first request does not hold the file");
    assert_eq!(bench.heard(PEER), [written_by_another()], "as if it had come second");
    assert_eq!(bench.say(OTHER, tid, data(1, b"x")), [ack(1)]);
    bench.rest();
    assert_eq!(bench.store().file("up"), Some(&b"x"[..]));
    assert_eq!(bench.outcomes(), [Outcome::Yielded, Outcome::Completed]);
}

#[test]
fn a_newcomer_does_not_wait_for_ever_for_a_writer_whose_storage_hangs() {
    let mut bench = server();
    bench.request(PEER, wrq("up", "octet", &[]));
    bench.store().script(JobKind::Abort, 0, Fate::Never);
    assert_eq!(bench.say(OTHER, SERVER, wrq("up", "octet", &[])), NONE);
    bench.rest();
    assert_eq!(bench.outcomes()[0], Outcome::Yielded);
    assert!(matches!(bench.outcomes()[1..], [Outcome::StorageFailed { .. }]), "{:?}", bench.outcomes());
}

#[test]
fn a_silent_writer_yields_to_a_newcomer_of_the_same_host_after_3_seconds() {
    let again = address([10, 0, 0, 2], 1025);
    for (silence, newcomer, yields) in [
        (Duration::from_secs(3), again, true),
        (Duration::from_millis(2999), again, false),
        (Duration::from_secs(10), OTHER, false),
    ] {
        let mut bench = server();
        let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
        bench.say(PEER, tid, data(1, &[1; 512]));
        bench.world.run_for(silence);
        bench.heard(PEER);
        let (_, answer) = bench.request(newcomer, wrq("up", "octet", &[]));
        if yields {
            assert_eq!(answer, ack(0), "a switch that was rebooted");
            assert_eq!(bench.heard(PEER), [written_by_another()]);
            assert_eq!(bench.outcomes(), [Outcome::Yielded]);
        } else {
            assert_eq!(answer, written_by_another(), "{silence:?} {newcomer}");
        }
        bench.rest();
        assert_eq!(bench.store().file("up"), None);
    }
}

#[test]
fn a_committing_writer_does_not_yield() {
    let mut bench = server();
    bench.store().script(JobKind::Commit, 0, Fate::After(SECOND * 10));
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"first"));
    bench.world.run_for(SECOND * 5);
    let (_, answer) = bench.request(address([10, 0, 0, 2], 1025), wrq("up", "octet", &[]));
    assert!(error_code(&answer).is_some());
    bench.rest();
    assert_eq!(bench.store().file("up"), Some(&b"first"[..]));
}

#[test]
fn a_reader_keeps_the_version_it_opened() {
    let mut bench = server();
    bench.store().overwrite = true;
    let (tid, first) = bench.request(PEER, rrq("f", "octet", &[("blksize", "50000")]));
    assert_eq!(first, oack(&[("blksize", "50000")]));
    let (up, _) = bench.request(OTHER, wrq("f", "octet", &[]));
    assert_eq!(bench.say(OTHER, up, data(1, b"new")), [ack(1)]);
    let old = content::bytes(1, 100_000);
    assert_eq!(bench.say(PEER, tid, ack(0)), [data(1, &old[..50_000])]);
    assert_eq!(bench.say(PEER, tid, ack(1)), [data(2, &old[50_000..])]);
    assert_eq!(bench.say(PEER, tid, ack(2)), [data(3, &[])]);
    assert_eq!(bench.store().file("f"), Some(&b"new"[..]));
}

#[test]
fn a_client_whose_sink_fails_tells_the_server() {
    let mut bench = Bench::client();
    bench.store().script(JobKind::Write, 0, Fate::Fails(Duration::ZERO, FailureKind::Full));
    bench.get("f", Options::NONE);
    let mut answers = bench.say(TID, US, data(1, &[1; 512]));
    if error_code(answers.last().unwrap()).is_none() {
        answers = bench.say(TID, US, data(2, b"end"));
    }
    assert_eq!(error_code(answers.last().unwrap()), Some(3));
    assert_eq!(bench.outcomes(), [failed(FailureKind::Full, 3)]);
    bench.rest();
    assert_eq!(bench.store().count(JobKind::Abort), 1);

    let mut bench = Bench::client();
    bench.store().script(JobKind::Commit, 0, Fate::Fails(Duration::ZERO, FailureKind::Full));
    bench.get("f", Options::NONE);
    assert_eq!(error_code(&bench.say(TID, US, data(1, b"end"))[0]), Some(3));
    assert_eq!(bench.outcomes(), [failed(FailureKind::Full, 3)]);
    bench.rest();
}

#[test]
fn a_client_whose_source_fails_tells_the_server() {
    let mut bench = Bench::client();
    bench.store().script(JobKind::Read, 0, Fate::Fails(Duration::ZERO, FailureKind::Other));
    bench.put("f", Options::NONE, content::bytes(1, 5000));
    bench.heard(SERVER);
    let answers = bench.say(TID, US, ack(0));
    assert_eq!(error_code(answers.last().unwrap()), Some(0));
    assert_eq!(bench.outcomes(), [failed(FailureKind::Other, 0)]);
    bench.rest();
    assert_eq!(bench.store().count(JobKind::Close), 1);
}

#[test]
fn every_transfer_ends_what_it_opened_exactly_once() {
    // A client's own transfers are open from the start; each way to end them ends them.
    for way in 0..4 {
        for put in [false, true] {
            let mut bench = Bench::client();
            let id = match put {
                true => bench.put("f", Options::NONE, content::bytes(1, 2000)),
                false => bench.get("f", Options::NONE),
            };
            match way {
                0 => bench.world.cancel(0, id),
                1 => bench.world.shutdown(0, Shutdown::Immediate),
                2 => drop(bench.say(TID, US, error(1, "no such file"))),
                _ => {} // Nobody answers.
            }
            bench.rest();
            let ends = bench.store().count(JobKind::Abort) + bench.store().count(JobKind::Close);
            assert_eq!((ends, bench.store().count(JobKind::Commit)), (1, 0), "way {way} put {put}");
            assert_eq!(bench.reports().len(), 1);
        }
    }
}
