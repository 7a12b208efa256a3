//! Requests to a server, and the packets of the transfers they start.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::action::Meta;
use super::admission::Full;
use super::demux::{self, Network, PeerKey};
use super::disposition::Ignored;
use super::entry::{Entry, Phase, Request, Side, StorageState};
use super::event::{Event, Outcome, RefusedReason, Report, Role};
use super::recognise::{Known, recognise};
use super::timers::Timer;
use super::tombstones::Answer;
use super::{Endpoint, SocketId, TransferId};
use crate::wire::{self, ErrorCode, Mode, Packet, ParseError};
use crate::{Instant, Stats};

/// A transfer heard of within this time is not replaced by a copy of its own request.
const RECENT: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Says what is wrong with a request that has a name but no usable mode. Everything else malformed meets silence.
    pub(super) fn explain_malformed(&mut self, meta: &Meta, error: ParseError) {
        let message = match error {
            ParseError::MissingMode => "request without a transfer mode",
            ParseError::UnknownMode => "unknown transfer mode",
            ParseError::TooShort
            | ParseError::UnknownOpcode(_)
            | ParseError::UnterminatedFilename
            | ParseError::FilenameTooLong => return,
        };
        if self.shutdown.is_none() && !self.is_unwanted_broadcast(meta) {
            self.reply(meta, Answer::Error(ErrorCode::IllegalOperation, message));
        }
    }

    fn is_unwanted_broadcast(&self, meta: &Meta) -> bool {
        !self.config.answer_broadcasts && meta.local_ip.is_some_and(demux::is_shared)
    }

    /// An RRQ or WRQ on a listening socket.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        meta: &Meta,
        group: usize,
        request: &wire::Request<'_>,
    ) -> Result<(), Ignored> {
        //= rfc1123#section-4.2.3.5
        //# requests to a broadcast address SHOULD be ignored
        if self.is_unwanted_broadcast(meta) {
            return Err(Ignored::Broadcast);
        }
        if self.shutdown.is_some() {
            return Err(Ignored::ShuttingDown);
        }
        if self.replies.len() >= super::MAX_REPLIES {
            self.saturation.note(now);
            return Err(Ignored::Saturated);
        }
        let peer = PeerKey::new(meta.peer);
        let recognised = recognise(request);
        let request = Request {
            direction: request.direction,
            filename: Vec::from(request.filename),
            mode: request.mode,
            options: request.options.parse().options,
        };
        if let Some(index) = self.servers.find(group, peer) {
            self.handle_further_request(now, index, &request)?;
        }
        let sockets = self.pools.sockets(group).iter().chain([&meta.socket]);
        if sockets.into_iter().any(|socket| self.tombstones.is_late_copy(now, *socket, peer, &request)) {
            return Err(Ignored::RepeatedRequest);
        }
        self.refuse_at_once(meta, &request)?;
        if !self.has_free_port(group, peer) {
            return Err(Ignored::Committing);
        }
        let left = self.replace(now, group, peer);
        if !self.admit(now, peer) {
            self.saturation.note(now);
            return Err(Ignored::Saturated);
        }
        let (servers, tombstones) = (&self.servers, &self.tombstones);
        let is_free = |socket| servers.aside(group, peer).all(|taken| taken != socket);
        let used = |socket| if left == Some(socket) { Some(u64::MAX) } else { tombstones.order(socket, peer) };
        let socket = self.pools.pick(group, is_free, used).unwrap_or(meta.socket);
        self.begin(now, meta, group, socket, request, recognised);
        Ok(())
    }

    /// Whether a peer can be served from a port on which no upload of it is being committed: that one still answers, and
    /// two transfers must not answer one peer from one port.
    fn has_free_port(&mut self, group: usize, peer: PeerKey) -> bool {
        let current = self.servers.find(group, peer).and_then(|index| self.table.get(index));
        let committing = current.is_some_and(|entry| entry.storage.is_committing());
        let taken = self.servers.aside(group, peer).count() + usize::from(committing);
        taken < self.pools.sockets(group).len().max(1)
    }

    /// Ends the transfer that serves a peer, and says which socket it used. A commit goes on: it only makes room.
    fn replace(&mut self, now: Instant, group: usize, peer: PeerKey) -> Option<SocketId> {
        let index = self.servers.remove(group, peer)?;
        let old = self.table.get(index)?;
        let socket = old.socket;
        if old.storage.is_committing() {
            self.servers.set_aside(group, peer, socket);
        } else {
            self.conclude(now, index, Outcome::Replaced);
        }
        Some(socket)
    }

    /// A request from an address and port that is being served already.
    ///
    /// `Ok`: it replaces the old one. A copy is ignored while the file is being opened, or while the transfer moves; a
    /// copy that comes before the first answer was acknowledged means that the answer was lost.
    fn handle_further_request(&mut self, now: Instant, index: usize, request: &Request) -> Result<(), Ignored> {
        let Some(entry) = self.table.get_mut(index) else { return Ok(()) };
        if entry.request != *request {
            return Ok(());
        }
        let silence = entry.silence(now);
        let committing = entry.storage.is_committing();
        match &mut entry.phase {
            Phase::Opening => Err(Ignored::RepeatedRequest),
            Phase::Closing => Ok(()),
            Phase::Active(transfer) if !transfer.is_proved() => {
                transfer.repeat_answer();
                self.make_ready(index);
                Err(Ignored::RepeatedRequest)
            }
            Phase::Active(_) if committing || silence < RECENT => Err(Ignored::RepeatedRequest),
            Phase::Active(_) => Ok(()),
        }
    }

    /// Requests that need no storage to be refused.
    fn refuse_at_once(&mut self, meta: &Meta, request: &Request) -> Result<(), Ignored> {
        //= rfc2349#transfer-size-option-specification
        //# If the file is too large for the server to handle, it may abort the transfer with an Error packet (error
        //# code 3).
        let too_large = request.announced_size().is_some_and(|size| size > self.config.max_upload);
        //= rfc1123#section-4.2.2.1
        //# no mail
        let (code, message, reason) = if request.mode == Mode::Mail {
            (ErrorCode::IllegalOperation, "mail mode is obsolete", RefusedReason::MailMode)
        } else if request.filename.is_empty() {
            (ErrorCode::FileNotFound, "no file name", RefusedReason::EmptyName)
        } else if too_large {
            (ErrorCode::DiskFull, "file too large", RefusedReason::TooLarge)
        } else {
            return Ok(());
        };
        //= rfc1350#section-7
        //# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode 5)
        //# is sent.
        self.reply(meta, Answer::Error(code, message));
        let generation = self.config.admission.next_generation();
        self.events.push_back(Event::Finished(Box::new(Report {
            id: TransferId { index: u32::MAX, generation },
            role: Role::Server,
            direction: request.direction,
            peer: meta.peer,
            filename: request.filename.clone(),
            parameters: None,
            options: wire::Options::NONE,
            bytes: 0,
            duration: Duration::ZERO,
            commit_time: None,
            stats: Stats { datagrams_sent: 1, ..Stats::default() },
            outcome: Outcome::Refused { code, reason },
        })));
        Err(Ignored::Refused)
    }

    /// Takes a place for a new transfer. If there is none, then at the cost of the oldest one whose peer never answered: of
    /// its own network, if that one has no more.
    fn admit(&mut self, now: Instant, peer: PeerKey) -> bool {
        let network = Network::new(peer);
        let limits = self.config.admission.limits();
        // Transfers that have ended but whose storage does not answer must not pile up.
        if self.table.len() >= limits.transfers.saturating_mul(2) {
            return false;
        }
        if !self.config.admission.take_opening() {
            return false;
        }
        let mut taken = self.config.admission.take_transfer(network);
        if let Err(full) = taken
            && self.evict(now, (full == Full::Network).then_some(network))
        {
            taken = self.config.admission.take_transfer(network);
        }
        if taken.is_err() {
            self.config.admission.release_opening();
        }
        taken.is_ok()
    }

    /// Starts a transfer: storage opens the file first, and nothing is sent before that.
    fn begin(
        &mut self,
        now: Instant,
        meta: &Meta,
        group: usize,
        socket: SocketId,
        request: Request,
        recognised: Option<Known>,
    ) {
        let peer = PeerKey::new(meta.peer);
        self.tombstones.remove(socket, peer);
        let index = self.insert(|id| Entry {
            id,
            side: Side::Server { group },
            socket,
            peer: meta.peer,
            local_ip: demux::answer_from(meta.local_ip),
            request,
            phase: Phase::Opening,
            storage: StorageState { holds_opening: true, ..StorageState::default() },
            inbox: None,
            queued: false,
            timer: Timer::default(),
            wake: None,
            started: now,
            asked: None,
            recognised,
            acknowledged: 0,
            commit_time: None,
            verdict: None,
            epitaph: None,
            peer_message: Vec::new(),
            waiters: Vec::new(),
        });
        self.servers.insert(group, peer, index);
        if let Some(entry) = self.table.get_mut(index) {
            entry.storage.due = Some(entry.open_job());
            self.arrivals.push(entry.id);
        }
        let table = &self.table;
        let is_alive = |id: TransferId| table.get(id.index as usize).is_some_and(|entry| entry.id == id);
        self.arrivals.retain_if_many(table.len(), is_alive);
        self.make_ready(index);
    }

    /// Anything but a request, on a socket where server transfers run.
    pub(super) fn handle_transfer_packet(
        &mut self,
        now: Instant,
        meta: &Meta,
        group: usize,
        packet: &Packet<'_>,
    ) -> Result<(), Ignored> {
        if let Packet::Request(_) = packet {
            return Err(Ignored::UnexpectedRequest);
        }
        let peer = PeerKey::new(meta.peer);
        //= rfc1350#section-4
        //# the hosts should make sure that the source TID matches the value that was agreed on in steps 1 and 2.
        if let Some(index) = self.servers.find(group, peer)
            && self.table.get(index).is_some_and(|entry| entry.socket == meta.socket)
        {
            return self.deliver(now, index, packet);
        }
        if let Some((answer, local_ip)) = self.tombstones.answer(now, meta.socket, peer, packet) {
            self.reply(&Meta { local_ip, ..*meta }, answer);
            return Ok(());
        }
        if !matches!(packet, Packet::Data { .. } | Packet::Ack { .. })
            || self.tombstones.contains(meta.socket, peer)
            || self.pools.is_single_port(group)
        {
            return Err(Ignored::Stray);
        }
        //= rfc1350#section-4
        //# If a source TID does not match, the packet should be discarded as erroneously sent from somewhere else.
        let neighbour = self
            .servers
            .of_host(group, peer)
            .any(|index| self.table.get(index).is_some_and(|entry| entry.socket == meta.socket));
        if !neighbour {
            return Err(Ignored::Stray);
        }
        self.refuse_tid(now, meta);
        Err(Ignored::UnknownTransferId)
    }
}
