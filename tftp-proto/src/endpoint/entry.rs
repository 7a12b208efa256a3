//! One transfer of an endpoint: the state machine, and what binds it to addresses and storage.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::action::{Job, OpenRequest, SocketId, TransferId, Transmit};
use super::command::ClientRequest;
use super::crowd::Asked;
use super::demux::PeerKey;
use super::event::{Outcome, Report, Role};
use super::inbox::Inbox;
use super::recognise::Known;
use super::timers::Timer;
use super::tombstones::Epitaph;
use crate::transfer::{Body, Sender, Transfer};
use crate::wire::{Direction, ErrorCode, Mode, Options};
use crate::{Instant, Stats};

/// One transfer of an endpoint.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: TransferId,
    pub(super) side: Side,
    pub(super) socket: SocketId,
    pub(super) peer: SocketAddr,
    pub(super) local_ip: Option<IpAddr>,
    pub(super) request: Request,
    pub(super) phase: Phase,
    pub(super) storage: StorageState,
    pub(super) inbox: Option<Inbox>,
    /// In the queue of those with something to do.
    pub(super) queued: bool,
    pub(super) timer: Timer,
    /// When the state machine wants to be woken.
    pub(super) wake: Option<Instant>,
    pub(super) started: Instant,
    /// What was sent last, unless it brought progress.
    pub(super) asked: Option<Asked>,
    /// Who the peer is, if its request showed that.
    pub(super) recognised: Option<Known>,
    /// Bytes that a receiver acknowledged, kept past the end of the state machine.
    pub(super) acknowledged: u64,
    pub(super) commit_time: Option<Duration>,
    /// The outcome that was decided while the last words are still to be sent.
    pub(super) verdict: Option<Outcome>,
    pub(super) epitaph: Option<Epitaph>,
    /// The text of the peer's ERROR.
    pub(super) peer_message: Vec<u8>,
    /// Transfers that want the file this one is writing.
    pub(super) waiters: Vec<TransferId>,
}

/// What was asked for. Two equal requests of one peer are copies of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) direction: Direction,
    pub(super) filename: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) options: Options,
}

impl Request {
    /// The size that a writer announced, in bytes of the file. In netascii it counts others: those on the wire, or those of
    /// a system that ends lines in another way.
    pub(super) fn announced_size(&self) -> Option<u64> {
        self.options.transfer_size.filter(|_| self.direction == Direction::Write && self.mode == Mode::Octet)
    }
}

#[derive(Debug)]
pub(super) enum Side {
    Server {
        group: usize,
    },
    Client {
        request: Box<ClientRequest>,
        /// Which address is being asked.
        attempt: usize,
    },
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Storage is opening the file; nothing was sent.
    Opening,
    Active(Box<Transfer<Bytes>>),
    /// The end was reported; storage still has something of it.
    Closing,
}

/// What storage holds for a transfer, and the one job it may be doing.
#[derive(Debug, Default)]
pub(super) struct StorageState {
    /// A file is open and must be closed, committed or aborted.
    pub(super) open: bool,
    /// The job to issue next.
    pub(super) due: Option<Job>,
    pub(super) running: Option<Running>,
    /// A place among the files being opened is taken.
    pub(super) holds_opening: bool,
    /// A second open was tried because the first met a writer that had just gone.
    pub(super) reopened: bool,
}

/// The job under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    pub(super) kind: JobKind,
    pub(super) since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobKind {
    Open,
    Read { offset: u64, len: usize },
    Write,
    Commit,
    Close,
}

impl JobKind {
    pub(super) const fn of(job: &Job) -> Self {
        match job {
            Job::OpenRead(_) | Job::OpenWrite(_) => Self::Open,
            Job::Read { offset, len, keep: _ } => Self::Read { offset: *offset, len: *len },
            Job::Write { .. } => Self::Write,
            Job::Commit => Self::Commit,
            Job::Abort | Job::Close => Self::Close,
        }
    }
}

impl StorageState {
    pub(super) fn is_committing(&self) -> bool {
        self.running.is_some_and(|running| running.kind == JobKind::Commit)
    }
}

impl Entry {
    pub(super) fn key(&self) -> PeerKey {
        PeerKey::new(self.peer)
    }

    /// Datagrams of this transfer.
    pub(super) fn transmit(&self, len: usize, segment_size: Option<usize>, body: Option<Body>) -> Transmit {
        let &Self { id, socket, peer, local_ip, .. } = self;
        Transmit { socket, peer, local_ip, len, segment_size, transfer: Some(id), body }
    }

    pub(super) const fn role(&self) -> Role {
        match self.side {
            Side::Server { .. } => Role::Server,
            Side::Client { .. } => Role::Client,
        }
    }

    /// Whether storage is to be written: an upload to a server, a download of a client.
    pub(super) const fn writes_storage(&self) -> bool {
        matches!(
            (self.role(), self.request.direction),
            (Role::Server, Direction::Write) | (Role::Client, Direction::Read)
        )
    }

    pub(super) fn transfer(&mut self) -> Option<&mut Transfer<Bytes>> {
        match &mut self.phase {
            Phase::Active(transfer) => Some(transfer),
            Phase::Opening | Phase::Closing => None,
        }
    }

    /// Whether the peer has answered us: its address is no forgery.
    pub(super) fn is_proved(&self) -> bool {
        match &self.phase {
            Phase::Active(transfer) => transfer.is_proved(),
            Phase::Opening | Phase::Closing => false,
        }
    }

    /// Bytes of the file that is being sent.
    pub(super) fn chunk_bytes(&self) -> usize {
        match &self.phase {
            Phase::Active(transfer) => transfer.sender().map_or(0, Sender::bytes_held),
            Phase::Opening | Phase::Closing => 0,
        }
    }

    /// How long the peer has brought nothing new.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        match &self.phase {
            Phase::Active(transfer) => now - transfer.last_progress().unwrap_or(now),
            Phase::Opening | Phase::Closing => Duration::ZERO,
        }
    }

    pub(super) fn open_job(&self) -> Job {
        let request = OpenRequest {
            filename: self.request.filename.clone(),
            mode: self.request.mode,
            peer: self.peer,
            local_ip: self.local_ip,
            size: self.request.announced_size(),
        };
        match self.request.direction {
            Direction::Read => Job::OpenRead(request),
            Direction::Write => Job::OpenWrite(request),
        }
    }

    /// Decides the outcome and lets the state machine say its last words.
    ///
    /// A commit is the point of no return: its result is the outcome, whatever is wished now.
    pub(super) fn fail(&mut self, now: Instant, code: ErrorCode, message: &'static str, outcome: Outcome) {
        if self.storage.is_committing() || self.verdict.is_some() {
            return;
        }
        if let Phase::Active(transfer) = &mut self.phase {
            if transfer.is_proved() {
                self.epitaph = Some(Epitaph::failed(now, code, message));
            }
            //= rfc1350#section-7
            //# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode
            //# 5) is sent.
            transfer.fail(code, message);
            self.verdict = Some(outcome);
        }
    }

    /// Bytes of the file that have come so far, or were acknowledged.
    pub(super) fn transferred(&self) -> u64 {
        self.inbox.as_ref().map_or(self.acknowledged, Inbox::received)
    }

    /// Bytes of the file that were delivered.
    pub(super) fn bytes(&self) -> u64 {
        self.inbox.as_ref().map_or(self.acknowledged, Inbox::bytes)
    }

    pub(super) fn report(&self, now: Instant, outcome: Outcome) -> Report {
        let (parameters, options, stats) = match &self.phase {
            Phase::Active(transfer) => (transfer.parameters().copied(), *transfer.granted(), transfer.stats()),
            Phase::Opening | Phase::Closing => (None, Options::NONE, Stats::default()),
        };
        Report {
            id: self.id,
            role: self.role(),
            direction: self.request.direction,
            peer: self.peer,
            filename: self.request.filename.clone(),
            parameters,
            options,
            // What a client has received it may say, wherever it was going to.
            bytes: match self.side {
                Side::Server { .. } => self.bytes(),
                Side::Client { .. } => self.transferred(),
            },
            duration: now - self.started,
            commit_time: self.commit_time,
            stats,
            outcome,
        }
    }
}
