//! UDP sockets: binding, receiving in batches, sending in trains.
//!
//! The system calls are `quinn-udp`'s, but for sending on Linux. What is added here is what a server of many peers needs on top: datagrams larger
//! than the path's MTU may leave in fragments, no peer can spoil segmentation offload for the others, and the address a
//! request was sent to is the address the answer comes from.

mod bind;
mod broadcast;
mod datagrams;
mod recv;
mod send;
mod system;
mod waiting;

pub use bind::{BindOptions, BoundSocket, bind};
pub(crate) use datagrams::{Datagrams, assemble};
pub(crate) use recv::Inbox;
pub(crate) use send::Refused;
pub(crate) use system::GATHER_FROM;
use waiting::Waiting;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use quinn_udp::UdpSocketState;

use crate::runtime::{AsyncSocket, Runtime};

/// The largest datagram UDP over IPv4 can carry, in bytes; also the largest train.
pub(crate) const MAX_DATAGRAM: usize = 65_507;

/// A bound socket in the hands of a runtime.
pub(crate) struct Socket<S> {
    io: S,
    state: UdpSocketState,
    /// The system has not refused trains for good.
    trains: bool,
    local_addr: SocketAddr,
    segment_limit: Option<usize>,
    waiting: Waiting,
}

impl<S> Socket<S> {
    pub(crate) fn new<R: Runtime<Socket = S>>(runtime: &R, bound: BoundSocket) -> io::Result<Self> {
        let BoundSocket { socket, state, local_addr, segment_limit, is_ours, .. } = bound;
        Ok(Self {
            io: runtime.socket(socket)?,
            state,
            trains: true,
            local_addr,
            segment_limit,
            waiting: Waiting::new(is_ours),
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl<S: AsyncSocket> Socket<S> {
    pub(crate) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_readable(cx)
    }

    pub(crate) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_writable(cx)
    }
}
