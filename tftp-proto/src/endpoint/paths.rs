//! What was learned about hosts that were sent to: how much they take at once.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use super::demux::PeerKey;
use crate::Instant;
use crate::transfer::Pace;

/// So many hosts are remembered; beyond that the one learned about first is forgotten first.
const LIMIT: usize = 4096;
/// Hosts change: what was learned so long ago counts no more.
const LIFETIME: Duration = Duration::from_secs(600);

/// The pace that each host takes, for its next transfer.
#[derive(Debug, Default)]
pub(super) struct Paths {
    map: BTreeMap<PeerKey, (Pace, Instant)>,
    by_age: BTreeSet<(Instant, PeerKey)>,
}

impl Paths {
    /// What the host of `peer` takes, if that was learned not long ago.
    pub(super) fn get(&self, now: Instant, peer: PeerKey) -> Option<Pace> {
        let (pace, learned) = self.map.get(&host(peer))?;
        (now - *learned < LIFETIME).then_some(*pace)
    }

    /// The host of `peer` was found to take that much.
    pub(super) fn insert(&mut self, now: Instant, peer: PeerKey, pace: Pace) {
        let host = host(peer);
        if let Some((_, learned)) = self.map.insert(host, (pace, now)) {
            self.by_age.remove(&(learned, host));
        }
        self.by_age.insert((now, host));
        while let Some((learned, oldest)) = self.by_age.first().copied() {
            if self.map.len() <= LIMIT && now - learned < LIFETIME {
                return;
            }
            self.by_age.remove(&(learned, oldest));
            self.map.remove(&oldest);
        }
    }
}

/// All ports of a host are one.
const fn host(peer: PeerKey) -> PeerKey {
    peer.same_host().0
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, SocketAddr};

    fn peer(ip: u32, port: u16) -> PeerKey {
        PeerKey::new(SocketAddr::new(Ipv4Addr::from_bits(ip).into(), port))
    }

    const START: Instant = Instant::ZERO;
    const SLOW: Pace = Pace::fixed(8, Duration::from_millis(2));

    #[test]
    fn a_host_is_remembered_whatever_its_port_and_forgotten_with_time() {
        let mut paths = Paths::default();
        paths.insert(START, peer(1, 1000), SLOW);
        assert_eq!(paths.get(START, peer(1, 2000)), Some(SLOW));
        assert_eq!(paths.get(START, peer(2, 1000)), None);
        let later = START + LIFETIME;
        assert_eq!(paths.get(later, peer(1, 1000)), None);
        paths.insert(later, peer(2, 1), Pace::WHOLE);
        assert_eq!(paths.map.len(), 1, "what counts no more takes no room");
    }

    #[test]
    fn what_was_learned_last_counts() {
        let mut paths = Paths::default();
        paths.insert(START, peer(1, 1), SLOW);
        paths.insert(START + Duration::from_secs(1), peer(1, 2), Pace::WHOLE);
        assert_eq!(paths.get(START + Duration::from_secs(1), peer(1, 3)), Some(Pace::WHOLE));
        assert_eq!((paths.map.len(), paths.by_age.len()), (1, 1));
    }

    #[test]
    fn only_so_many_hosts_are_remembered() {
        let mut paths = Paths::default();
        for ip in 0..5000 {
            paths.insert(START + Duration::from_micros(u64::from(ip)), peer(ip, 1), SLOW);
        }
        assert_eq!((paths.map.len(), paths.by_age.len()), (LIMIT, LIMIT));
        let now = START + Duration::from_secs(1);
        assert_eq!((paths.get(now, peer(4999, 1)), paths.get(now, peer(0, 1))), (Some(SLOW), None));
    }
}
