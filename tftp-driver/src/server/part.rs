//! One event loop of a server that has several.

use std::fmt;

use super::{BindError, Server};

/// One more event loop of a server, with its sockets bound, to be started on a thread of its own: see
/// [`ServerBuilder::bind_many`](super::ServerBuilder::bind_many). Its clients wait until it is started.
///
/// Dropping it closes its sockets, and the system spreads the clients over the loops that are left. Do so before the
/// others run: the system may move their clients, too, and with [`TransferPorts::Single`](super::TransferPorts::Single) a
/// transfer ends where its client is moved.
#[must_use = "nobody serves before it is started"]
pub struct Part<R>(pub(super) Box<dyn FnOnce() -> Result<Server<R>, BindError> + Send>);

impl<R> Part<R> {
    /// Gives the sockets to the runtime, in whose context this must be called, if it has such a thing (tokio does). The
    /// [handle](Server::handle) of what it returns is that of the whole server.
    ///
    /// # Errors
    ///
    /// [`BindError::Runtime`] if the runtime refuses a socket, or is not running.
    ///
    /// # Panics
    ///
    /// Under tokio, in a runtime without its I/O driver (`enable_io`, or `enable_all`).
    pub fn start(self) -> Result<Server<R>, BindError> {
        (self.0)()
    }
}

impl<R> fmt::Debug for Part<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}
