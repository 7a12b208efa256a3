//! Which destination addresses are broadcasts.
//!
//! The broadcast address of a subnet looks like any other. As the source of an answer the system refuses it with the
//! same error that `quinn-udp` takes for a lack of segmentation offload, which it then gives up for good.

use std::net::Ipv4Addr;

/// Addresses remembered; a host has a handful, so this is reached only where a whole prefix is local.
const CAPACITY: usize = 64;

/// Remembers what the interfaces said about each address.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    known: Vec<(Ipv4Addr, bool)>,
}

impl Broadcasts {
    pub(super) fn contains(&mut self, ip: Ipv4Addr) -> bool {
        if ip.is_loopback() {
            return ip == Ipv4Addr::new(127, 255, 255, 255);
        }
        if let Some(&(_, known)) = self.known.iter().find(|(known, _)| *known == ip) {
            return known;
        }
        if self.known.len() == CAPACITY {
            self.known.clear();
        }
        let found = ip.is_broadcast() || is_subnet_broadcast(ip);
        self.known.push((ip, found));
        found
    }
}

#[cfg(unix)]
fn is_subnet_broadcast(ip: Ipv4Addr) -> bool {
    use nix::sys::socket::SockaddrStorage;

    let is = |addr: Option<SockaddrStorage>| {
        addr.as_ref().and_then(SockaddrStorage::as_sockaddr_in).is_some_and(|addr| addr.ip() == ip)
    };
    let mut broadcast = false;
    for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        // Some clouds give an interface a /32 whose broadcast address is its own.
        if is(interface.address) {
            return false;
        }
        broadcast |= is(interface.broadcast);
    }
    broadcast
}

#[cfg(not(unix))]
fn is_subnet_broadcast(_ip: Ipv4Addr) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasts_are_told_from_unicast() {
        let mut broadcasts = Broadcasts::default();
        assert!(broadcasts.contains(Ipv4Addr::BROADCAST));
        assert!(broadcasts.contains(Ipv4Addr::new(127, 255, 255, 255)));
        assert!(!broadcasts.contains(Ipv4Addr::LOCALHOST));
        assert!(!broadcasts.contains(Ipv4Addr::new(127, 0, 0, 2)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut broadcasts = Broadcasts::default();
        for last in 0..=255 {
            broadcasts.contains(Ipv4Addr::new(198, 51, 100, last));
        }
        assert!(broadcasts.known.len() <= CAPACITY);
    }
}
