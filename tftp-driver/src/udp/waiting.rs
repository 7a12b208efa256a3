//! Receiving one datagram by a system call that waits for it.
//!
//! A loop's sockets do not block, because the call that takes several datagrams would wait for all of them. To wait for
//! one a socket changes its mode, and back when the loop asks it for several again.

use std::io;
use std::time::Duration;

use super::Socket;
use crate::runtime::AsyncSocket;

#[cfg(any(target_os = "linux", target_os = "android"))]
impl<S: AsyncSocket> Socket<S> {
    /// Whoever waits does so for no longer than this.
    pub(crate) fn limit_waiting(&self, limit: Duration) -> io::Result<()> {
        use rustix::net::sockopt::{Timeout, set_socket_timeout};

        Ok(set_socket_timeout(self.io.socket().0, Timeout::Recv, Some(limit))?)
    }

    /// Whether receiving waits from now on. Sending never does.
    pub(super) fn set_waiting(&mut self, waits: bool) -> io::Result<()> {
        if self.waits != waits {
            rustix::io::ioctl_fionbio(self.io.socket().0, !waits)?;
            self.waits = waits;
        }
        Ok(())
    }
}

/// Elsewhere sending might wait, too.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl<S: AsyncSocket> Socket<S> {
    pub(crate) fn limit_waiting(&self, _limit: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn set_waiting(&mut self, waits: bool) -> io::Result<()> {
        if waits { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
    }
}
