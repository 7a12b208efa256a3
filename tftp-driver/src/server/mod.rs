//! A TFTP server as one future.

mod bind;
mod builder;
mod error;
mod handle;
mod jobs;
mod part;
mod ports;

pub use builder::ServerBuilder;
pub use error::{BindError, Warning};
pub use handle::ServerHandle;
pub use part::Part;
pub use ports::TransferPorts;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::runtime::Runtime;
use bind::Group;

/// A TFTP server: sockets that are bound, and a future that serves while it is polled.
///
/// It ends after [`ServerHandle::shutdown`] or [`ServerHandle::stop`]. Dropping it closes the sockets at once and
/// aborts the uploads in progress; nothing of them stays.
///
/// # Errors
///
/// The future fails only if the runtime it stands on has ended. What goes wrong with one transfer ends that transfer
/// and comes as an event.
#[must_use = "a server serves while it is polled: await it, or spawn it"]
pub struct Server<R> {
    driver: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
    local_addrs: Vec<SocketAddr>,
    warnings: Vec<Warning>,
    handle: ServerHandle,
    /// Behind `driver`, whose sockets close first.
    _group: Group,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime + Default> Server<R> {
    /// Settings of a server; storage is the only one that must be given.
    pub fn builder() -> ServerBuilder<R> {
        Self::builder_on(R::default())
    }
}

impl<R: Runtime> Server<R> {
    /// The same, on a runtime that has to be given.
    pub fn builder_on(runtime: R) -> ServerBuilder<R> {
        ServerBuilder::new(runtime)
    }

    /// The addresses that requests are received on, with the ports that the system chose where 0 was asked.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// What an operator should know although it kept nothing from working.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A handle, for use while the server runs.
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

impl<R> Future for Server<R> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.driver.as_mut().poll(cx)
    }
}

impl<R> fmt::Debug for Server<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("local_addrs", &self.local_addrs).finish_non_exhaustive()
    }
}
