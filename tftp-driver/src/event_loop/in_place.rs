//! Waiting for a datagram in a system call of our own, past the runtime.
//!
//! A peer that sends one datagram and waits for the answer costs the runtime a turn for each: to find out that the socket
//! is empty, to wait for it, to be woken. The system can wait and receive at once.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::EventLoop;
use crate::protocol::{JobHandler, Protocol};
use crate::runtime::Runtime;

/// How long the system waits, and for how long a loop goes on so before the runtime gets its thread back, whoever polls
/// the loop in the meantime. Whatever else is on the thread has to wait for the sum of both.
const PATIENCE: Duration = Duration::from_millis(10);

/// Whether a loop waits so, and whether it would be worth it now.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    wanted: bool,
    /// Then the runtime gets its thread back.
    until: Option<Instant>,
    /// Something was sent since a datagram was received, and not waited for in vain yet.
    pub(super) has_answered: bool,
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
    /// Waits on its thread for a peer that sends one datagram at a time and has been answered, unless there is something else
    /// to wait for. It saves a third of the system calls, and keeps the thread for up to 20 ms at a time: for a
    /// thread that has little else to do. On Linux and Android; elsewhere, and where a socket does not allow it, nothing
    /// changes.
    #[must_use]
    pub fn waiting_in_place(mut self) -> Self {
        self.in_place.wanted = self.ports.iter().all(|port| port.socket.limit_waiting(PATIENCE).is_ok());
        self
    }

    /// The runtime had its thread, and has reported datagrams.
    pub(super) fn may_wait_in_place(&mut self) {
        self.in_place.until = self.in_place.wanted.then(|| self.now + PATIENCE);
        self.in_place.has_answered = false;
    }

    /// Receives the next datagram where it may be waited for, if it comes soon.
    pub(super) fn receive_in_place(&mut self) -> bool {
        let Some(until) = self.in_place.until else { return false };
        if !self.in_place.has_answered || self.stalled.is_some() || !self.jobs.is_empty() {
            return false;
        }
        if self.now >= until || self.deadline.is_some_and(|deadline| deadline < self.now + PATIENCE) {
            return false;
        }
        let Some(id) = self.inbox.single() else { return false };
        if self.ports.iter().enumerate().any(|(other, port)| other != id && port.may_have_some()) {
            return false;
        }
        self.in_place.has_answered = false;
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
