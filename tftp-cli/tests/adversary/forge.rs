//! Datagrams with another's source address, and a look at what servers say to each other. Needs root.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use crate::support::skip;

/// IPv4 as Ethernet numbers it, in network order.
const IPV4: i32 = 0x0800_u16.to_be() as i32;
const HEADERS: usize = 28;

/// Sends in anybody's name.
pub(crate) struct Forger(Socket);

impl Forger {
    /// `None`, loudly, without the right to do it.
    pub(crate) fn new() -> Option<Self> {
        let socket = allowed(Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)))?;
        socket.set_header_included_v4(true).expect("headers of our own");
        Some(Self(socket))
    }

    pub(crate) fn send(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { panic!("IPv4 only") };
        let packet = packet(from, to, payload);
        let sent = self.0.send_to(&packet, &SocketAddr::from((*to.ip(), 0)).into()).expect("sending");
        assert_eq!(sent, packet.len());
    }
}

/// An IPv4 packet. The kernel fills in its identification and checksum; UDP needs none.
fn packet(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let length = |headers: usize| u16::try_from(headers + payload.len()).expect("a small packet").to_be_bytes();
    let mut packet = vec![0x45, 0];
    packet.extend(length(HEADERS));
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(length(8));
    packet.extend([0, 0]);
    packet.extend_from_slice(payload);
    packet
}

/// Sees every IPv4 packet of this host.
pub(crate) struct Wire(Socket);

impl Wire {
    /// `None`, loudly, without the right to do it.
    pub(crate) fn new() -> Option<Self> {
        let socket = allowed(Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(IPV4))))?;
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 64 << 20);
        socket.set_nonblocking(true).expect("switching");
        Some(Self(socket))
    }

    /// The UDP datagrams seen since the last call that went from one of these hosts to another: what and to whom.
    pub(crate) fn between(&self, hosts: &[SocketAddr]) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let is_one = |ip: Ipv4Addr| hosts.iter().any(|host| host.ip() == ip);
        let mut buffer = vec![0; 65_536];
        let mut seen = Vec::new();
        while let Ok(len) = (&self.0).read(&mut buffer) {
            let [_, _, _, _, _, _, _, _, _, 17, _, _, a, b, c, d, e, f, g, h, rest @ ..] = &buffer[..len] else {
                continue;
            };
            let [p, q, r, s, _, _, _, _, payload @ ..] = rest else { continue };
            let (from, to) = (Ipv4Addr::new(*a, *b, *c, *d), Ipv4Addr::new(*e, *f, *g, *h));
            if is_one(from) && is_one(to) {
                let from = SocketAddr::from((from, u16::from_be_bytes([*p, *q])));
                let to = SocketAddr::from((to, u16::from_be_bytes([*r, *s])));
                seen.push((from, to, payload.to_vec()));
            }
        }
        seen
    }
}

fn allowed(socket: std::io::Result<Socket>) -> Option<Socket> {
    match socket {
        Ok(socket) => Some(socket),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            skip("forging a source address needs root");
            None
        }
        Err(error) => panic!("{error}"),
    }
}
