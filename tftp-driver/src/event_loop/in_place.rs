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

/// How long the system is asked to wait for a peer that falls silent. It takes up to two ticks of its clock: 8 ms where there
/// are 250 in a second, 20 where there are 100.
const LIMIT: Duration = Duration::from_millis(1);

/// A deadline that is nearer than those is the runtime's to wait for.
const NEAR: Duration = Duration::from_millis(20);

/// Whether a loop waits so, and whether it would be worth it now.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    wanted: bool,
    /// Then the runtime gets its thread back.
    until: Option<Instant>,
    /// From which socket and when something was last sent, if that was after something was last received or waited for.
    pub(super) last_sent: Option<(SocketId, Instant)>,
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
    /// [only one](Protocol::has_sent_to_only_peer) and there is nothing else to see to. It saves a third of the system
    /// calls, and whatever else is on the thread waits for a millisecond at a time, and for two ticks of the system's clock
    /// (8 ms at 250 Hz, 20 at 100) whenever the peer falls silent: for a thread that has little else to do.
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

    /// The runtime has reported these datagrams.
    pub(super) fn may_wait_in_place(&mut self) {
        let last_sent = self.in_place.last_sent.take();
        let is_close = last_sent.is_some_and(|(_, at)| self.now.saturating_duration_since(at) < SLICE);
        self.in_place.until = (self.in_place.wanted && is_close).then(|| self.now + SLICE);
    }

    /// Receives the next datagram where it may be waited for, if it comes soon.
    pub(super) fn receive_in_place(&mut self) -> bool {
        let (Some(until), Some((id, _))) = (self.in_place.until, self.in_place.last_sent) else { return false };
        if self.now >= until || self.deadline.is_some_and(|deadline| deadline < self.now + NEAR) {
            return false;
        }
        if self.stalled.is_some()
            || !self.jobs.is_empty()
            || self.inbox.had_several()
            || !self.protocol.has_sent_to_only_peer()
        {
            return false;
        }
        let mut others = self.ports.iter().enumerate().filter(|(other, _)| *other != id);
        if others.any(|(_, port)| port.may_have_some()) || !self.ports[id].socket.may_wait() {
            return false;
        }
        self.in_place.last_sent = None;
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
