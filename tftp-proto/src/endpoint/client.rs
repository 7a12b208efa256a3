//! Transfers that this endpoint starts.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::action::Meta;
use super::command::{ClientRequest, StartError, Started};
use super::config::SocketRole;
use super::demux::PeerKey;
use super::disposition::Ignored;
use super::entry::{Entry, Phase, Request, Side, StorageState};
use super::timers::Timer;
use super::{Endpoint, TransferId};
use crate::client::Asking;
use crate::transfer::Transfer;
use crate::wire::{Mode, Packet, Repr};
use crate::{Instant, Rng};

/// A request's longest datagram, in bytes (RFC 2347).
const MAX_REQUEST: usize = 512;

impl Endpoint {
    /// Starts a transfer as a client.
    ///
    /// # Errors
    ///
    /// A [`StartError`] if the request cannot be sent.
    pub fn start(&mut self, now: Instant, request: ClientRequest) -> Started {
        if self.shutdown.is_some() {
            return Err(StartError::ShutDown);
        }
        check(&request)?;
        let usable = |(socket, _): &(usize, _)| {
            self.config.sockets.get(*socket) == Some(&SocketRole::Client) && !self.clients.contains_key(socket)
        };
        if !request.servers.iter().all(usable) {
            return Err(StartError::NoServer);
        }
        let Some((socket, peer)) = request.servers.first().copied() else { return Err(StartError::NoServer) };
        let transfer = ask(now, &request, 0, &mut self.rng);
        let index = self.insert(|id| Entry {
            id,
            socket,
            peer,
            local_ip: request.local_ip,
            request: Request {
                direction: request.direction,
                filename: request.filename.clone(),
                mode: request.mode,
                options: request.options,
            },
            side: Side::Client { request: Box::new(request), attempt: 0 },
            phase: Phase::Active(Box::new(transfer)),
            storage: StorageState { open: true, ..StorageState::default() },
            inbox: None,
            queued: false,
            timer: Timer::default(),
            wake: None,
            started: now,
            asked: None,
            recognised: None,
            acknowledged: 0,
            commit_time: None,
            verdict: None,
            epitaph: None,
            peer_message: Vec::new(),
            waiters: Vec::new(),
        });
        // All of them are taken, those of later attempts too.
        if let Some(Side::Client { request, .. }) = self.table.get(index).map(|entry| &entry.side) {
            self.clients.extend(request.servers.iter().map(|(socket, _)| (*socket, index)));
        }
        self.tombstones.remove(socket, PeerKey::new(peer));
        self.make_ready(index);
        Ok(self.table.get(index).map_or(TransferId { index: u32::MAX, generation: 0 }, |entry| entry.id))
    }

    /// Turns to the next address of a request that nobody answered, round after round: a name whose first address is
    /// dead must not cost a whole series of retries. `false`: that was the last round.
    pub(super) fn ask_next_server(&mut self, now: Instant, index: usize) -> bool {
        let Some(entry) = self.table.get_mut(index) else { return false };
        let Side::Client { request, attempt } = &mut entry.side else { return false };
        let Phase::Active(transfer) = &mut entry.phase else { return false };
        if transfer.parameters().is_some() {
            return false;
        }
        let addresses = request.servers.len();
        *attempt += 1;
        let round = *attempt / addresses.max(1);
        // A single address is repeated by its transfer.
        if addresses < 2 || round > request.timing.unproved_retries as usize {
            return false;
        }
        let Some((socket, peer)) = request.servers.get(*attempt % addresses).copied() else { return false };
        **transfer = ask(now, request, round, &mut self.rng);
        entry.socket = socket;
        entry.peer = peer;
        self.make_ready(index);
        true
    }

    /// A packet on a client's socket.
    ///
    /// Until the server has answered, its transfer identifier is unknown: the first answer from its address fixes it.
    /// From then on every other source gets ERROR 5, and the transfer is undisturbed (RFC 1350 §4).
    pub(super) fn handle_client_packet(
        &mut self,
        now: Instant,
        meta: &Meta,
        packet: &Packet<'_>,
    ) -> Result<(), Ignored> {
        let peer = PeerKey::new(meta.peer);
        let entry = self.clients.get(&meta.socket).and_then(|index| Some((*index, self.table.get(*index)?)));
        let Some((index, entry)) = entry.filter(|(_, entry)| entry.socket == meta.socket) else {
            let (answer, local_ip) = self.tombstones.answer(now, meta.socket, peer, packet).ok_or(Ignored::Stray)?;
            self.reply(&Meta { local_ip, ..*meta }, answer);
            return Ok(());
        };
        let asking = matches!(&entry.phase, Phase::Active(transfer) if transfer.is_asking());
        let any_source = matches!(&entry.side, Side::Client { request, .. } if request.accept_any_source);
        //= rfc1350#section-4
        //# the hosts should make sure that the source TID matches the value that was agreed on in steps 1 and 2.
        let known = if asking { any_source || entry.key().ip == peer.ip } else { entry.key() == peer };
        //= rfc1350#section-4
        //# If a source TID does not match, the packet should be discarded as erroneously sent from somewhere else.
        if !known {
            return match packet {
                //= rfc1350#section-4
                //# When the second response to the request arrives, it should be rejected, but there is no reason to
                //# terminate the first connection.
                Packet::Data { .. } | Packet::Ack { .. } | Packet::Oack(_) => {
                    self.refuse_tid(now, meta);
                    Err(Ignored::UnknownTransferId)
                }
                Packet::Request(_) | Packet::Error { .. } => Err(Ignored::Stray),
            };
        }
        if asking {
            return self.deliver_first(now, meta, index, packet);
        }
        self.deliver(now, index, packet)
    }

    /// A packet that may be the first answer. If it is, its source is the peer from now on.
    fn deliver_first(&mut self, now: Instant, meta: &Meta, index: usize, packet: &Packet<'_>) -> Result<(), Ignored> {
        let Some(entry) = self.table.get_mut(index) else { return Err(Ignored::Stray) };
        let asked = entry.peer;
        //= rfc1350#section-4
        //# The two chosen TID's are then used for the remainder of the transfer.
        entry.peer = meta.peer;
        let delivered = self.deliver(now, index, packet);
        // Not an answer, or one that makes us ask again: the request still goes to where it went.
        if let Some(entry) = self.table.get_mut(index)
            && let Phase::Active(transfer) = &entry.phase
            && transfer.is_asking()
        {
            entry.peer = asked;
        }
        delivered
    }
}

fn check(request: &ClientRequest) -> Result<(), StartError> {
    //= rfc1350#section-1
    //# The mail mode is obsolete and should not be implemented or used.
    if request.mode == Mode::Mail {
        return Err(StartError::MailMode);
    }
    if request.filename.is_empty() || request.filename.contains(&0) {
        return Err(StartError::InvalidName);
    }
    let repr = Repr::Request {
        direction: request.direction,
        filename: &request.filename,
        mode: request.mode,
        options: request.options,
    };
    //= rfc2347#packet-formats
    //# The maximum size of a request packet is 512 octets.
    repr.emit(&mut [0; MAX_REQUEST]).map(|_| ()).map_err(|_| StartError::NameTooLong)
}

/// Makes a request. With several addresses, each is asked once in a round, and the wait doubles from round to round.
fn ask(now: Instant, request: &ClientRequest, round: usize, rng: &mut Rng) -> Transfer<bytes::Bytes> {
    let mut timing = request.timing;
    if request.servers.len() > 1 {
        let doubled = timing.initial_timeout.saturating_mul(1 << round.min(16));
        timing.initial_timeout = doubled.min(timing.max_timeout.max(timing.initial_timeout));
        timing.unproved_retries = 0;
    }
    let asking = Asking {
        direction: request.direction,
        mode: request.mode,
        options: request.options,
        fall_back: request.fall_back,
        timing,
    };
    Transfer::ask(now, asking, CLIENT_READ, rng.next_u64())
}

/// The longest read of a put, in bytes.
const CLIENT_READ: usize = 64 << 10;
