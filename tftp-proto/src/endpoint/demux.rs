//! Who is who: peers, socket groups, networks.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::action::SocketId;
use super::config::SocketRole;

/// A peer's address in the form in which two spellings of it are equal: the IPv6 flow label is dropped, the scope
/// kept, a mapped IPv4 address unmapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerKey {
    pub(super) ip: IpAddr,
    scope: u32,
    port: u16,
}

impl PeerKey {
    pub(super) fn new(peer: SocketAddr) -> Self {
        let scope = match peer {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(v6) => v6.scope_id(),
        };
        Self { ip: peer.ip().to_canonical(), scope, port: peer.port() }
    }

    /// The range of keys of the same host.
    pub(super) const fn same_host(self) -> (Self, Self) {
        (Self { port: 0, ..self }, Self { port: u16::MAX, ..self })
    }
}

/// Which transfer serves a peer, by socket group.
#[derive(Debug, Default)]
pub(super) struct Servers {
    by_peer: BTreeMap<(usize, PeerKey), usize>,
    /// Where uploads are being committed that a further request has replaced: their sockets are not free for that peer.
    aside: BTreeSet<(usize, PeerKey, SocketId)>,
    /// What was found last: the rest of a train asks for the same.
    last: Option<((usize, PeerKey), usize)>,
}

impl Servers {
    pub(super) fn insert(&mut self, group: usize, peer: PeerKey, index: usize) {
        self.last = None;
        self.by_peer.insert((group, peer), index);
    }

    pub(super) fn remove(&mut self, group: usize, peer: PeerKey) -> Option<usize> {
        self.last = None;
        self.by_peer.remove(&(group, peer))
    }

    pub(super) fn find(&mut self, group: usize, peer: PeerKey) -> Option<usize> {
        let key = (group, peer);
        match self.last {
            Some((last, index)) if last == key => Some(index),
            _ => {
                let index = *self.by_peer.get(&key)?;
                self.last = Some((key, index));
                Some(index)
            }
        }
    }

    /// The transfers of all ports of a peer's host.
    pub(super) fn of_host(&self, group: usize, peer: PeerKey) -> impl Iterator<Item = usize> {
        let (first, last) = peer.same_host();
        self.by_peer.range((group, first)..=(group, last)).map(|(_, index)| *index)
    }

    /// Notes the socket of an upload that goes on beside the transfer that replaces it.
    pub(super) fn set_aside(&mut self, group: usize, peer: PeerKey, socket: SocketId) {
        self.aside.insert((group, peer, socket));
    }

    pub(super) fn aside(&self, group: usize, peer: PeerKey) -> impl Iterator<Item = SocketId> {
        let range = (group, peer, SocketId::MIN)..=(group, peer, SocketId::MAX);
        self.aside.range(range).map(|(.., socket)| *socket)
    }

    /// A transfer has ended.
    pub(super) fn end(&mut self, group: usize, peer: PeerKey, socket: SocketId, index: usize) {
        if self.find(group, peer) == Some(index) {
            self.remove(group, peer);
        } else {
            self.aside.remove(&(group, peer, socket));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_peer.len() + self.aside.len()
    }
}

/// The network that counts together for limits: an IPv4 address, or an IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Network {
    V4(Ipv4Addr),
    V6(u64),
}

impl Network {
    pub(super) fn new(key: PeerKey) -> Self {
        match key.ip {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// Whether a packet may ever be sent there.
pub(super) fn is_answerable(peer: SocketAddr) -> bool {
    let ip = peer.ip().to_canonical();
    //= rfc1350#section-3
    //# The transfer identifiers (TID's) used by TFTP are passed to the Datagram layer to be used as ports; therefore
    //# they must be between 0 and 65,535.
    peer.port() != 0 && !ip.is_unspecified() && !is_shared(ip)
}

/// Whether an address belongs to many hosts.
pub(super) fn is_shared(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_multicast(),
    }
}

/// The address to answer from, if the one that was asked is ours alone.
pub(super) fn answer_from(local_ip: Option<IpAddr>) -> Option<IpAddr> {
    local_ip.filter(|ip| !is_shared(*ip) && !ip.is_unspecified())
}

/// The transfer sockets of each group, and whose turn it is.
#[derive(Debug)]
pub(super) struct Pools {
    groups: Vec<Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    sockets: Vec<SocketId>,
    next: usize,
}

impl Pools {
    pub(super) fn new(sockets: &[SocketRole]) -> Self {
        let mut groups = Vec::new();
        for (id, role) in sockets.iter().enumerate() {
            if let SocketRole::Transfer { group } = *role {
                if groups.len() <= group {
                    groups.resize_with(group + 1, Pool::default);
                }
                if let Some(pool) = groups.get_mut(group) {
                    let pool: &mut Pool = pool;
                    pool.sockets.push(id);
                }
            }
        }
        Self { groups }
    }

    /// The socket for a new transfer of a group: of those that are free for this peer in turn one that it has not used of
    /// late, or else the one that it used longest ago. `used` says when that was, in any order that grows. `None`: the
    /// group has no transfer sockets, the listener itself serves.
    pub(super) fn pick(
        &mut self,
        group: usize,
        is_free: impl Fn(SocketId) -> bool,
        used: impl Fn(SocketId) -> Option<u64>,
    ) -> Option<SocketId> {
        let pool = self.groups.get_mut(group)?;
        let count = pool.sockets.len();
        let mut chosen: Option<(Option<u64>, SocketId, usize)> = None;
        //= rfc1350#section-4
        //# The TID's chosen for a connection should be randomly chosen, so that the probability that the same number is
        //# chosen twice in immediate succession is very low.
        for place in (0..count).map(|step| (pool.next + step) % count) {
            let socket = *pool.sockets.get(place)?;
            if !is_free(socket) {
                continue;
            }
            let used = used(socket);
            if chosen.is_none_or(|(before, ..)| used < before) {
                chosen = Some((used, socket, place));
            }
            if used.is_none() {
                break;
            }
        }
        let (_, socket, place) = chosen?;
        pool.next = (place + 1) % count;
        Some(socket)
    }

    /// The transfer sockets of a group.
    pub(super) fn sockets(&self, group: usize) -> &[SocketId] {
        self.groups.get(group).map_or(&[], |pool| &pool.sockets)
    }

    pub(super) fn is_single_port(&self, group: usize) -> bool {
        self.sockets(group).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_peer_are_equal() {
        let plain: SocketAddr = "192.0.2.1:1000".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:1000".parse().unwrap();
        assert_eq!(PeerKey::new(plain), PeerKey::new(mapped));
        let flow = core::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1000, 7, 2);
        let no_flow = core::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1000, 0, 2);
        let scope = core::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1000, 0, 3);
        assert_eq!(PeerKey::new(flow.into()), PeerKey::new(no_flow.into()));
        assert_ne!(PeerKey::new(scope.into()), PeerKey::new(no_flow.into()));
    }

    #[test]
    fn a_transfer_that_is_gone_is_not_found_again() {
        let peer = |port| PeerKey::new(([192, 0, 2, 1], port).into());
        let mut servers = Servers::default();
        servers.insert(0, peer(1000), 7);
        assert_eq!(servers.find(0, peer(1000)), Some(7));
        assert_eq!((servers.find(0, peer(1001)), servers.find(1, peer(1000))), (None, None));
        servers.insert(0, peer(1000), 8);
        assert_eq!(servers.find(0, peer(1000)), Some(8));
        assert_eq!(servers.remove(0, peer(1000)), Some(8));
        assert_eq!(servers.find(0, peer(1000)), None);
    }

    #[test]
    fn sockets_are_picked_in_turn_and_not_twice_for_one_peer() {
        let role = SocketRole::Transfer { group: 0 };
        let mut pools = Pools::new(&[SocketRole::Listener { group: 0 }, role, role]);
        let any = |_| true;
        assert_eq!(pools.pick(0, any, |_| None), Some(1));
        assert_eq!(pools.pick(0, any, |_| None), Some(2));
        assert_eq!(pools.pick(0, any, |socket| (socket == 1).then_some(7)), Some(2));
        assert_eq!(pools.pick(0, any, |socket| Some(socket as u64)), Some(1));
        assert_eq!(
            pools.pick(0, any, |socket| Some(socket as u64)),
            Some(1),
            "the one used longest ago, though it had its turn"
        );
        assert_eq!(pools.pick(0, |socket| socket != 1, |socket| Some(socket as u64)), Some(2), "the one that is free");
        assert_eq!(pools.pick(1, any, |_| None), None);
        assert!(pools.is_single_port(1) && !pools.is_single_port(0));
    }
}
