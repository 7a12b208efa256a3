//! Limits that several endpoints can share.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use spin::Mutex;

use super::demux::Network;

/// What the endpoints of one server share: limits on what they take on together, and the names of their transfers.
///
/// At a limit the oldest transfer of the same endpoint goes whose peer has never answered: one of all, or one that was sent
/// an answer of the network that has its share. If there is none, the request is dropped in silence: boot ROMs give up on an
/// ERROR but repeat an unanswered request.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    transfers: AtomicUsize,
    opening: AtomicUsize,
    /// Held for a look-up, once at the beginning of a transfer and once at its end.
    networks: Mutex<BTreeMap<Network, usize>>,
    generation: AtomicU32,
}

/// The limits of an [`Admission`]. 0 lets nothing in; it does not mean "without a limit", which is `usize::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at once. Default 20,000.
    pub transfers: usize,
    /// Files being opened at once. Default 20,000.
    pub opening: usize,
    /// Transfers at once from one network: an IPv4 address or an IPv6 /64. Default 20,000: a whole site may boot
    /// through one relay.
    pub per_network: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { transfers: 20_000, opening: 20_000, per_network: 20_000 }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Admission {
    /// An admission with these limits and nothing admitted.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            transfers: AtomicUsize::new(0),
            opening: AtomicUsize::new(0),
            networks: Mutex::new(BTreeMap::new()),
            generation: AtomicU32::new(0),
        }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Transfers admitted now.
    #[must_use]
    pub fn transfers(&self) -> usize {
        self.transfers.load(Ordering::Relaxed)
    }

    /// Takes a place among the transfers of everybody and of this network.
    pub(super) fn take_transfer(&self, network: Network) -> Result<(), Full> {
        // Held to the end, so that two endpoints cannot both take the last place.
        let mut networks = self.networks.lock();
        let count = networks.get(&network).copied().unwrap_or(0);
        if count >= self.limits.per_network {
            return Err(Full::Network);
        }
        if !take(&self.transfers, self.limits.transfers) {
            return Err(Full::Everybody);
        }
        networks.insert(network, count + 1);
        Ok(())
    }

    pub(super) fn release_transfer(&self, network: Network) {
        self.transfers.fetch_sub(1, Ordering::Relaxed);
        let mut networks = self.networks.lock();
        if let Some(count) = networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                networks.remove(&network);
            }
        }
    }

    pub(super) fn take_opening(&self) -> bool {
        take(&self.opening, self.limits.opening)
    }

    pub(super) fn release_opening(&self) {
        self.opening.fetch_sub(1, Ordering::Relaxed);
    }

    /// A number that no other transfer has, whichever endpoint runs it: storage tells writers apart by it.
    pub(super) fn next_generation(&self) -> u32 {
        self.generation.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

/// Whose places are all taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Network,
    Everybody,
}

/// Counts one up unless the limit is reached.
fn take(count: &AtomicUsize, limit: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then(|| count + 1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const fn network(last: u8) -> Network {
        Network::V4(Ipv4Addr::new(192, 0, 2, last))
    }

    #[test]
    fn a_network_has_its_share_whichever_endpoint_asks() {
        let admission = Admission::new(Limits { transfers: 3, opening: 9, per_network: 2 });
        assert_eq!(admission.take_transfer(network(1)), Ok(()));
        assert_eq!(admission.take_transfer(network(1)), Ok(()));
        assert_eq!(admission.take_transfer(network(1)), Err(Full::Network));
        assert_eq!(admission.take_transfer(network(2)), Ok(()));
        assert_eq!(admission.take_transfer(network(2)), Err(Full::Everybody));
        assert_eq!(admission.transfers(), 3, "what was refused took no place");
        admission.release_transfer(network(1));
        assert_eq!(admission.take_transfer(network(2)), Ok(()));
        for last in [1, 2, 2] {
            admission.release_transfer(network(last));
        }
        assert_eq!(admission.transfers(), 0);
        assert!(admission.networks.lock().is_empty(), "a network without transfers takes no room");
    }

    #[test]
    fn no_generation_comes_twice() {
        let admission = Admission::default();
        assert_ne!(admission.next_generation(), admission.next_generation());
    }
}
