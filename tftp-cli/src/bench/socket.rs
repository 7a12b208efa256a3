//! One client's socket.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Type};

use super::plan::Plan;

/// Datagrams, or trains of them, that one system call receives at most.
const SLOTS: usize = 8;
/// A train may be as long as this; what does not fit would be cut off without notice.
const SLOT_SIZE: usize = 1 << 16;
/// Receive buffers are at least about this large without asking.
const DEFAULT_BUFFER: usize = 200 << 10;
/// Whether a batch that is not full proves the socket empty.
const PARTIAL_MEANS_EMPTY: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) io: UdpSocket,
    state: UdpSocketState,
    /// Datagrams up to this size may leave in trains.
    segment_limit: usize,
    /// Receiving waits.
    blocking: bool,
}

/// What was received, or room for it; one for all sockets of a thread.
pub(super) struct Inbox {
    bytes: Box<[u8]>,
    metas: [RecvMeta; SLOTS],
}

impl Socket {
    pub(super) fn open(plan: &Plan) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(plan.server), Type::DGRAM, Some(Protocol::UDP))?;
        let window = plan.window_bytes();
        if window > DEFAULT_BUFFER / 2 {
            // As much as the system grants; a shortfall shows as retransmissions.
            let _ = socket.set_recv_buffer_size(2 * window);
            let _ = socket.set_send_buffer_size(2 * window);
        }
        socket.bind(&plan.local.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        linux::prepare(&socket, plan)?;
        let segment_limit = match plan.server {
            _ if !plan.offload => 0,
            server if server.ip().is_loopback() => SLOT_SIZE,
            SocketAddr::V4(_) => 1500 - 20 - 8,
            SocketAddr::V6(_) => 1500 - 40 - 8,
        };
        Ok(Self { io: UdpSocket::from_std(socket.into()), state, segment_limit, blocking: false })
    }

    /// Lets receiving wait for a datagram, but not longer than `patience`.
    pub(super) fn block(&mut self, patience: Duration) -> io::Result<()> {
        let socket = SockRef::from(&self.io);
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(patience))?;
        self.blocking = true;
        Ok(())
    }

    /// Hands datagrams that have arrived to `each`. `false`: there are no more for now.
    pub(super) fn receive(&self, inbox: &mut Inbox, mut each: impl FnMut(SocketAddr, &[u8])) -> io::Result<bool> {
        let Inbox { bytes, metas } = inbox;
        let mut slots = bytes.chunks_exact_mut(SLOT_SIZE);
        let mut slots: [IoSliceMut<'_>; SLOTS] =
            std::array::from_fn(|_| IoSliceMut::new(slots.next().unwrap_or_default()));
        // A blocking socket would wait until all slots are full.
        let usable = if self.blocking { &mut slots[..1] } else { &mut slots[..] };
        let limit = usable.len();
        let received = match self.io.try_io(|| self.state.recv(UdpSockRef::from(&self.io), usable, metas)) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        for (meta, slot) in metas.iter().zip(bytes.chunks_exact(SLOT_SIZE)).take(received) {
            let train = slot.get(..meta.len).unwrap_or_default();
            // An empty datagram has a stride of 0, and no datagram can mean anything that is empty.
            for datagram in train.chunks(meta.stride.max(1)) {
                each(meta.addr, datagram);
            }
        }
        Ok(!self.blocking && (received == limit || !PARTIAL_MEANS_EMPTY))
    }

    /// Sends a datagram or a train. `is_lost` says of each datagram whether it is lost on the way.
    pub(super) fn send(
        &self,
        destination: SocketAddr,
        bytes: &[u8],
        segment_size: Option<usize>,
        mut is_lost: Option<impl FnMut() -> bool>,
    ) -> io::Result<()> {
        let size = segment_size.unwrap_or(bytes.len()).max(1);
        let is_train = size < bytes.len();
        let offload = size <= self.segment_limit && bytes.len().div_ceil(size) <= self.state.max_gso_segments();
        if is_lost.is_none() && (offload || !is_train) {
            return self.transmit(destination, bytes, is_train.then_some(size));
        }
        for datagram in bytes.chunks(size) {
            if !is_lost.as_mut().is_some_and(|is_lost| is_lost()) {
                self.transmit(destination, datagram, None)?;
            }
        }
        Ok(())
    }

    fn transmit(&self, destination: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        let send = || self.io.try_io(|| self.state.try_send(UdpSockRef::from(&self.io), &transmit));
        match send() {
            // The queue is full: whatever else this thread could do has to pass the same queue.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let socket = SockRef::from(&self.io);
                socket.set_nonblocking(false)?;
                let sent = send();
                socket.set_nonblocking(!self.blocking)?;
                sent
            }
            sent => sent,
        }
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self { bytes: vec![0; SLOTS * SLOT_SIZE].into(), metas: [RecvMeta::default(); SLOTS] }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::io;

    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };

    use super::Plan;

    /// Blocks above the path's MTU leave in fragments, which `quinn-udp` does not want for QUIC.
    pub(super) fn prepare(socket: &socket2::Socket, plan: &Plan) -> io::Result<()> {
        use nix::sys::socket::{setsockopt, sockopt};

        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
        if plan.server.is_ipv6() {
            set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
            setsockopt(socket, sockopt::Ipv6DontFrag, &false)?;
        }
        if !plan.offload {
            setsockopt(socket, sockopt::UdpGroSegment, &false)?;
        }
        // `quinn-udp` asks for the time, the class of service and the destination of each datagram, which nobody reads.
        setsockopt(socket, sockopt::ReceiveTimestampns, &false)?;
        match plan.server.is_ipv6() {
            true => {
                setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false)?;
                socket.set_recv_tclass_v6(false)?;
            }
            false => {
                setsockopt(socket, sockopt::Ipv4PacketInfo, &false)?;
                socket.set_recv_tos_v4(false)?;
            }
        }
        Ok(())
    }
}
