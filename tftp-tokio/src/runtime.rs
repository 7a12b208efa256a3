//! tokio as the runtime of the event loop.

use std::io;
use std::time::Instant;

use tftp_driver::runtime::Runtime;
use tokio::runtime::Handle;

use crate::{TokioSocket, TokioTimer};

/// The tokio runtime in whose context the loop is made and polled. It needs its I/O and time drivers (`enable_all`).
/// Time is tokio's, so it can be paused in tests, before there is a server or client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Socket = TokioSocket;
    type Timer = TokioTimer;

    fn socket(&self, socket: std::net::UdpSocket) -> io::Result<TokioSocket> {
        // Registering panics outside a runtime; an error is kinder.
        Handle::try_current().map_err(io::Error::other)?;
        TokioSocket::new(socket)
    }

    fn timer(&self) -> TokioTimer {
        TokioTimer::default()
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            // Something was dropped outside the runtime: its thread may block as well.
            Err(_) => work(),
        }
    }
}
