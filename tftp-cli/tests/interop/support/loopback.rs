//! Addresses that no other test uses.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// A loopback address of one's own: any port on it is free, also one that is fixed or was given back just now.
pub(crate) fn unique_loopback() -> IpAddr {
    // All of 127.0.0.0/8 is local on Linux. The upper half of it, so that well-known ones stay away.
    let random = RandomState::new().hash_one(std::process::id());
    let [a, b, c, ..] = random.to_le_bytes();
    IpAddr::V4(Ipv4Addr::new(127, a | 0x80, b, c.clamp(1, 254)))
}

/// A port that is free on `ip`.
pub(super) fn free_port(ip: IpAddr) -> u16 {
    UdpSocket::bind((ip, 0)).and_then(|socket| socket.local_addr()).expect("a free port").port()
}
