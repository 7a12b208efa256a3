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

/// However often a host has turned out to be as weak as is remembered: one of so many transfers tries it again.
const RAREST_TRIAL: u32 = 64;
/// Transfers that begin within this time try together: a weak host has one at a time, and what one of a crowd finds out comes
/// too late for the others.
const TOGETHER: Duration = Duration::from_millis(200);

/// The pace that each host takes, for its next transfer.
#[derive(Debug, Default)]
pub(super) struct Paths {
    map: BTreeMap<PeerKey, Memory>,
    by_age: BTreeSet<(Instant, PeerKey)>,
}

/// A host may run a stronger program than the one that was learned from: now and then a transfer tries. A host that is
/// weak loses a train each time, so the trials become rare.
#[derive(Debug)]
struct Memory {
    pace: Pace,
    learned: Instant,
    /// Transfers until the next trial, and how many there were between the last ones.
    trial_in: u32,
    between: u32,
    tried: Instant,
}

impl Paths {
    /// What the host of `peer` takes, if that was learned not long ago.
    pub(super) fn get(&mut self, now: Instant, peer: PeerKey) -> Option<Pace> {
        let memory = self.map.get_mut(&host(peer)).filter(|memory| now - memory.learned < LIFETIME)?;
        if !memory.pace.is_a_limit() {
            return Some(memory.pace);
        }
        if memory.trial_in == 0 {
            memory.between = (memory.between * 2).clamp(1, RAREST_TRIAL);
            memory.trial_in = memory.between;
            memory.tried = now;
        } else if now - memory.tried >= TOGETHER {
            memory.trial_in -= 1;
            return Some(memory.pace);
        }
        Some(memory.pace.on_trial())
    }

    /// The host of `peer` was found to take that much.
    pub(super) fn insert(&mut self, now: Instant, peer: PeerKey, pace: Pace) {
        let host = host(peer);
        let new = Memory { pace, learned: now, trial_in: 0, between: 0, tried: now };
        let memory = self.map.entry(host).or_insert(new);
        self.by_age.remove(&(memory.learned, host));
        if pace.train() > memory.pace.train() {
            // It is stronger than was thought: nothing is known of what it takes at most.
            (memory.trial_in, memory.between) = (0, 0);
        }
        // One of its programs takes everything; the one that does not may be next, and a start in short trains costs less
        // than the loss of a window.
        if pace.is_a_limit() || !memory.pace.is_a_limit() {
            (memory.pace, memory.learned) = (pace, now);
        }
        self.by_age.insert((memory.learned, host));
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
    use alloc::vec::Vec;
    use core::net::{Ipv4Addr, SocketAddr};

    fn peer(ip: u32, port: u16) -> PeerKey {
        PeerKey::new(SocketAddr::new(Ipv4Addr::from_bits(ip).into(), port))
    }

    const START: Instant = Instant::ZERO;
    /// Takes windows of eight blocks whole.
    const EIGHT: Pace = Pace::new(8, 0, 1428);

    #[test]
    fn a_host_is_remembered_whatever_its_port_and_forgotten_with_time() {
        let mut paths = Paths::default();
        paths.insert(START, peer(1, 1000), EIGHT);
        assert_eq!(paths.get(START, peer(1, 2000)), Some(EIGHT));
        assert_eq!(paths.get(START, peer(2, 1000)), None);
        let later = START + LIFETIME;
        assert_eq!(paths.get(later, peer(1, 1000)), None);
        paths.insert(later, peer(2, 1), Pace::WHOLE);
        assert_eq!(paths.map.len(), 1, "what counts no more takes no room");
    }

    #[test]
    fn what_was_learned_last_counts() {
        let mut paths = Paths::default();
        paths.insert(START, peer(1, 1), EIGHT);
        paths.insert(START + Duration::from_secs(1), peer(1, 2), Pace::WHOLE);
        assert_eq!(paths.get(START + Duration::from_secs(1), peer(1, 3)), Some(Pace::WHOLE));
        assert_eq!((paths.map.len(), paths.by_age.len()), (1, 1));
    }

    #[test]
    fn only_so_many_hosts_are_remembered() {
        let mut paths = Paths::default();
        for ip in 0..5000 {
            paths.insert(START + Duration::from_micros(u64::from(ip)), peer(ip, 1), EIGHT);
        }
        assert_eq!((paths.map.len(), paths.by_age.len()), (LIMIT, LIMIT));
        let now = START + Duration::from_secs(1);
        assert_eq!((paths.get(now, peer(4999, 1)), paths.get(now, peer(0, 1))), (Some(EIGHT), None));
    }

    const WEAK: Pace = Pace::new(8, 2, 1428);

    /// Which of the next transfers of a host, a second apart, are trials.
    fn trials(paths: &mut Paths, now: &mut Instant, count: usize) -> Vec<bool> {
        let mut is_trial = || {
            *now = *now + Duration::from_millis(1);
            let pace = paths.get(*now, peer(1, 1));
            *now = *now + TOGETHER;
            assert!(pace == Some(WEAK) || pace == Some(WEAK.on_trial()));
            pace == Some(WEAK.on_trial())
        };
        (0..count).map(|_| is_trial()).collect()
    }

    #[test]
    fn trials_of_a_weak_host_become_rare() {
        let (mut paths, mut now) = (Paths::default(), START);
        paths.insert(now, peer(1, 1), WEAK);
        assert_eq!(trials(&mut paths, &mut now, 9), [true, false, true, false, false, true, false, false, false]);
        // As weak as ever.
        paths.insert(now, peer(1, 1), WEAK);
        assert_eq!(trials(&mut paths, &mut now, 3), [false, true, false]);
        for _ in 0..10 {
            paths.insert(now, peer(1, 1), WEAK);
            assert!(trials(&mut paths, &mut now, 66).contains(&true), "rare, but not gone");
        }
        assert_eq!(paths.get(now, peer(2, 1)), None);
    }

    #[test]
    fn a_crowd_of_one_host_tries_together() {
        let mut paths = Paths::default();
        paths.insert(START, peer(1, 1), WEAK);
        for port in 0..16 {
            assert_eq!(paths.get(START + TOGETHER / 2, peer(1, port)), Some(WEAK.on_trial()));
        }
        assert_eq!(paths.get(START + TOGETHER * 2, peer(1, 1)), Some(WEAK));
    }

    #[test]
    fn a_host_of_a_strong_and_a_weak_program_is_always_tried_and_never_trusted() {
        let (mut paths, mut now) = (Paths::default(), START);
        paths.insert(now, peer(1, 1), WEAK);
        trials(&mut paths, &mut now, 5);
        for _ in 0..3 {
            paths.insert(now, peer(1, 1), Pace::WHOLE);
            assert_eq!(trials(&mut paths, &mut now, 1), [true]);
        }
        assert_eq!(paths.get(START + LIFETIME, peer(1, 1)), None, "the strong one does not remind of the weak one");
    }
}
