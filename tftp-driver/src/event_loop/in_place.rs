//! Waiting for a datagram in a system call of our own, past the runtime.
//!
//! A peer that sends one datagram, or one train, and waits for the answer costs the runtime a turn for each: to find out
//! that the socket is empty, to wait for it, to be woken. The system can wait and receive at once.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::EventLoop;
use crate::protocol::{JobHandler, Protocol, SocketId};
use crate::runtime::Runtime;

/// How long a loop goes on so before the runtime gets its thread back, whoever polls the loop in the meantime. A peer that
/// takes as long for its answers is the runtime's to wait for: there is nothing to be saved.
const SLICE: Duration = Duration::from_millis(1);

/// How long the system is asked to wait for a peer that falls silent. It takes two ticks of its clock: 8 ms, where there
/// are 250 in a second.
const LIMIT: Duration = Duration::from_millis(1);

/// A deadline that is nearer than those is the runtime's to wait for.
const NEAR: Duration = Duration::from_millis(10);

/// Whether a loop waits so, and whether it would be worth it now.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    wanted: bool,
    /// Then the runtime gets its thread back.
    until: Option<Instant>,
    /// Where and when something was sent since a datagram was received, and not waited for in vain yet.
    pub(super) answered: Option<(SocketId, Instant)>,
}

impl InPlace {
    /// Leaves the waiting to the runtime until it has reported something.
    pub(super) fn stop(&mut self) {
        self.until = None;
    }
}

impl<R, P, H, E> EventLoop<R, P, H, E>
where
    R: Runtime,
    P: Protocol,
    H: JobHandler<P>,
    E: FnMut(P::Event),
{
    /// Waits on its thread for a peer that answers within a millisecond, as long as it is the
    /// [only one](Protocol::has_one_peer) and there is nothing else to wait for. It saves a third of the system calls, and
    /// whatever else is on the thread waits for a millisecond at a time, or once for some 10 until it is clear that the
    /// peer has fallen silent: for a thread that has little else to do.
    ///
    /// On Linux and Android; elsewhere, and for sockets that were bound by others, nothing changes.
    #[must_use]
    pub fn waiting_in_place(mut self) -> Self {
        self.in_place.wanted = true;
        for port in &mut self.ports {
            port.socket.limit_waiting(LIMIT);
        }
        self
    }

    /// The runtime had its thread, and has reported datagrams.
    pub(super) fn may_wait_in_place(&mut self) {
        let answered = self.in_place.answered.take();
        let is_close = answered.is_some_and(|(_, at)| self.now.saturating_duration_since(at) < SLICE);
        self.in_place.until = (self.in_place.wanted && is_close).then(|| self.now + SLICE);
    }

    /// Receives the next datagram where it may be waited for, if it comes soon.
    pub(super) fn receive_in_place(&mut self) -> bool {
        let (Some(until), Some((id, _))) = (self.in_place.until, self.in_place.answered) else { return false };
        if self.now >= until || self.deadline.is_some_and(|deadline| deadline < self.now + NEAR) {
            return false;
        }
        if self.stalled.is_some() || !self.jobs.is_empty() || self.inbox.had_several() || !self.protocol.has_one_peer()
        {
            return false;
        }
        let mut others = self.ports.iter().enumerate().filter(|(other, _)| *other != id);
        if others.any(|(_, port)| port.may_have_some()) || !self.ports[id].socket.may_wait() {
            return false;
        }
        self.in_place.answered = None;
        let received = self.inbox.wait(id, &mut self.ports[id].socket);
        self.tick();
        if let Err(error) = &received
            && !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
        {
            self.counters.receive_errors += 1;
        }
        received.is_ok()
    }
}
