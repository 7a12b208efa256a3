//! The event loop: carries datagrams, time, commands and job results into a [`Protocol`], and what it decides out.
//!
//! A loop is one future. It spawns nothing and takes no lock; whoever polls it lends it the thread. To use more
//! threads, run more loops.

mod alarm;
mod in_place;
mod port;
#[cfg(test)]
pub(crate) mod tests;
mod turn;
mod wake;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// The channel that [`EventLoop::with_commands`] takes, as [`unbounded`] makes it.
pub use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::stream::FuturesUnordered;

use crate::protocol::{JobHandler, Protocol, SocketId, Transmit};
use crate::runtime::Runtime;
use crate::udp::{BoundSocket, Inbox, Refused, Socket};
use alarm::Alarm;
use in_place::InPlace;
use port::Port;
use wake::{Source, Task};

/// Size of the buffer that [`Protocol::poll`] writes into, in bytes.
const OUT_SIZE: usize = 65_535;

/// What the loop has seen go wrong. UDP promises nothing, so none of this ends a loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams (or, rarely, trains) that the system refused to send for good, or for too long, and those that made no
    /// sense.
    pub send_errors: u64,
    /// Times that sending had to wait because a buffer of the system was full.
    pub send_stalls: u64,
    /// Errors from receiving.
    pub receive_errors: u64,
}

/// Drives a [`Protocol`] over UDP sockets.
///
/// It is a future, which ends when the protocol has ([`Action::Finished`](crate::protocol::Action::Finished)). An owner
/// with a `poll` of its own can call [`poll`](Self::poll) from there instead. Dropping it closes the sockets and drops
/// the jobs in flight.
///
/// # Errors
/// The future fails only if the runtime it stands on has ended.
pub struct EventLoop<R: Runtime, P: Protocol, H: JobHandler<P>, E> {
    runtime: R,
    protocol: P,
    handler: H,
    on_event: E,
    commands: Option<UnboundedReceiver<P::Command>>,
    command_source: Source,
    jobs: FuturesUnordered<H::Future>,
    job_source: Source,
    ports: Vec<Port<R::Socket>>,
    /// Whose turn it is to receive.
    next_port: SocketId,
    inbox: Inbox,
    out: Box<[u8]>,
    stalled: Option<Stalled>,
    alarm: Alarm<R::Timer>,
    task: Task,
    now: Instant,
    /// Nothing was done since the clock was read for this turn.
    has_just_begun: bool,
    /// What the protocol waits for.
    deadline: Option<Instant>,
    /// The protocol has said `Wait` since it was last told something.
    drained: bool,
    finished: bool,
    in_place: InPlace,
    counters: Counters,
}

/// A datagram or train that the system would not take. Its bytes are still in the buffer.
struct Stalled {
    transmit: Transmit,
    sent: usize,
    /// `None` waits for the socket to become writable.
    retry_at: Option<Instant>,
    /// Then it is lost.
    give_up_at: Instant,
}

impl<R, P, H, E> EventLoop<R, P, H, E>
where
    R: Runtime,
    P: Protocol,
    H: JobHandler<P>,
    E: FnMut(P::Event),
{
    /// A loop over these sockets, whose indices become the protocol's [`SocketId`]s. `on_event` is called from within
    /// the loop and must not block; a panic in it unwinds through the loop.
    ///
    /// # Errors
    /// If the runtime refuses a socket.
    pub fn new(
        runtime: R,
        sockets: impl IntoIterator<Item = BoundSocket>,
        protocol: P,
        handler: H,
        on_event: E,
    ) -> io::Result<Self> {
        let task = Task::default();
        let ports = sockets
            .into_iter()
            .map(|socket| Ok(Port::new(Socket::new(&runtime, socket)?, &task)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            alarm: Alarm::new(runtime.timer(), &task),
            now: runtime.now(),
            runtime,
            protocol,
            handler,
            on_event,
            commands: None,
            command_source: task.source(),
            jobs: FuturesUnordered::new(),
            job_source: task.source(),
            ports,
            next_port: 0,
            inbox: Inbox::new(),
            out: vec![0; OUT_SIZE].into_boxed_slice(),
            stalled: None,
            task,
            has_just_begun: false,
            deadline: None,
            drained: false,
            finished: false,
            in_place: InPlace::default(),
            counters: Counters::default(),
        })
    }

    /// Takes commands from this channel, which [`unbounded`] makes, besides [`command`](Self::command). Its closing means nothing.
    #[must_use]
    pub fn with_commands(mut self, commands: UnboundedReceiver<P::Command>) -> Self {
        self.commands = Some(commands);
        self.command_source.raise();
        self
    }

    /// Gives a command to the protocol at once. The loop has to be polled afterwards for it to have an effect.
    pub fn command(&mut self, command: P::Command) {
        self.tick();
        self.drained = false;
        self.protocol.handle_command(self.now, command);
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.protocol
    }

    /// The protocol, to be changed. The loop has to be polled afterwards.
    pub fn protocol_mut(&mut self) -> &mut P {
        self.drained = false;
        &mut self.protocol
    }

    /// The job handler.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// The job handler, to be changed.
    pub fn handler_mut(&mut self) -> &mut H {
        &mut self.handler
    }

    /// The runtime.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// The address that a socket is bound to, which also tells its family.
    pub fn local_addr(&self, socket: SocketId) -> Option<SocketAddr> {
        self.ports.get(socket).map(|port| port.socket.local_addr())
    }

    /// What went wrong so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

impl<R: Runtime, P: Protocol, H: JobHandler<P>, E> Unpin for EventLoop<R, P, H, E> {}

impl<R, P, H, E> Future for EventLoop<R, P, H, E>
where
    R: Runtime,
    P: Protocol,
    H: JobHandler<P>,
    E: FnMut(P::Event),
{
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        EventLoop::poll(self.get_mut(), cx)
    }
}
