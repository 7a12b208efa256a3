//! What storage is asked, and its answers that nobody could expect: of another kind, to nobody, and of a writer who has
//! just let go.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::endpoint::{
    Action, Admission, Endpoint, EndpointConfig, Event, FailureKind, Job, JobResult, Limits, Meta, Outcome,
    StorageFailure, TransferId,
};
use tftp_proto::wire::Options;
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, address, server_config};
use tftp_sim::packet::{ack, data, error_code, rrq, wrq};
use tftp_sim::store::{Fate, Habits, JobKind};

const NONE: [Vec<u8>; 0] = [];
const NOW: Instant = Instant::from_micros(1_000_000);

/// A server without storage: its jobs wait for an answer by hand. All on one port.
struct Raw {
    endpoint: Endpoint,
    jobs: Vec<(TransferId, Job)>,
    sent: Vec<Vec<u8>>,
    outcomes: Vec<Outcome>,
}

impl Raw {
    fn new() -> Self {
        Self::with(server_config(Ipv4Addr::new(10, 0, 0, 1), 0).0)
    }

    fn with(config: EndpointConfig) -> Self {
        Self { endpoint: Endpoint::new(config, 1), jobs: Vec::new(), sent: Vec::new(), outcomes: Vec::new() }
    }

    fn drain(&mut self) {
        let mut out = vec![0; 70_000];
        loop {
            match self.endpoint.poll(NOW, &mut out) {
                Action::Transmit(transmit) => self.sent.push(out[..transmit.len].to_vec()),
                Action::Job(id, job) => self.jobs.push((id, job)),
                Action::Event(Event::Finished(report)) => self.outcomes.push(report.outcome),
                Action::Event(_) => {}
                Action::Wait(_) | Action::Finished => return,
            }
        }
    }

    fn say(&mut self, peer: std::net::SocketAddr, bytes: &[u8]) {
        let meta = Meta { socket: 0, peer, local_ip: Some(SERVER.ip()) };
        self.endpoint.handle_datagram(NOW, &meta, bytes);
        self.drain();
    }

    /// The one job that waits for an answer.
    fn job(&mut self) -> (TransferId, Job) {
        assert_eq!(self.jobs.len(), 1, "{:?}", self.jobs);
        self.jobs.remove(0)
    }

    fn answer(&mut self, id: TransferId, result: JobResult) {
        self.endpoint.handle_job(NOW, id, result);
        self.drain();
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }
}

fn busy(owner: TransferId) -> JobResult {
    JobResult::Failed(StorageFailure::new(FailureKind::Busy { owner: owner.to_u64() }, "in use"))
}

/// A server in the middle of a job of some kind.
fn in_mid_job(kind: &str) -> (Raw, TransferId) {
    let mut raw = Raw::new();
    let request = if kind == "read" || kind == "open" { rrq("f", "octet", &[]) } else { wrq("f", "octet", &[]) };
    raw.say(PEER, &request);
    let (id, job) = raw.job();
    assert!(matches!(job, Job::OpenRead(_) | Job::OpenWrite(_)));
    if kind == "open" {
        return (raw, id);
    }
    raw.answer(id, JobResult::Opened { size: None });
    if kind != "read" {
        raw.say(PEER, &data(1, b"x"));
    }
    let mut job = raw.job().1;
    if kind == "commit" {
        assert!(matches!(job, Job::Write { .. }), "{job:?}");
        raw.answer(id, JobResult::Written);
        job = raw.job().1;
    }
    assert!(format!("{job:?}").to_lowercase().starts_with(kind), "{job:?}");
    raw.sent();
    (raw, id)
}

#[test]
fn an_answer_of_another_kind_fails_the_transfer() {
    let answers = || {
        [
            JobResult::Opened { size: None },
            JobResult::Read(b"bytes".to_vec().into()),
            JobResult::Written,
            JobResult::Committed,
            JobResult::Closed,
        ]
    };
    for (kind, fits) in [("open", 0), ("read", 1), ("write", 2), ("commit", 3)] {
        for (number, wrong) in answers().into_iter().enumerate().filter(|(number, _)| *number != fits) {
            let (mut raw, id) = in_mid_job(kind);
            raw.answer(id, wrong);
            assert_eq!(
                raw.sent().iter().map(|sent| error_code(sent)).collect::<Vec<_>>(),
                [Some(0)],
                "{kind} {number}"
            );
            assert!(matches!(raw.outcomes[..], [Outcome::StorageFailed { .. }]), "{kind} {number}: {:?}", raw.outcomes);
            match kind {
                "open" => assert!(raw.jobs.is_empty(), "nothing was opened: {:?}", raw.jobs),
                "read" => assert!(matches!(raw.jobs[..], [(_, Job::Close)]), "{number}: {:?}", raw.jobs),
                _ => assert!(matches!(raw.jobs[..], [(_, Job::Abort)]), "{kind} {number}: {:?}", raw.jobs),
            }
            // The end that follows has any answer.
            if let Some((id, _)) = raw.jobs.pop() {
                raw.answer(id, JobResult::Written);
            }
            assert!(raw.jobs.is_empty());
            assert_eq!(raw.endpoint.active_transfers(), 0);
        }
    }
}

#[test]
fn an_answer_to_nobody_changes_nothing() {
    let (mut raw, id) = in_mid_job("read");
    raw.answer(id, JobResult::Read(vec![1; 4096].into()));
    assert_eq!(raw.sent().len(), 1, "DATA 1");
    raw.jobs.clear();
    // Nothing was asked for but, at most, to read on; and nobody of that name is there any more.
    let mut past = id.to_u64();
    past ^= 1 << 40;
    raw.answer(TransferId::from_u64(past), JobResult::Failed(StorageFailure::new(FailureKind::Other, "")));
    assert!(raw.sent().is_empty() && raw.outcomes.is_empty());
}

#[test]
fn a_writer_who_has_let_go_meanwhile_is_asked_for_once_more_and_no_oftener() {
    for freed in [true, false] {
        let mut raw = Raw::new();
        raw.say(PEER, &wrq("f", "octet", &[]));
        let (first, _) = raw.job();
        raw.answer(first, JobResult::Opened { size: None });
        raw.say(PEER, &data(1, b"x"));
        let id = raw.job().0;
        raw.answer(id, JobResult::Written);
        raw.say(OTHER, &wrq("f", "octet", &[]));
        let commit = raw.jobs.remove(0);
        assert!(matches!(commit.1, Job::Commit));
        let (second, _) = raw.job();
        // The commit ends before storage's answer to the newcomer is here.
        raw.answer(first, JobResult::Committed);
        raw.sent();
        raw.answer(second, busy(first));
        let (again, job) = raw.job();
        assert!(again == second && matches!(job, Job::OpenWrite(_)), "{job:?}");
        assert!(raw.sent().is_empty());
        if freed {
            raw.answer(second, JobResult::Opened { size: None });
            assert_eq!(raw.sent(), [ack(0)]);
        } else {
            raw.answer(second, busy(first));
            assert_eq!(raw.sent().iter().map(|sent| error_code(sent)).collect::<Vec<_>>(), [Some(2)]);
            assert!(raw.jobs.is_empty());
        }
    }
}

/// Storage that says so makes no sense; it must not wait for itself.
#[test]
fn nobody_waits_for_itself() {
    let mut raw = Raw::new();
    raw.say(PEER, &wrq("f", "octet", &[]));
    let (id, _) = raw.job();
    raw.answer(id, busy(id));
    assert_eq!(raw.sent().iter().map(|sent| error_code(sent)).collect::<Vec<_>>(), [Some(2)]);
    assert!(matches!(raw.outcomes[..], [Outcome::StorageFailed { .. }]));
}

/// What storage hears of the size that a request announces, and whether one that announces a byte more is opened.
fn announced(requests: [Vec<u8>; 2]) -> (Option<u64>, bool) {
    let [one, more] = requests;
    let (mut config, _) = server_config(Ipv4Addr::new(10, 0, 0, 1), 0);
    config.max_upload = 1000;
    let mut raw = Raw::with(config);
    raw.say(PEER, &one);
    let (Job::OpenRead(request) | Job::OpenWrite(request)) = raw.job().1 else { unreachable!("it opens") };
    raw.say(OTHER, &more);
    (request.size, !raw.jobs.is_empty())
}

#[test]
fn an_upload_that_announces_its_size_says_so_to_storage() {
    let sizes = ["1000", "1001"];
    let uploads = |mode| sizes.map(|size| wrq("f", mode, &[("tsize", size)]));
    assert_eq!(announced(uploads("octet")), (Some(1000), false), "more is not even opened");
    assert_eq!(announced(uploads("netascii")), (None, true), "that counts other bytes than those of the file");
    let downloads = sizes.map(|size| rrq("f", "octet", &[("tsize", size)]));
    assert_eq!(announced(downloads), (None, true));
}

#[test]
fn small_blocks_are_gathered_into_writes_of_32_kib() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    for block in 1..=130 {
        bench.say(PEER, tid, data(block, &[7; 512]));
    }
    bench.say(PEER, tid, data(131, b"end"));
    let writes =
        bench.store().log().iter().filter(|asked| asked.kind == JobKind::Write).filter_map(|asked| asked.range);
    assert_eq!(writes.collect::<Vec<_>>(), [(0, 32 << 10), (32 << 10, 32 << 10), (64 << 10, 1027)]);
    bench.rest();
}

/// What is at hand anyway costs nothing: only with more than that the server has to wait.
#[test]
fn a_client_acknowledges_a_window_while_storage_writes_it() {
    let mut bench = Bench::client();
    bench.store().script(JobKind::Write, 0, Fate::After(Duration::from_secs(1)));
    bench.get("f", Options::NONE);
    assert_eq!(bench.say(TID, US, data(1, &[1; 512])), [ack(1)], "at once");
    assert_eq!(bench.say(TID, US, data(2, &[2; 512])), NONE, "no more until storage has room");
    let later = bench.wait(TID, Duration::from_secs(1));
    assert_eq!(later, [(Duration::from_secs(1), ack(2))]);
    assert_eq!(bench.say(TID, US, data(3, b"end")), [ack(3)]);
    bench.rest();
}

/// Its open hangs, and others come: what has ended and cannot be let go does not pile up without a bound.
#[test]
fn storage_that_hangs_holds_twice_as_many_transfers_as_may_run_and_no_more() {
    let mut bench = Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { transfers: 2, ..Limits::default() }));
    });
    bench.store().set_habits(Habits { silences: 1000, ..Habits::default() });
    for port in 2000..2020 {
        assert_eq!(bench.say(address([10, 0, 0, 2], port), SERVER, rrq("f", "octet", &[])), NONE);
    }
    assert_eq!(bench.store().count(JobKind::OpenRead), 4);
    assert_eq!(bench.active(), 2);
}

/// A client that was told a size would take a part for the whole.
#[test]
fn a_file_that_is_not_as_long_as_it_was_said_to_be_fails_the_download() {
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::StorageFailed { kind: FailureKind::Changed, .. });
    for mode in ["octet", "netascii"] {
        for (said, is) in [(300_000, 1000), (1000, 0), (512, 511), (512, 513), (0, 1), (4096, 4097), (8192, 8191)] {
            let mut bench = Bench::server();
            bench.store().insert("f", vec![b'x'; is]);
            bench.store().claimed_size = Some(said);
            let (tid, mut answer) = bench.request(PEER, rrq("f", mode, &[]));
            for block in 1..20 {
                if error_code(&answer).is_some() {
                    break;
                }
                answer = bench.say(PEER, tid, ack(block)).pop().unwrap_or_default();
            }
            assert_eq!(error_code(&answer), Some(0), "{is} bytes for {said}");
            let outcome = &bench.outcomes()[0];
            assert!(failed(outcome), "{is} bytes for {said}: {outcome:?}");
            bench.rest();
        }
    }
    // A file that fits, and one whose size is not known.
    for known in [true, false] {
        let mut bench = Bench::server();
        bench.store().insert("f", vec![b'x'; 512]);
        bench.store().sizes_known = known;
        let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
        bench.say(PEER, tid, ack(1));
        bench.say(PEER, tid, ack(2));
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
    }
}
