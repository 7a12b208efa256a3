//! Sending datagrams and trains of them.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::datagrams::{Datagrams, MAX_SEGMENTS};
use super::recv::native;
use super::{MAX_DATAGRAM, Socket, system};
use crate::protocol::Transmit;
use crate::runtime::AsyncSocket;

/// What Ethernet carries in one frame, less the headers of IP (without options) and UDP.
const ETHERNET_V4: usize = 1500 - 20 - 8;
const ETHERNET_V6: usize = 1500 - 40 - 8;

/// Why the system did not take a datagram now, though it would later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The send buffer is full; the runtime tells when there is room.
    NotWritable,
    /// A queue further down is full; nothing tells when there is room.
    NoBuffers,
}

impl<S: AsyncSocket> Socket<S> {
    /// Sends what is left of a datagram or a train: the bytes from `*sent` on. `*sent` advances past what has left, or
    /// can never leave; the latter is counted in `errors`.
    pub(crate) fn send(
        &mut self,
        transmit: &Transmit,
        datagrams: &Datagrams<'_>,
        sent: &mut usize,
        errors: &mut u64,
    ) -> Result<(), Refused> {
        if transmit.peer.port() == 0 || transmit.peer.ip().is_unspecified() {
            *errors += 1;
            return Ok(());
        }
        let segment = datagrams.segment;
        let destination = native(transmit.peer, self.local_addr.is_ipv6());
        let source = self.source(transmit);
        let mut trains = segment < datagrams.len && segment <= self.segment_limit(transmit.peer);
        loop {
            let segments = if trains { self.train_length(segment) } else { 1 };
            let len = datagrams.len.saturating_sub(*sent).min(segment.saturating_mul(segments));
            let is_train = len > segment;
            let train = is_train.then_some(segment);
            let state = &self.state;
            let result = datagrams.slices(*sent..*sent + len, |slices| {
                self.io.try_write(|io| system::send(io, state, destination, source, train, slices))
            });
            match result {
                Ok(()) => *sent += len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Refused::NotWritable),
                Err(error) if is_no_buffers(&error) => return Err(Refused::NoBuffers),
                // A path narrower than thought, or no offload after all. Singly the datagrams may pass.
                Err(error) if is_train => {
                    trains = false;
                    self.trains &= !is_no_offload(&error);
                    continue;
                }
                Err(_) => {
                    *errors += 1;
                    *sent += len;
                }
            }
            if *sent >= datagrams.len {
                return Ok(());
            }
        }
    }

    /// The number of datagrams that fit into one train.
    fn train_length(&self, segment: usize) -> usize {
        // Asked anew each time: elsewhere than on Linux `quinn-udp` sets it to 1 when a train was refused for good.
        let most = if self.trains { self.state.max_gso_segments().min(MAX_SEGMENTS) } else { 1 };
        most.min(MAX_DATAGRAM / segment.max(1)).max(1)
    }

    /// The largest datagram that may go in a train. A larger one would be refused by the system, on older kernels with
    /// the error that makes us give up trains on the socket, for all peers.
    fn segment_limit(&self, peer: SocketAddr) -> usize {
        match peer.ip() {
            ip if ip.is_loopback() => MAX_DATAGRAM,
            IpAddr::V4(_) => self.segment_limit.unwrap_or(ETHERNET_V4),
            IpAddr::V6(_) => self.segment_limit.unwrap_or(ETHERNET_V6),
        }
    }

    /// The source address to name, if one has to be named and can be.
    fn source(&self, transmit: &Transmit) -> Option<IpAddr> {
        if !self.local_addr.ip().is_unspecified() {
            return None;
        }
        let ip = transmit.local_ip?;
        let usable = match (ip, transmit.peer) {
            (IpAddr::V4(ip), SocketAddr::V4(_)) => !ip.is_broadcast(),
            // A link-local source needs the interface, which only a link-local peer's address names.
            (IpAddr::V6(ip), SocketAddr::V6(peer)) => !ip.is_unicast_link_local() || peer.scope_id() != 0,
            (IpAddr::V4(_), SocketAddr::V6(_)) | (IpAddr::V6(_), SocketAddr::V4(_)) => false,
        };
        (usable && !ip.is_unspecified() && !ip.is_multicast()).then_some(ip)
    }
}

/// Whether a kernel or a card cannot do trains at all. Elsewhere `quinn-udp` finds out.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_no_offload(error: &io::Error) -> bool {
    use rustix::io::Errno;

    matches!(Errno::from_io_error(error), Some(Errno::IO | Errno::INVAL))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_no_offload(_error: &io::Error) -> bool {
    false
}

fn is_no_buffers(error: &io::Error) -> bool {
    #[cfg(unix)]
    let no_buffers = rustix::io::Errno::NOBUFS.raw_os_error();
    #[cfg(windows)]
    let no_buffers = 10055; // WSAENOBUFS
    error.raw_os_error() == Some(no_buffers)
}
