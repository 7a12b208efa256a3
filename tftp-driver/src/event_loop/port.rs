//! A socket as the loop sees it: when to ask it for datagrams, and when not to.

use std::io;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::wake::{Source, Task};
use crate::runtime::AsyncSocket;
use crate::udp::{Inbox, Socket};

/// Errors in a row after which a socket is left alone for a while.
const PATIENCE: u32 = 16;

/// How long.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) struct Port<S> {
    pub(super) socket: Socket<S>,
    source: Source,
    /// Not known to be empty.
    readable: bool,
    errors: u32,
    /// Left alone until then.
    pub(super) resume_at: Option<Instant>,
}

/// What came of an attempt to receive.
pub(super) enum Received {
    /// Datagrams are in the inbox.
    Some,
    /// There is nothing to receive at present.
    Nothing,
    /// The system reported an error, such as what came back for a datagram sent earlier.
    Failed,
}

impl<S: AsyncSocket> Port<S> {
    pub(super) fn new(socket: Socket<S>, task: &Task) -> Self {
        Self { socket, source: task.source(), readable: true, errors: 0, resume_at: None }
    }

    /// Whether an attempt to receive may bring something.
    #[inline]
    pub(super) fn may_have_some(&self) -> bool {
        self.readable || self.source.is_raised()
    }

    pub(super) fn receive(&mut self, id: usize, inbox: &mut Inbox, now: Instant) -> io::Result<Received> {
        let mut woken = self.source.take();
        self.readable |= woken;
        if !self.readable {
            return Ok(Received::Nothing);
        }
        if self.resume_at.is_some_and(|at| now < at) {
            return Ok(Received::Nothing);
        }
        self.resume_at = None;
        loop {
            // A runtime that has just woken us may still deny it when asked, until it wakes us again (async-io does when
            // its reactor was at work while we asked before). A deadline must not pass on the strength of that.
            if !std::mem::take(&mut woken) {
                match self.socket.poll_readable(&mut self.source.context()) {
                    Poll::Pending => {
                        self.readable = false;
                        return Ok(Received::Nothing);
                    }
                    Poll::Ready(ready) => ready?,
                }
            }
            match inbox.fill(id, &mut self.socket) {
                Ok(()) => {
                    self.errors = 0;
                    return Ok(Received::Some);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.errors += 1;
                    if self.errors >= PATIENCE {
                        self.errors = PATIENCE;
                        self.resume_at = Some(now + PAUSE);
                    }
                    return Ok(Received::Failed);
                }
            }
        }
    }
}
