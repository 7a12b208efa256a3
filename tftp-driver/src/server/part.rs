//! One event loop of a server that has several.

use std::fmt;
use std::net::SocketAddr;

use super::{BindError, Server, ServerHandle, Warning};

/// One event loop of a server, with its sockets bound, to be started on a thread of its own: see
/// [`ServerBuilder::bind_many`](super::ServerBuilder::bind_many). Dropping it closes its sockets.
#[must_use = "nobody serves before it is started"]
pub struct Part<R> {
    pub(super) start: Box<dyn FnOnce() -> Result<Server<R>, BindError> + Send>,
    pub(super) local_addrs: Vec<SocketAddr>,
    pub(super) warnings: Vec<Warning>,
    pub(super) handle: ServerHandle,
}

impl<R> Part<R> {
    /// Gives the sockets to the runtime, in whose context this must be called, if it has such a thing (tokio does). The
    /// [handle](Server::handle) of what it returns is that of the whole server.
    ///
    /// # Errors
    ///
    /// [`BindError::Runtime`] if the runtime refuses a socket, or is not running.
    pub fn start(self) -> Result<Server<R>, BindError> {
        (self.start)()
    }

    /// The addresses that requests are received on. All parts have the same.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// What an operator should know although it kept nothing from working. The first part has it.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A handle of the whole server.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl<R> fmt::Debug for Part<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("local_addrs", &self.local_addrs).finish_non_exhaustive()
    }
}
