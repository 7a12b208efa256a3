//! Requests, peers, and what is left of transfers that have ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::options::{Policy, Terms};
use super::receiving::{Receiving, Stage};
use super::sending::Sending;
use super::transfer::{ERROR_INTERVAL, End, Phase, Stone, Transfer};
use super::wire::{self, Mode, Request, Said, ack, is_error};
use super::{SECOND, Time, decoded, encoded};

/// What a server with one listener and a pool of other sockets may and must do.
#[derive(Debug)]
pub struct Server {
    listener: SocketAddr,
    /// How many other sockets there are.
    pool: usize,
    policy: Policy,
    largest_upload: u64,
    storage_patience: Time,
    peers: BTreeMap<SocketAddr, Peer>,
    /// Answers that must leave: from where (if that is known), to whom, which.
    must: Vec<(Option<SocketAddr>, SocketAddr, Small)>,
    /// Answers that may.
    may: Vec<(Option<SocketAddr>, SocketAddr, Small)>,
    /// Ends of requests that were refused at once, to be told.
    refused: Vec<End>,
    /// When a wrong transfer identifier may be refused again.
    next_refusal: Time,
}

/// An answer that needs no transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Small {
    Ack(u16),
    Error(u16),
}

#[derive(Debug, Default)]
struct Peer {
    active: Option<Transfer>,
    /// Uploads that were being committed when another request came, and transfers that only have to tell their end.
    leaving: Vec<Transfer>,
    /// By socket.
    stones: BTreeMap<SocketAddr, Stone>,
}

/// What storage answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The file is open. For a read: all of it.
    Opened(Option<Vec<u8>>),
    /// Bytes were read or written.
    Done,
    /// The upload is safe.
    Committed,
    /// It failed; the code that the peer is told.
    Failed(u16),
}

impl Server {
    /// A server that listens there, answers from `pool` other sockets, grants windows up to `window`, and refuses uploads
    /// that are announced as larger.
    #[must_use]
    pub fn new(listener: SocketAddr, pool: usize, window: u64, largest_upload: u64) -> Self {
        let policy = Policy { window, shortest: 10_000, longest: 255 * SECOND };
        Self {
            listener,
            pool,
            policy,
            largest_upload,
            storage_patience: 60 * SECOND,
            peers: BTreeMap::new(),
            must: Vec::new(),
            may: Vec::new(),
            refused: Vec::new(),
            next_refusal: 0,
        }
    }

    /// Whether it is not known what becomes of what that peer might say: where its transfer will run is the server's
    /// choice, and not known before the first answer.
    #[must_use]
    pub fn is_unsure(&self, peer: SocketAddr) -> bool {
        self.peers.get(&peer).and_then(|peer| peer.active.as_ref()).is_some_and(|active| active.tid.is_none())
    }

    /// Where the peer's transfer runs, and its block size.
    #[must_use]
    pub fn transfer(&self, peer: SocketAddr) -> Option<(SocketAddr, usize)> {
        let active = self.peers.get(&peer)?.active.as_ref()?;
        let block = match &active.phase {
            Phase::Sending(sending) => sending.terms.block,
            Phase::Receiving(receiving) => receiving.terms.block,
            Phase::Opening | Phase::Failing { .. } | Phase::Over(_) => 512,
        };
        Some((active.tid?, block))
    }

    /// Whether this DATA comes before an ACK that is held back, because storage is slow. Whether it is taken depends on the
    /// memory there is, of which nothing is known here.
    pub fn is_early(&self, now: Time, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> bool {
        let active = self.peers.get(&from).and_then(|peer| peer.active.as_ref());
        match (active.filter(|active| active.tid == Some(to)).map(|active| &active.phase), wire::read(bytes)) {
            (Some(Phase::Receiving(receiving)), Said::Data(number, _)) => receiving.is_early(now, number),
            _ => false,
        }
    }

    /// A datagram reaches one of the sockets.
    pub fn heard(&mut self, now: Time, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let said = wire::read(bytes);
        if to != self.listener {
            return self.heard_in_transfer(now, from, to, &said);
        }
        match said {
            Said::Request(request) => self.requested(now, from, request),
            Said::NoMode => self.must.push((Some(to), from, Small::Error(4))),
            Said::Data(..) | Said::Ack(_) | Said::Error(_) | Said::Oack | Said::Nonsense => {}
        }
    }

    fn requested(&mut self, now: Time, from: SocketAddr, request: Request) {
        let peer = self.peers.entry(from).or_default();
        if let Some(active) = peer.active.as_mut().filter(|active| active.request == request) {
            let recent = active.answered().is_some_and(|answered| now - answered < SECOND);
            if matches!(active.phase, Phase::Opening) {
                return;
            }
            if !active.is_proved() {
                return active.repeat();
            }
            if active.is_committing() || recent {
                return;
            }
        }
        let is_late = |stone: &Stone| matches!(stone, Stone::Received { request: served, late, .. } if *served == request && now < *late);
        if peer.stones.values().any(is_late) {
            return;
        }
        let size = request.asked.value("tsize").filter(|_| request.writes && request.mode == Mode::Octet);
        let refusal = match &request {
            Request { mode: Mode::Mail, .. } => Some(4),
            Request { name, .. } if name.is_empty() => Some(1),
            _ => size.is_some_and(|size| size > self.largest_upload).then_some(3),
        };
        if let Some(code) = refusal {
            self.must.push((Some(self.listener), from, Small::Error(code)));
            self.refused.push(End::Refused(code));
            return;
        }
        // Each commit will be answered from its own port: is there another?
        let committing = peer.active.iter().chain(&peer.leaving).filter(|transfer| transfer.is_committing());
        if committing.count() >= self.pool {
            return;
        }
        if let Some(mut old) = peer.active.take() {
            // A commit goes on: it only makes room.
            if !old.is_committing() {
                old.phase = Phase::Over(End::Replaced);
            }
            peer.leaving.push(old);
        }
        peer.active = Some(Transfer::new(request));
    }

    fn heard_in_transfer(&mut self, now: Time, from: SocketAddr, to: SocketAddr, said: &Said) {
        let neighbours = self.peers.iter().any(|(address, peer)| {
            let runs_here = peer.active.as_ref().is_some_and(|active| active.tid.is_none_or(|tid| tid == to));
            address.ip() == from.ip() && *address != from && runs_here
        });
        let peer = self.peers.entry(from).or_default();
        if let Some(active) = peer.active.as_mut().filter(|active| active.tid == Some(to)) {
            return active.hear(now, said);
        }
        let answer = match (peer.stones.get_mut(&to), said) {
            (Some(Stone::Received { number, surely, perhaps, .. }), Said::Data(block, _)) => {
                (block == number && now < *perhaps).then_some((Small::Ack(*number), now < *surely))
            }
            (Some(Stone::Failed { code, left, next, until }), Said::Data(..) | Said::Ack(_)) => {
                let due = *left > 0 && *next <= now && now <= *until;
                if due {
                    *left -= 1;
                    *next = now + ERROR_INTERVAL;
                }
                due.then_some((Small::Error(*code), now < *until))
            }
            _ => None,
        };
        match answer {
            Some((answer, true)) => self.must.push((Some(to), from, answer)),
            Some((answer, false)) => {
                self.may.push((Some(to), from, answer));
                // At this very moment it may be forgotten.
                if neighbours {
                    self.may.push((Some(to), from, Small::Error(5)));
                }
            }
            None if neighbours && matches!(said, Said::Data(..) | Said::Ack(_)) => {
                self.may.push((Some(to), from, Small::Error(5)));
            }
            None => {}
        }
    }

    /// Storage is asked to open a file.
    pub fn opens(&mut self, now: Time, id: u64, from: SocketAddr, name: &[u8], writes: bool) {
        let active = self.peers.get_mut(&from).and_then(|peer| peer.active.as_mut());
        let Some(active) = active else { unreachable!("{from} did not ask for anything") };
        assert!(matches!(active.phase, Phase::Opening) && active.id.is_none(), "opened twice: {active:?}");
        assert_eq!((active.request.name.as_slice(), active.request.writes), (name, writes));
        active.id = Some(id);
        active.job = Some((now, false));
    }

    /// Storage is asked for something else. `commits`: the whole upload, which is `file`.
    pub fn asks(&mut self, now: Time, id: u64, commits: Option<&[u8]>) {
        let Some((_, transfer)) = self.find(id) else { return };
        transfer.job = Some((now, commits.is_some()));
        if let Some(file) = commits {
            let Phase::Receiving(receiving) = &transfer.phase else { unreachable!("a commit of {transfer:?}") };
            assert_eq!(receiving.stage, Stage::Complete, "a commit before the end: {receiving:?}");
            let netascii = transfer.request.mode == Mode::Netascii;
            let expected = if netascii { decoded(&receiving.file) } else { receiving.file.clone() };
            assert_eq!(file, expected, "the upload");
        }
    }

    fn find(&mut self, id: u64) -> Option<(SocketAddr, &mut Transfer)> {
        self.peers.iter_mut().find_map(|(address, peer)| {
            let mut transfers = peer.active.iter_mut().chain(&mut peer.leaving);
            Some((*address, transfers.find(|transfer| transfer.id == Some(id))?))
        })
    }

    /// Storage answers.
    pub fn answered(&mut self, now: Time, id: u64, answer: Answer) {
        let policy = self.policy;
        let Some((_, transfer)) = self.find(id) else { return };
        transfer.job = None;
        match (answer, &mut transfer.phase) {
            (Answer::Opened(file), Phase::Opening) => {
                let size = file.as_ref().map(|file| file.len() as u64);
                let terms = Terms::grant(&transfer.request, policy, size);
                let netascii = transfer.request.mode == Mode::Netascii;
                transfer.phase = match file {
                    Some(file) if netascii => Phase::Sending(Sending::new(now, terms, encoded(&file))),
                    Some(file) => Phase::Sending(Sending::new(now, terms, file)),
                    None => Phase::Receiving(Receiving::new(now, terms)),
                };
            }
            (Answer::Committed, Phase::Receiving(receiving)) => receiving.committed(),
            (Answer::Failed(code), _) => transfer.fail(code),
            _ => {}
        }
    }

    /// The time is `now`, and nothing has happened yet at it: storage may have been too slow.
    pub fn tick(&mut self, now: Time) {
        let patience = self.storage_patience;
        for peer in self.peers.values_mut() {
            for transfer in peer.active.iter_mut().chain(&mut peer.leaving) {
                if transfer.job.is_some_and(|(since, commits)| !commits && since + patience <= now) {
                    transfer.fail(0);
                }
            }
        }
    }

    /// A datagram leaves.
    ///
    /// # Panics
    ///
    /// If it must not.
    pub fn sent(&mut self, now: Time, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let fits = |(socket, peer, answer): &(Option<SocketAddr>, SocketAddr, Small)| {
            let same = match *answer {
                Small::Ack(number) => bytes == ack(number),
                Small::Error(code) => is_error(bytes, code),
            };
            socket.is_none_or(|socket| socket == from) && *peer == to && same
        };
        if let Some(place) = self.must.iter().position(fits) {
            let (socket, ..) = self.must.remove(place);
            if let (None, Some(peer)) = (socket, self.peers.get_mut(&to)) {
                // A transfer was to run there.
                peer.stones.remove(&from);
            }
            return;
        }
        let peer = self.peers.entry(to).or_default();
        let listener = self.listener;
        let runs_here = |transfer: &Transfer| transfer.tid == Some(from) && !matches!(transfer.phase, Phase::Over(_));
        let is_taken = peer.active.iter().chain(&peer.leaving).any(runs_here);
        let mut transfers = peer.active.iter_mut().chain(&mut peer.leaving);
        let sends = |transfer: &Transfer| {
            let silent = match &transfer.phase {
                Phase::Opening | Phase::Over(_) => true,
                Phase::Receiving(receiving) => receiving.stage == Stage::Complete,
                Phase::Sending(_) | Phase::Failing { .. } => false,
            };
            !silent && transfer.tid.map_or(from != listener, |tid| tid == from)
        };
        if let Some(transfer) = transfers.find(|transfer| sends(transfer)) {
            if transfer.tid.replace(from).is_none() {
                assert!(!is_taken, "two transfers of {to} on {from}");
                // What ran there before is forgotten.
                peer.stones.remove(&from);
            }
            return transfer.sent(now, bytes);
        }
        let Some(place) = self.may.iter().position(fits) else {
            unreachable!("at {now} from {from} to {to}: {} ({peer:?})", bytes.escape_ascii())
        };
        if let (_, _, Small::Error(5)) = self.may.remove(place) {
            assert!(now >= self.next_refusal, "wrong transfer identifiers are refused too often");
            self.next_refusal = now + SECOND;
        }
    }

    /// A transfer's end is told.
    ///
    /// # Panics
    ///
    /// If it has not come, or is another.
    pub fn finished(&mut self, now: Time, id: u64, end: End) {
        let Some((address, transfer)) = self.find(id) else {
            let told = self.refused.iter().position(|refused| *refused == end);
            let Some(place) = told else { unreachable!("{id} ended: {end:?}") };
            self.refused.remove(place);
            return;
        };
        let expected = match transfer.phase {
            Phase::Over(end) => end,
            // The words are told before the datagram is sent, where there was no transfer yet.
            Phase::Failing { end, .. } => end,
            _ => transfer.give_up(now),
        };
        assert_eq!(end, expected, "{transfer:?}");
        self.bury(address, id);
    }

    fn bury(&mut self, address: SocketAddr, id: u64) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let is_it = |transfer: &Transfer| transfer.id == Some(id);
        let transfer = match peer.leaving.iter().position(is_it) {
            Some(place) => peer.leaving.remove(place),
            None => match peer.active.take_if(|active| is_it(active)) {
                Some(transfer) => transfer,
                None => return,
            },
        };
        if let Phase::Failing { code, .. } = transfer.phase {
            self.must.push((transfer.tid, address, Small::Error(code)));
        }
        if let (Some(tid), Some(stone)) = (transfer.tid, transfer.stone) {
            peer.stones.insert(tid, stone);
        }
    }

    /// Everything that happens now has happened.
    ///
    /// # Panics
    ///
    /// If something has not that must.
    pub fn settled(&mut self, now: Time) {
        assert!(self.must.is_empty(), "not sent by {now}: {:?}", self.must);
        assert!(self.refused.is_empty(), "not told by {now}: {:?}", self.refused);
        self.may.clear();
        for peer in self.peers.values_mut() {
            for transfer in peer.active.iter_mut().chain(&mut peer.leaving) {
                transfer.settled(now);
            }
        }
    }

    /// Whether all transfers have ended.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.peers.values().all(|peer| peer.active.is_none() && peer.leaving.is_empty())
    }
}
