//! tokio as the runtime of the event loop.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tftp_driver::runtime::{Runtime, Timer};
use tokio::runtime::Handle;
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

use crate::TokioSocket;

/// The tokio runtime in whose context the loop is made and polled. It needs its I/O and time drivers (`enable_all`).
/// Time is tokio's, so it can be paused in tests.
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
        TokioTimer(None)
    }

    fn now(&self) -> Instant {
        TokioInstant::now().into_std()
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            // Something was dropped outside the runtime: its thread may block as well.
            Err(_) => work(),
        }
    }
}

/// A tokio timer, made when it is first armed.
#[derive(Debug)]
pub struct TokioTimer(Option<Pin<Box<Sleep>>>);

impl Timer for TokioTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let deadline = TokioInstant::from_std(deadline);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}
