use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use tftp_proto::Instant;
use tftp_proto::config::Pacing;
use tftp_proto::endpoint::{
    Action, Endpoint, Event, FailureKind, Job, JobResult, Meta, Outcome, Report, StorageFailure, TransferId,
};

use super::script::Script;
use crate::bench::{address, server_config};
use crate::content;
use crate::packet::{ack, data, error, number, oack, opcode, request};
use crate::reference::{Answer, End, Server, Time};

/// A server, and beside it a second statement of what a server may and must send. Three peers, time and storage do what
/// the input says; every datagram, every job and every end must be one that the other expects, and none may be missing.
///
/// # Panics
///
/// If they disagree.
pub fn reference(input: &[u8]) {
    let mut script = Script::new(input);
    let mut play = Play::new();
    for _ in 0..200 {
        if script.is_empty() {
            break;
        }
        play.turn(&mut script);
    }
    play.holds = false;
    play.serve_all();
    for count in 0.. {
        assert!(count < 20_000, "it does not come to rest");
        let Some(deadline) = play.deadline else { break };
        play.pass(deadline);
    }
    assert!(play.model.is_at_rest(), "a transfer is left: {:?}", play.model);
}

const LISTENER: SocketAddr = address([10, 0, 0, 1], 69);
const PEERS: [SocketAddr; 3] =
    [address([10, 0, 0, 2], 1024), address([10, 0, 0, 2], 1025), address([10, 0, 0, 3], 1024)];
/// The largest window granted.
const WINDOW: u16 = 16;
const POOL: u16 = 3;

struct Play {
    endpoint: Endpoint,
    model: Server,
    sockets: Vec<SocketAddr>,
    files: BTreeMap<&'static [u8], Vec<u8>>,
    now: Time,
    deadline: Option<Time>,
    /// Jobs that storage has not answered.
    jobs: VecDeque<(TransferId, Job)>,
    /// Whether storage answers only when told.
    holds: bool,
    /// The files that open transfers read, and what they have written.
    reads: BTreeMap<TransferId, Vec<u8>>,
    writes: BTreeMap<TransferId, Vec<u8>>,
    /// What each peer heard last of DATA and ACK.
    heard: BTreeMap<SocketAddr, u16>,
    out: Vec<u8>,
}

impl Play {
    fn new() -> Self {
        let (mut config, sockets) = server_config(Ipv4Addr::new(10, 0, 0, 1), POOL);
        config.options.max_window = WINDOW;
        config.pacing = Pacing::OFF;
        let files: [(&[u8], Vec<u8>); 4] = [
            (b"a", content::bytes(1, 5000)),
            (b"b", content::text(2, 512)),
            (b"text", content::text(3, 700)),
            (b"empty", Vec::new()),
        ];
        Self {
            model: Server::new(LISTENER, POOL.into(), WINDOW.into(), config.max_upload),
            endpoint: Endpoint::new(config, 1),
            sockets,
            files: files.into_iter().collect(),
            now: 1_000_000,
            deadline: None,
            jobs: VecDeque::new(),
            holds: false,
            reads: BTreeMap::new(),
            writes: BTreeMap::new(),
            heard: BTreeMap::new(),
            out: vec![0; 70_000],
        }
    }

    fn turn(&mut self, script: &mut Script<'_>) {
        let choice = script.byte();
        let peer = PEERS[usize::from(choice >> 4) % PEERS.len()];
        match choice % 16 {
            0 | 1 => {
                let name = script.pick(&[&b"a"[..], b"b", b"text", b"empty", b"new", b"absent", b""]);
                let mode = script.pick(&["octet", "octet", "octet", "netascii", "mail", "odd"]);
                let opcode = 1 + choice % 2;
                self.hear(peer, LISTENER, &request(opcode, name, mode, &options(script)));
            }
            // An ACK of what came last, or of one close to it.
            2 | 3 => {
                let back = script.pick(&[0, 0, 0, 0, 1, 2, 8, 0xffff]);
                self.say(peer, &ack(self.last(peer).wrapping_sub(back)));
            }
            // The next block, or one close to it.
            4 | 5 => {
                let on = script.pick(&[1, 1, 1, 1, 2, 0, 4, 0xffff]);
                let size = self.model.transfer(peer).map_or(512, |(_, block)| block);
                let len = script.pick(&[size, size, size, 0, size / 2, size + 1]);
                let block = self.last(peer).wrapping_add(on);
                self.say(peer, &data(block, &content::bytes(block.into(), len)));
            }
            // A client that does well for a while.
            6 => {
                for _ in 0..script.byte() % 16 {
                    self.say(peer, &ack(self.last(peer)));
                }
            }
            7 => {
                let first = self.last(peer);
                for block in 0..u16::from(script.byte() % 20) {
                    let size = self.model.transfer(peer).map_or(512, |(_, block)| block);
                    let block = first.wrapping_add(1 + block);
                    self.say(peer, &data(block, &content::bytes(block.into(), size)));
                }
            }
            8 => {
                let block = u16::from(script.byte());
                let wrong = self.sockets[usize::from(script.byte()) % self.sockets.len()];
                let packet = if script.flag() { ack(block) } else { data(block, b"wrong") };
                if wrong == LISTENER || !self.model.is_unsure(peer) {
                    self.hear(peer, wrong, &packet);
                }
            }
            9 => match script.byte() {
                0..200 => self.say(peer, &oack(&[("blksize", "8")])),
                code => self.say(peer, &error(code.into(), "bye")),
            },
            10 => {
                let len = usize::from(script.byte());
                let bytes = script.bytes(len);
                if script.flag() { self.hear(peer, LISTENER, bytes) } else { self.say(peer, bytes) }
            }
            11 => {
                let unit = script.pick(&[100, 1_000, 30_000, 200_000]);
                self.pass(self.now + Time::from(script.byte()) * unit);
            }
            12 => self.pass(self.deadline.unwrap_or(self.now)),
            13 => {
                self.holds = script.flag();
                if !self.holds {
                    self.serve_all();
                }
            }
            14 => self.serve(None),
            _ => {
                let failures = [
                    (FailureKind::NotFound, 1),
                    (FailureKind::AccessDenied, 2),
                    (FailureKind::InvalidName, 2),
                    (FailureKind::Full, 3),
                    (FailureKind::OverQuota, 3),
                    (FailureKind::AlreadyExists, 6),
                    (FailureKind::Changed, 0),
                    (FailureKind::Other, 0),
                ];
                let failure = script.pick(&failures);
                self.holds = true;
                self.serve(Some(failure));
            }
        }
    }

    fn last(&self, peer: SocketAddr) -> u16 {
        self.heard.get(&peer).copied().unwrap_or(0)
    }

    /// A peer says something to its transfer.
    fn say(&mut self, peer: SocketAddr, bytes: &[u8]) {
        let to = self.model.transfer(peer).map_or(LISTENER, |(tid, _)| tid);
        self.hear(peer, to, bytes);
    }

    fn hear(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        // Where a second request of a peer will run is not known yet, and so not what it makes the server forget.
        if to == LISTENER && self.model.is_unsure(from) {
            return;
        }
        // A client that is known by the order of its options is treated apart.
        let place = |name: &[u8]| bytes.windows(name.len()).position(|part| part == name);
        if place(b"timeout\0").is_some_and(|timeout| place(b"blksize\0").is_some_and(|block| timeout < block)) {
            return;
        }
        // `receiver` looks at that.
        if self.model.is_early(self.now, from, to, bytes) {
            return;
        }
        let socket = self.sockets.iter().position(|socket| *socket == to).unwrap_or(0);
        self.model.heard(self.now, from, to, bytes);
        let meta = Meta { socket, peer: from, local_ip: Some(to.ip()) };
        self.endpoint.handle_datagram(Instant::from_micros(self.now), &meta, bytes);
        self.settle();
    }

    /// Time passes.
    fn pass(&mut self, until: Time) {
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= until) {
            self.now = deadline.max(self.now);
            self.model.tick(self.now);
            self.endpoint.handle_timeout(Instant::from_micros(self.now));
            self.settle();
        }
        self.now = until.max(self.now);
        self.model.tick(self.now);
        self.settle();
    }

    /// Everything happens that happens now.
    fn settle(&mut self) {
        self.drain();
        while !self.holds && !self.jobs.is_empty() {
            self.answer(None);
            self.drain();
        }
        self.model.settled(self.now);
    }

    /// Storage answers the oldest job, as it should or with a failure.
    fn serve(&mut self, failure: Option<(FailureKind, u16)>) {
        self.answer(failure);
        self.settle();
    }

    fn serve_all(&mut self) {
        while !self.jobs.is_empty() {
            self.serve(None);
        }
    }

    fn answer(&mut self, failure: Option<(FailureKind, u16)>) {
        let Some((id, job)) = self.jobs.pop_front() else { return };
        let failure = failure.filter(|_| !matches!(job, Job::Close | Job::Abort));
        let (result, answer) = match (failure, job) {
            (Some((kind, code)), _) => {
                (JobResult::Failed(StorageFailure::new(kind, "a detail")), Some(Answer::Failed(code)))
            }
            (None, Job::OpenRead(request)) => match self.files.get(request.filename.as_slice()) {
                Some(file) => {
                    self.reads.insert(id, file.clone());
                    let size = Some(file.len() as u64);
                    (JobResult::Opened { size }, Some(Answer::Opened(Some(file.clone()))))
                }
                None => {
                    let failure = StorageFailure::new(FailureKind::NotFound, "absent");
                    (JobResult::Failed(failure), Some(Answer::Failed(1)))
                }
            },
            (None, Job::OpenWrite(_)) => {
                self.writes.insert(id, Vec::new());
                (JobResult::Opened { size: None }, Some(Answer::Opened(None)))
            }
            (None, Job::Read { offset, len, .. }) => {
                let file = self.reads.get(&id).map_or(&[][..], Vec::as_slice);
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(file.len());
                let chunk = file[start..file.len().min(start + len)].to_vec();
                (JobResult::Read(chunk.into()), Some(Answer::Done))
            }
            (None, Job::Write { .. }) => (JobResult::Written, Some(Answer::Done)),
            (None, Job::Commit) => (JobResult::Committed, Some(Answer::Committed)),
            (None, Job::Abort | Job::Close) => (JobResult::Closed, None),
        };
        if let Some(answer) = answer {
            self.model.answered(self.now, id.to_u64(), answer);
        }
        self.endpoint.handle_job(Instant::from_micros(self.now), id, result);
    }

    fn drain(&mut self) {
        for count in 0.. {
            assert!(count < 2_000, "an endpoint that never waits");
            match self.endpoint.poll(Instant::from_micros(self.now), &mut self.out) {
                Action::Transmit(transmit) => {
                    let from = self.sockets[transmit.socket];
                    for datagram in self.out[..transmit.len].chunks(transmit.segment_size.unwrap_or(transmit.len)) {
                        self.model.sent(self.now, from, transmit.peer, datagram);
                        let block = match opcode(datagram) {
                            Some(3 | 4) => number(datagram),
                            Some(6) => Some(0),
                            _ => None,
                        };
                        self.heard.extend(block.map(|block| (transmit.peer, block)));
                    }
                }
                Action::Job(id, job) => {
                    self.note(id, &job);
                    self.jobs.push_back((id, job));
                }
                Action::Event(Event::Finished(report)) => {
                    self.model.finished(self.now, report.id.to_u64(), end(&report));
                }
                Action::Event(_) => {}
                Action::Wait(deadline) => {
                    self.deadline = deadline.map(Instant::as_micros);
                    assert!(self.deadline.is_none_or(|deadline| deadline > self.now), "a deadline in the past");
                    return;
                }
                Action::Finished => unreachable!("nobody shuts it down"),
            }
        }
    }

    /// Tells the model of a job.
    fn note(&mut self, id: TransferId, job: &Job) {
        match job {
            Job::OpenRead(request) => self.model.opens(self.now, id.to_u64(), request.peer, &request.filename, false),
            Job::OpenWrite(request) => self.model.opens(self.now, id.to_u64(), request.peer, &request.filename, true),
            Job::Read { .. } => self.model.asks(self.now, id.to_u64(), None),
            Job::Write { offset, bytes } => {
                let written = self.writes.entry(id).or_default();
                assert_eq!(*offset, written.len() as u64, "writes leave no gap");
                written.extend_from_slice(bytes);
                self.model.asks(self.now, id.to_u64(), None);
            }
            Job::Commit => {
                let written = self.writes.entry(id).or_default();
                self.model.asks(self.now, id.to_u64(), Some(written));
            }
            Job::Close | Job::Abort => {}
        }
    }
}

fn options(script: &mut Script<'_>) -> Vec<(&'static str, &'static str)> {
    let mask = script.byte();
    let values = script.byte();
    let among: [(&str, [&str; 4]); 7] = [
        ("blksize", ["8", "512", "1428", "7"]),
        ("windowsize", ["1", "2", "4", "64"]),
        ("timeout", ["1", "2", "40", "0"]),
        ("tsize", ["0", "700", "18446744073709551615", "x"]),
        ("RollOver", ["0", "1", "2", "0"]),
        ("utimeout", ["20000", "9999", "300000000", "500000"]),
        ("blksize2", ["16", "1024", "1000", "65536"]),
    ];
    let place = |index: usize| usize::from(values >> (index % 4 * 2) & 3);
    let chosen = |(index, (name, values)): (usize, (&'static str, [&'static str; 4]))| {
        (mask >> index & 1 == 1).then(|| (name, values[place(index)]))
    };
    among.into_iter().enumerate().filter_map(chosen).collect()
}

fn end(report: &Report) -> End {
    match &report.outcome {
        Outcome::Completed => End::Completed,
        Outcome::DeliveredUnconfirmed => End::Unconfirmed,
        Outcome::SizeProbe => End::SizeProbe,
        Outcome::PeerError { .. } => End::PeerError,
        Outcome::TimedOut => End::TimedOut,
        Outcome::Refused { code, .. } => End::Refused(code.to_wire()),
        Outcome::StorageFailed { code, .. } => End::StorageFailed(code.to_wire()),
        Outcome::Replaced => End::Replaced,
        other => unreachable!("{other:?}"),
    }
}
