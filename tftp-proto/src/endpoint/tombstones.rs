//! What is left of transfers that have ended: enough to repeat a last answer, and no more.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::action::SocketId;
use super::demux::PeerKey;
use super::entry::Request;
use crate::Instant;
use crate::transfer::Dally;
use crate::wire::{ErrorCode, Packet};

/// So many are kept; beyond that the oldest goes first.
const LIMIT: usize = 4096;
/// A request that comes again so soon after its upload was committed is a copy that was late.
const LATE_COPY: Duration = Duration::from_secs(1);
/// How often an ERROR is repeated, and how far apart at least.
const ERROR_REPEATS: u8 = 3;
const ERROR_INTERVAL: Duration = Duration::from_millis(200);

type Key = (SocketId, PeerKey);

/// A small answer that needs no transfer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Ack(u16),
    Error(ErrorCode, &'static str),
}

/// How a transfer that has ended goes on answering.
#[derive(Debug, Clone, Copy)]
pub(super) enum Epitaph {
    /// It does not; only its place is not to be taken again at once.
    Silence,
    /// The final ACK was sent: repeat it for a peer that repeats its last block.
    Dallying(Dally),
    /// It failed on our side: repeat the ERROR for a peer that goes on.
    Failed { code: ErrorCode, message: &'static str, left: u8, next: Instant },
}

impl Epitaph {
    pub(super) fn failed(now: Instant, code: ErrorCode, message: &'static str) -> Self {
        Self::Failed { code, message, left: ERROR_REPEATS, next: now + ERROR_INTERVAL }
    }
}

#[derive(Debug)]
struct Tombstone {
    epitaph: Epitaph,
    until: Instant,
    order: u64,
    local_ip: Option<IpAddr>,
    /// The request of an upload that was committed, and until when copies of it are told apart from new ones.
    request: Option<(Request, Instant)>,
}

#[derive(Debug, Default)]
pub(super) struct Tombstones {
    map: BTreeMap<Key, Tombstone>,
    by_end: BTreeSet<(Instant, u64, Key)>,
    by_age: BTreeSet<(u64, Key)>,
    count: u64,
}

impl Tombstones {
    pub(super) fn insert(
        &mut self,
        socket: SocketId,
        peer: SocketAddr,
        local_ip: Option<IpAddr>,
        epitaph: Epitaph,
        until: Instant,
    ) {
        let key = (socket, PeerKey::new(peer));
        self.remove_key(key);
        if self.map.len() >= LIMIT
            && let Some((_, oldest)) = self.by_age.first().copied()
        {
            self.remove_key(oldest);
        }
        self.count += 1;
        let order = self.count;
        self.map.insert(key, Tombstone { epitaph, until, order, local_ip, request: None });
        self.by_end.insert((until, order, key));
        self.by_age.insert((order, key));
    }

    /// Remembers the request of an upload that was just committed.
    pub(super) fn remember(&mut self, now: Instant, socket: SocketId, peer: PeerKey, request: Request) {
        if let Some(tombstone) = self.map.get_mut(&(socket, peer)) {
            tombstone.request = Some((request, now + LATE_COPY));
        }
    }

    /// Whether a request is a late copy of one that was served on that socket.
    pub(super) fn is_late_copy(&self, now: Instant, socket: SocketId, peer: PeerKey, request: &Request) -> bool {
        let served = self.map.get(&(socket, peer)).and_then(|tombstone| tombstone.request.as_ref());
        served.is_some_and(|(served, until)| served == request && now < *until)
    }

    pub(super) fn contains(&self, socket: SocketId, peer: PeerKey) -> bool {
        self.map.contains_key(&(socket, peer))
    }

    /// A number that is the higher the later a transfer of this peer ended there.
    pub(super) fn order(&self, socket: SocketId, peer: PeerKey) -> Option<u64> {
        self.map.get(&(socket, peer)).map(|tombstone| tombstone.order)
    }

    /// Makes room for a new transfer in the same place.
    pub(super) fn remove(&mut self, socket: SocketId, peer: PeerKey) {
        self.remove_key((socket, peer));
    }

    fn remove_key(&mut self, key: Key) {
        if let Some(tombstone) = self.map.remove(&key) {
            self.by_end.remove(&(tombstone.until, tombstone.order, key));
            self.by_age.remove(&(tombstone.order, key));
        }
    }

    /// The answer to a packet that came after the end, with the address to send it from.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        socket: SocketId,
        peer: PeerKey,
        packet: &Packet<'_>,
    ) -> Option<(Answer, Option<IpAddr>)> {
        let tombstone = self.map.get_mut(&(socket, peer))?;
        let answer = match (&mut tombstone.epitaph, packet) {
            (Epitaph::Dallying(dally), Packet::Data { block, .. }) => {
                dally.is_repeat(now, *block).then_some(Answer::Ack(dally.last()))
            }
            //= rfc1350#section-2
            //# This packet is not acknowledged, and not retransmitted
            (Epitaph::Failed { code, message, left, next }, Packet::Data { .. } | Packet::Ack { .. }) => {
                let due = *left > 0 && *next <= now;
                if due {
                    *left -= 1;
                    *next = now + ERROR_INTERVAL;
                }
                due.then_some(Answer::Error(*code, message))
            }
            (Epitaph::Silence, _)
            | (Epitaph::Dallying(_), Packet::Ack { .. })
            | (_, Packet::Request(_) | Packet::Oack(_) | Packet::Error { .. }) => None,
        };
        answer.map(|answer| (answer, tombstone.local_ip))
    }

    /// Lets go of those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((until, _, key)) = self.by_end.first().copied() {
            if until > now {
                return;
            }
            self.remove_key(key);
        }
    }

    /// When the next one ends.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_end.first().map(|(until, ..)| *until)
    }

    /// When all have repeated their last answers for long enough, if any has one.
    pub(super) fn enough(&self) -> Option<Instant> {
        let of = |tombstone: &Tombstone| match tombstone.epitaph {
            Epitaph::Silence => None,
            Epitaph::Dallying(dally) => Some(dally.enough()),
            Epitaph::Failed { next, .. } => Some(next),
        };
        self.map.values().filter_map(of).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const START: Instant = Instant::ZERO;

    fn peer(number: usize) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into(), 1000)
    }

    fn add(tombstones: &mut Tombstones, number: usize, epitaph: Epitaph, until: Instant) {
        tombstones.insert(0, peer(number), None, epitaph, until);
    }

    fn has(tombstones: &Tombstones, number: usize) -> bool {
        tombstones.contains(0, PeerKey::new(peer(number)))
    }

    #[test]
    fn beyond_the_limit_the_oldest_goes_whatever_its_end() {
        let mut tombstones = Tombstones::default();
        for number in 0..LIMIT {
            add(&mut tombstones, number, Epitaph::Silence, START + Duration::from_secs(9000));
        }
        assert!(has(&tombstones, 0));
        add(&mut tombstones, LIMIT, Epitaph::Silence, START + LATE_COPY);
        assert!(!has(&tombstones, 0) && has(&tombstones, 1) && has(&tombstones, LIMIT));
        // One that ends anew is young again, and takes no second place.
        add(&mut tombstones, 1, Epitaph::Silence, START + LATE_COPY);
        assert!(has(&tombstones, 2));
        add(&mut tombstones, LIMIT + 1, Epitaph::Silence, START + LATE_COPY);
        assert!(has(&tombstones, 1) && !has(&tombstones, 2));
        let Tombstones { map, by_end, by_age, .. } = &tombstones;
        assert_eq!((map.len(), by_end.len(), by_age.len()), (LIMIT, LIMIT, LIMIT));
    }

    #[test]
    fn each_goes_when_its_time_is_over() {
        let mut tombstones = Tombstones::default();
        assert_eq!(tombstones.next(), None);
        for number in [3, 1, 2] {
            add(&mut tombstones, number, Epitaph::Silence, START + ERROR_INTERVAL * u32::try_from(number).unwrap());
        }
        for number in 1..=3 {
            let end = START + ERROR_INTERVAL * u32::try_from(number).unwrap();
            assert_eq!(tombstones.next(), Some(end));
            tombstones.expire(Instant::from_micros(end.as_micros() - 1));
            assert!(has(&tombstones, number));
            tombstones.expire(end);
            assert!(!has(&tombstones, number));
        }
        assert_eq!(tombstones.next(), None);
    }

    #[test]
    fn whoever_begins_anew_leaves_nothing_of_the_old() {
        let mut tombstones = Tombstones::default();
        add(&mut tombstones, 1, Epitaph::failed(START, ErrorCode::DiskFull, "full"), START + LATE_COPY);
        tombstones.remove(0, PeerKey::new(peer(1)));
        assert!(!has(&tombstones, 1) && tombstones.next().is_none() && tombstones.enough().is_none());
        assert_eq!(tombstones.by_age.len(), 0);
    }
}
