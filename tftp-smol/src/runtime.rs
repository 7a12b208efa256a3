//! smol as the runtime of the event loop; any executor that leaves I/O to `async-io`, as async-std's does, is as good.

use std::io;
use std::net::UdpSocket;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::Async;
use tftp_driver::runtime::{AsyncSocket, Runtime, SocketRef};

use crate::SmolTimer;

/// The process-wide reactor of `async-io` and the thread pool of `blocking`. The executor is the caller's choice.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smol;

impl Runtime for Smol {
    type Socket = SmolSocket;
    type Timer = SmolTimer;

    fn socket(&self, socket: UdpSocket) -> io::Result<SmolSocket> {
        Ok(SmolSocket { socket: Async::new_nonblocking(socket)?, readable: true, writable: true })
    }

    fn timer(&self) -> SmolTimer {
        SmolTimer::default()
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        blocking::unblock(work).detach();
    }
}

/// A UDP socket registered with `async-io`.
///
/// `async-io` remembers no readiness: asked, it always waits for the next report of the system. So it is asked only once
/// an operation has found nothing.
#[derive(Debug)]
pub struct SmolSocket {
    socket: Async<UdpSocket>,
    readable: bool,
    writable: bool,
}

impl AsyncSocket for SmolSocket {
    fn socket(&self) -> SocketRef<'_> {
        SocketRef::from(self.socket.get_ref())
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_ready(&mut self.readable, || self.socket.poll_readable(cx))
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_ready(&mut self.writable, || self.socket.poll_writable(cx))
    }

    fn try_read<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
        attempt(&mut self.readable, || operation(SocketRef::from(self.socket.get_ref())))
    }

    fn try_write<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
        attempt(&mut self.writable, || operation(SocketRef::from(self.socket.get_ref())))
    }
}

fn poll_ready(ready: &mut bool, poll: impl FnOnce() -> Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    if *ready {
        return Poll::Ready(Ok(()));
    }
    let poll = poll();
    *ready = matches!(poll, Poll::Ready(Ok(())));
    poll
}

fn attempt<T>(ready: &mut bool, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let result = operation();
    if let Err(error) = &result
        && error.kind() == io::ErrorKind::WouldBlock
    {
        *ready = false;
    }
    result
}
