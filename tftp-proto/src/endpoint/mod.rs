//! Many transfers at once, in both roles: demultiplexing, admission, negotiation, timers, storage jobs, statistics.
//!
//! The owner has sockets, a clock and storage. It hands in what happens ([`Endpoint::handle_datagram`],
//! [`Endpoint::handle_job`], [`Endpoint::handle_timeout`]) and after each of these calls [`Endpoint::poll`] until it
//! answers [`Action::Wait`]. It may stop in between and hand in more first; nothing is lost.

mod action;
mod admission;
mod arrivals;
mod client;
mod command;
mod config;
mod crowd;
mod demux;
mod display;
mod disposition;
mod ending;
mod entry;
mod event;
mod inbox;
mod jobs;
mod paths;
mod recognise;
mod requests;
mod saturation;
mod step;
#[cfg(test)]
mod tests;
mod timers;
mod tombstones;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use slab::Slab;

pub use action::{
    Action, FailureKind, Job, JobResult, Meta, OpenRequest, SocketId, StorageFailure, TransferId, Transmit,
};
pub use admission::{Admission, Limits};
pub use command::{ClientRequest, Shutdown, StartError, Started};
pub use config::{EndpointConfig, SocketRole};
pub use disposition::{Disposition, Ignored};
pub use event::{Event, Outcome, RefusedReason, Report, Role};

use crate::wire::{Packet, Repr};
use crate::{Instant, Rng};
use arrivals::Arrivals;
use crowd::Crowd;
use demux::{Pools, Servers};
use entry::{Entry, Phase};
use paths::Paths;
use saturation::Saturation;
use timers::{Timers, earlier};
use tombstones::{Answer, Tombstones};

/// Answers that need no transfer and wait to be sent. More can only pile up while nothing can be sent.
const MAX_REPLIES: usize = 1024;
/// ERROR 5 leaves at most this often.
const WRONG_TID_INTERVAL: Duration = Duration::from_secs(1);

/// Many transfers at once: the whole protocol of a server, of clients, or of both.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    pools: Pools,
    rng: Rng,
    table: Slab<Entry>,
    /// How many of them have ended, and only wait for storage to let go.
    closing: usize,
    servers: Servers,
    /// The transfer that a client socket is used for.
    clients: BTreeMap<SocketId, usize>,
    arrivals: Arrivals,
    tombstones: Tombstones,
    timers: Timers,
    paths: Paths,
    crowd: Crowd,
    /// Transfers with something to do, in turn: one action each, so that none starves the others.
    ready: VecDeque<usize>,
    events: VecDeque<Event>,
    replies: VecDeque<Reply>,
    saturation: Saturation,
    /// When ERROR 5 may leave again.
    wrong_tid_after: Instant,
    shutdown: Option<ending::ShutdownState>,
}

/// A datagram that needs no transfer.
#[derive(Debug)]
struct Reply {
    socket: SocketId,
    peer: SocketAddr,
    local_ip: Option<IpAddr>,
    answer: Answer,
}

impl Endpoint {
    /// An endpoint with nothing going on. `seed` spreads retries; the same seed and inputs give the same outputs.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: u64) -> Self {
        Self {
            pools: Pools::new(&config.sockets),
            config,
            rng: Rng::new(seed),
            table: Slab::new(),
            closing: 0,
            servers: Servers::default(),
            clients: BTreeMap::new(),
            arrivals: Arrivals::default(),
            tombstones: Tombstones::default(),
            timers: Timers::default(),
            paths: Paths::default(),
            crowd: Crowd::default(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
            replies: VecDeque::new(),
            saturation: Saturation::default(),
            wrong_tid_after: Instant::ZERO,
            shutdown: None,
        }
    }

    /// A datagram has come in.
    pub fn handle_datagram(&mut self, now: Instant, meta: &Meta, bytes: &[u8]) -> Disposition {
        if !demux::is_answerable(meta.peer) {
            return Disposition::Ignored(Ignored::BadSource);
        }
        let role = self.config.sockets.get(meta.socket).copied();
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err(error) => {
                if let Some(SocketRole::Listener { .. }) = role {
                    self.explain_malformed(meta, error);
                }
                return Disposition::Ignored(Ignored::Malformed(error));
            }
        };
        let ignored = match (role, &packet) {
            (Some(SocketRole::Listener { group }), Packet::Request(request)) => {
                self.handle_request(now, meta, group, request)
            }
            (Some(SocketRole::Listener { group }), _) if !self.pools.is_single_port(group) => Err(Ignored::Stray),
            (Some(SocketRole::Listener { group } | SocketRole::Transfer { group }), packet) => {
                self.handle_transfer_packet(now, meta, group, packet)
            }
            (Some(SocketRole::Client), packet) => self.handle_client_packet(now, meta, packet),
            (None, _) => Err(Ignored::Stray),
        };
        ignored.map_or_else(Disposition::Ignored, |()| Disposition::Accepted)
    }

    /// Time has passed. Early and repeated calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.pop(now) {
            let Some(entry) = self.table.get_mut(id.index as usize).filter(|entry| entry.id == id) else { continue };
            if self.timers.fire(&mut entry.timer, id, at, now) {
                self.wake(now, id.index as usize);
            }
        }
        self.tombstones.expire(now);
    }

    /// The next thing to do. Datagrams are written to `out`, which must hold 65,507 bytes.
    pub fn poll(&mut self, now: Instant, out: &mut [u8]) -> Action {
        self.poll_vectored(now, out, usize::MAX)
    }

    /// What follows the headers of the [`Transmit`] that [`poll_vectored`](Self::poll_vectored) has just answered, in up
    /// to two pieces. Nothing, where all bytes are in the buffer. See [`Transfer::body`](crate::transfer::Transfer::body).
    #[must_use]
    pub fn body(&self, transmit: &Transmit) -> [&[u8]; 2] {
        match (transmit.transfer.and_then(|id| self.entry(id)), transmit.body) {
            (Some(Entry { phase: Phase::Active(transfer), .. }), Some(body)) => transfer.body(body),
            _ => [&[], &[]],
        }
    }

    /// As [`poll`](Self::poll), for an owner that can send a datagram from several pieces of memory (`sendmsg`): payloads
    /// of blocks of `least` bytes or more are left in the chunk that they came in. See
    /// [`Transfer::poll_vectored`](crate::transfer::Transfer::poll_vectored).
    pub fn poll_vectored(&mut self, now: Instant, out: &mut [u8], least: usize) -> Action {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Action::Event(event);
            }
            if let Some(reply) = self.replies.pop_front() {
                if let Some(transmit) = reply.emit(out) {
                    return Action::Transmit(transmit);
                }
                continue;
            }
            if let Some(index) = self.ready.pop_front() {
                if let Some(action) = self.step(now, index, out, least) {
                    return action;
                }
                continue;
            }
            if let Some(event) = self.saturation.report(now) {
                return Action::Event(event);
            }
            let shutdown = self.shutdown_deadline(now);
            if shutdown.is_some_and(|deadline| deadline <= now) {
                if self.abandon(now) {
                    continue;
                }
                return Action::Finished;
            }
            return Action::Wait(self.next_deadline(shutdown));
        }
    }

    fn next_deadline(&self, shutdown: Option<Instant>) -> Option<Instant> {
        let next = earlier(self.timers.next(), self.tombstones.next());
        earlier(next, earlier(self.saturation.next(), shutdown))
    }

    /// Bytes of the file that were acknowledged, or received, so far: those that are gathered for the next write, too.
    /// `None` if the transfer has ended.
    #[must_use]
    pub fn transferred(&self, id: TransferId) -> Option<u64> {
        self.entry(id).map(Entry::transferred)
    }

    /// Bytes of files that are being sent and are in memory: what all transfers hold, added up.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        self.table.iter().map(|(_, entry)| entry.chunk_bytes()).sum()
    }

    /// Transfers that have not ended.
    #[must_use]
    pub fn active_transfers(&self) -> usize {
        self.table.len() - self.closing
    }

    /// Whether this transfer is the only one that has not ended.
    #[must_use]
    pub fn is_alone(&self, id: TransferId) -> bool {
        self.active_transfers() == 1 && self.entry(id).is_some_and(|entry| !matches!(entry.phase, Phase::Closing))
    }

    fn entry(&self, id: TransferId) -> Option<&Entry> {
        self.table.get(id.index as usize).filter(|entry| entry.id == id)
    }

    /// Puts an entry into the table and gives it an identifier that was never used.
    fn insert(&mut self, make: impl FnOnce(TransferId) -> Entry) -> usize {
        let generation = self.config.admission.next_generation();
        let slot = self.table.vacant_entry();
        let index = slot.key();
        slot.insert(make(TransferId { index: u32::try_from(index).unwrap_or(u32::MAX), generation }));
        index
    }

    /// Puts a transfer into the queue of those with something to do.
    fn make_ready(&mut self, index: usize) {
        if let Some(entry) = self.table.get_mut(index)
            && !core::mem::replace(&mut entry.queued, true)
        {
            self.ready.push_back(index);
        }
    }

    /// Puts a transfer whose bytes have come at the head of the queue if memory is scarce: they shall not lie about while
    /// others read theirs.
    fn hasten(&mut self, index: usize) {
        let Some(entry) = self.table.get_mut(index) else { return };
        if !entry.transfer().is_some_and(|transfer| transfer.is_memory_scarce()) {
            return;
        }
        if !core::mem::replace(&mut entry.queued, true) {
            self.ready.push_front(index);
        } else if self.ready.back() == Some(&index) {
            // Where the read was asked for, just now.
            self.ready.rotate_right(1);
        }
    }

    fn reply(&mut self, meta: &Meta, answer: Answer) {
        if self.replies.len() >= MAX_REPLIES {
            return;
        }
        let local_ip = demux::answer_from(meta.local_ip);
        self.replies.push_back(Reply { socket: meta.socket, peer: meta.peer, local_ip, answer });
    }

    /// ERROR 5 to a packet that came from a wrong port, within limits.
    fn refuse_tid(&mut self, now: Instant, meta: &Meta) {
        //= rfc1350#section-4
        //# An error packet should be sent to the source of the incorrect packet, while not disturbing the transfer.
        if self.wrong_tid_after <= now {
            self.wrong_tid_after = now + WRONG_TID_INTERVAL;
            let code = crate::wire::ErrorCode::UnknownTransferId;
            self.reply(meta, Answer::Error(code, "unknown transfer ID"));
        }
    }

    /// All identifiers, for calls that concern every transfer.
    fn all_ids(&self) -> Vec<TransferId> {
        self.table.iter().map(|(_, entry)| entry.id).collect()
    }
}

impl Reply {
    fn emit(&self, out: &mut [u8]) -> Option<Transmit> {
        let repr = match self.answer {
            Answer::Ack(block) => Repr::Ack { block },
            Answer::Error(code, message) => Repr::Error { code, message },
        };
        let len = repr.emit(out).ok()?;
        let Self { socket, peer, local_ip, .. } = *self;
        Some(Transmit { socket, peer, local_ip, len, segment_size: None, transfer: None, body: None })
    }
}
