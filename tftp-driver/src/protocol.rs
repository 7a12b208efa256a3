//! What the event loop drives: a [`Protocol`] decides, a [`JobHandler`] works, and the loop carries bytes, time and
//! results between them and the sockets.

use std::convert::Infallible;
use std::future;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Index of a socket in its loop, in the order in which the sockets were given.
pub type SocketId = usize;

/// Where a datagram came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The socket it arrived on.
    pub socket: SocketId,
    /// Its source. IPv4-mapped IPv6 addresses appear as IPv4, and the flow label is always 0, so that one peer has
    /// one spelling.
    pub peer: SocketAddr,
    /// The address it was sent to, where the system tells or the socket is bound to one. Whatever was sent to an IPv4
    /// broadcast address, that of a subnet included, says `255.255.255.255`; multicast groups appear as they are.
    pub local_ip: Option<IpAddr>,
}

/// A datagram, or a train of them, to be sent. Its bytes stand in the first `len` bytes of the buffer that was given
/// to [`Protocol::poll`], unless they are in pieces.
///
/// One that names a socket that is not there, or more bytes than there are, is a fault of the protocol: the loop panics in
/// debug builds, and otherwise drops it and counts it in [`Counters::send_errors`](crate::event_loop::Counters::send_errors).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// The socket to send it from, an index of those that the loop was given.
    pub socket: SocketId,
    /// Where it goes. Nothing is ever sent to port 0 or to an unspecified address.
    pub peer: SocketAddr,
    /// The source address wanted, usually the [`Meta::local_ip`] that was asked. Ignored unless it is a unicast address
    /// that can serve as one; the system then chooses.
    pub local_ip: Option<IpAddr>,
    /// Number of bytes, of all datagrams together.
    pub len: usize,
    /// Size of each datagram of a train in bytes; the last may be shorter. `None` is one datagram of `len` bytes.
    pub segment_size: Option<usize>,
    /// If set, only so many bytes of each datagram stand in the buffer, one head behind the other. The rest of each is
    /// the next part of [`Protocol::body`].
    pub head: Option<usize>,
}

/// What a [`Protocol`] wants done next.
pub enum Action<P: Protocol> {
    /// Send what was written into the buffer.
    Transmit(Transmit),
    /// Give a job to the [`JobHandler`]; its result comes back through [`Protocol::handle_job`] under this id.
    Job(P::JobId, P::Job),
    /// Tell the owner of the loop.
    Event(P::Event),
    /// Drained: nothing to do until the next `handle_*` call, or until the deadline, if there is one.
    Wait(Option<Instant>),
    /// The protocol has ended. It is not called again, and the loop ends: a protocol whose jobs matter waits for their
    /// results before it says so.
    Finished,
}

/// A datagram protocol as a state machine, without a socket, a clock or a task.
///
/// The loop hands in what happened through the `handle_*` methods and afterwards calls [`poll`](Self::poll) until it
/// answers [`Action::Wait`]. There are two exceptions. The datagrams of a train, which the system has received from one
/// peer at once, are handed in together. And while the system refuses a datagram that was to be sent (for a second at
/// most, then it is lost), `poll` is not called, but the `handle_*` methods are. What a protocol queues in them must
/// therefore be bounded.
///
/// `now` never runs backwards. Datagrams that were already waiting are handed in before
/// [`handle_timeout`](Self::handle_timeout), so that an answer that came in time does not count as lost.
pub trait Protocol {
    /// What the owner of the loop can tell the protocol: to start, to cancel, to shut down.
    type Command;
    /// Names a job until its result is back.
    type JobId: Copy;
    /// Work that the protocol cannot do itself, such as reading a file.
    type Job;
    /// The result of a job.
    type JobResult;
    /// What the protocol tells the owner of the loop.
    type Event;

    /// A datagram has arrived. Network input is never an error: what makes no sense is for the protocol to ignore.
    fn handle_datagram(&mut self, now: Instant, meta: &Meta, bytes: &[u8]);

    /// The owner of the loop has sent a command.
    fn handle_command(&mut self, now: Instant, command: Self::Command);

    /// A job is done.
    fn handle_job(&mut self, now: Instant, id: Self::JobId, result: Self::JobResult);

    /// The deadline given with [`Action::Wait`] has passed. Calls that are early or repeated must change nothing.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to do. `out` holds at least 65,535 bytes, for the datagrams of an [`Action::Transmit`].
    fn poll(&mut self, now: Instant, out: &mut [u8]) -> Action<Self>
    where
        Self: Sized;

    /// The bytes that follow the heads of the [`Transmit`] that [`poll`](Self::poll) has just answered, in up to two
    /// pieces. They are sent from where they are.
    fn body(&self) -> [&[u8]; 2] {
        [&[], &[]]
    }

    /// Whether what [`poll`](Self::poll) has last asked to send is for the only peer that the protocol is busy with. A loop
    /// that [waits in place](crate::event_loop::EventLoop::waiting_in_place) does so for nobody else: others would have to
    /// wait, too.
    fn has_sent_to_only_peer(&self) -> bool {
        true
    }
}

/// Does the jobs of a protocol, beside it.
pub trait JobHandler<P: Protocol> {
    /// What the future of a job ends with: its id, its result and whatever state it borrowed from the handler.
    type Completion: Send;
    /// A job that takes time. The loop polls it; no task is spawned.
    type Future: Future<Output = Self::Completion> + Send;

    /// Starts a job. An answer that is at hand comes back as [`Handled::Ready`], without an allocation or a switch of
    /// task; anything that may block belongs into the future, and from there onto a thread pool.
    fn handle(&mut self, id: P::JobId, job: P::Job) -> Handled<P::JobResult, Self::Future>;

    /// Takes back what a job's future ended with, and says which job had which result.
    fn finish(&mut self, completion: Self::Completion) -> (P::JobId, P::JobResult);
}

/// How a [`JobHandler`] answers.
#[derive(Debug)]
pub enum Handled<R, F> {
    /// The result is here already.
    Ready(R),
    /// The result comes when this future ends.
    Pending(F),
}

/// The [`JobHandler`] of a protocol without jobs (its `Job` is [`Infallible`]).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJobs;

impl<P: Protocol<Job = Infallible>> JobHandler<P> for NoJobs {
    type Completion = Infallible;
    type Future = future::Pending<Infallible>;

    fn handle(&mut self, _id: P::JobId, job: Infallible) -> Handled<P::JobResult, Self::Future> {
        match job {}
    }

    fn finish(&mut self, completion: Infallible) -> (P::JobId, P::JobResult) {
        match completion {}
    }
}
