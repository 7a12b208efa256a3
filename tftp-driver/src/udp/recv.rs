//! Receiving in batches.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use quinn_udp::{RecvMeta, UdpSockRef};

use super::Socket;
use super::broadcast::Broadcasts;
use crate::protocol::{Meta, SocketId};
use crate::runtime::AsyncSocket;

/// Slots of a batch: system calls are shared by up to so many datagrams, or trains of them.
const SLOTS: usize = 16;

/// Size of a slot in bytes. The system joins datagrams of one peer into trains of up to this size, and what does not
/// fit would be cut off without notice, turning a datagram into a shorter one.
const SLOT_SIZE: usize = 65_536;

/// Whether a batch that is not full proves the socket empty. Elsewhere a batch may end early.
const PARTIAL_MEANS_EMPTY: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The receive buffers of a loop, shared by its sockets, and the datagrams in them that are still to be handled.
pub(crate) struct Inbox {
    /// All slots. Pages that no datagram reached are never touched, so small datagrams cost little memory.
    bytes: Box<[u8]>,
    metas: [RecvMeta; SLOTS],
    broadcasts: Broadcasts,
    socket: SocketId,
    filled: usize,
    slot: usize,
    offset: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; SLOTS * SLOT_SIZE].into_boxed_slice(),
            metas: [RecvMeta::default(); SLOTS],
            broadcasts: Broadcasts::default(),
            socket: 0,
            filled: 0,
            slot: 0,
            offset: 0,
        }
    }

    /// Receives a batch. What was there before must have been taken.
    pub(crate) fn fill<S: AsyncSocket>(&mut self, id: SocketId, socket: &mut Socket<S>) -> io::Result<()> {
        (self.socket, self.filled, self.slot, self.offset) = (id, 0, 0, 0);
        socket.stop_waiting()?;
        let Self { bytes, metas, filled, .. } = self;
        let slots = bytes.as_chunks_mut::<SLOT_SIZE>().0.first_chunk_mut::<SLOTS>();
        let slots = slots.ok_or_else(|| io::Error::other("the inbox has too few slots"))?;
        let mut slots = slots.each_mut().map(|slot| IoSliceMut::new(slot));
        let state = &socket.state;
        let received = socket.io.try_read(|io| {
            *filled = state.recv(UdpSockRef::from(&io.0), &mut slots, metas)?;
            // Tells the runtime that the socket is empty, which saves the system call that would find out.
            if PARTIAL_MEANS_EMPTY && *filled < SLOTS { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match received {
            Err(error) if self.filled == 0 => return Err(error),
            Err(_) | Ok(()) => {}
        }
        self.settle_addresses(socket);
        Ok(())
    }

    /// Receives one datagram, or a train of them, and waits for it as long as the socket's limit is. What was there
    /// before must have been taken.
    pub(crate) fn wait<S: AsyncSocket>(&mut self, id: SocketId, socket: &mut Socket<S>) -> io::Result<()> {
        (self.socket, self.filled, self.slot, self.offset) = (id, 0, 0, 0);
        self.metas[0] = socket.wait(&mut self.bytes[..SLOT_SIZE])?;
        self.filled = 1;
        self.settle_addresses(socket);
        Ok(())
    }

    /// Whether the last batch was more than one datagram or train.
    pub(crate) fn had_several(&self) -> bool {
        self.filled > 1
    }

    fn settle_addresses<S>(&mut self, socket: &Socket<S>) {
        // What is bound to one address is sent nothing else, unless a firewall has redirected it.
        let bound = Some(socket.local_addr.ip().to_canonical()).filter(|ip| !ip.is_unspecified());
        for meta in &mut self.metas[..self.filled] {
            if let SocketAddr::V6(v6) = meta.addr {
                meta.addr = canonical(v6);
            }
            meta.dst_ip = meta.dst_ip.or(bound).map(|ip| match ip.to_canonical() {
                IpAddr::V4(v4) if self.broadcasts.contains(v4) => Ipv4Addr::BROADCAST.into(),
                ip => ip,
            });
        }
    }

    /// The next datagram of the train that [`next`](Self::next) has begun.
    pub(crate) fn next_of_train(&mut self) -> Option<(Meta, &[u8])> {
        if self.offset == 0 { None } else { self.next() }
    }

    /// The next datagram that was received.
    pub(crate) fn next(&mut self) -> Option<(Meta, &[u8])> {
        if self.slot == self.filled {
            return None;
        }
        let received = &self.metas[self.slot];
        let meta = Meta { socket: self.socket, peer: received.addr, local_ip: received.dst_ip };
        let (slot, start) = (self.slot, self.offset);
        // An empty datagram has a stride of 0.
        let end = received.len.min(start.saturating_add(received.stride.max(1)));
        if end < received.len {
            self.offset = end;
        } else {
            (self.slot, self.offset) = (slot + 1, 0);
        }
        Some((meta, &self.bytes[slot * SLOT_SIZE..][start..end]))
    }
}

/// One spelling for each peer: IPv4 as IPv4, no flow label.
fn canonical(mut v6: SocketAddrV6) -> SocketAddr {
    match v6.ip().to_ipv4_mapped() {
        Some(v4) => (v4, v6.port()).into(),
        None => {
            v6.set_flowinfo(0);
            v6.into()
        }
    }
}

/// The spelling that a socket of this family understands.
pub(super) fn native(peer: SocketAddr, socket_is_v6: bool) -> SocketAddr {
    match peer {
        SocketAddr::V4(v4) if socket_is_v6 => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
        peer => peer,
    }
}
