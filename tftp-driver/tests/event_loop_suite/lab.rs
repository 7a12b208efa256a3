//! A protocol that does as it is told, and the jobs to go with it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_channel::oneshot;
use tftp_driver::protocol::{Action, Handled, JobHandler, Meta, Protocol, SocketId, Transmit};
use tftp_driver::runtime::Runtime;

#[derive(Debug)]
pub(crate) enum Command {
    Send { socket: SocketId, peer: SocketAddr, local_ip: Option<IpAddr>, bytes: Vec<u8>, segment: Option<usize> },
    Job(u32, Job),
    ShutDown,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Datagram(Meta, Vec<u8>),
    JobDone(u32, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Answered on the spot.
    Ready,
    /// Answered by the thread pool.
    Pending,
    /// Not answered at all.
    Never,
}

#[derive(Default)]
pub(crate) struct Lab {
    commands: VecDeque<Command>,
    events: VecDeque<Event>,
}

impl Protocol for Lab {
    type Command = Command;
    type JobId = u32;
    type Job = Job;
    type JobResult = &'static str;
    type Event = Event;

    fn handle_datagram(&mut self, _now: Instant, meta: &Meta, bytes: &[u8]) {
        self.events.push_back(Event::Datagram(*meta, bytes.to_vec()));
    }

    fn handle_command(&mut self, _now: Instant, command: Command) {
        self.commands.push_back(command);
    }

    fn handle_job(&mut self, _now: Instant, id: u32, result: &'static str) {
        self.events.push_back(Event::JobDone(id, result));
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll(&mut self, _now: Instant, out: &mut [u8]) -> Action<Self> {
        if let Some(event) = self.events.pop_front() {
            return Action::Event(event);
        }
        match self.commands.pop_front() {
            Some(Command::Send { socket, peer, local_ip, bytes, segment }) => {
                out[..bytes.len()].copy_from_slice(&bytes);
                Action::Transmit(Transmit {
                    socket,
                    peer,
                    local_ip,
                    len: bytes.len(),
                    segment_size: segment,
                    head: None,
                })
            }
            Some(Command::Job(id, job)) => Action::Job(id, job),
            Some(Command::ShutDown) => Action::Finished,
            None => Action::Wait(None),
        }
    }
}

/// Counts what came back from the futures.
pub(crate) struct Jobs<R> {
    pub(crate) runtime: R,
    pub(crate) finished: Arc<AtomicUsize>,
}

impl<R: Runtime> JobHandler<Lab> for Jobs<R> {
    type Completion = (u32, &'static str);
    type Future = Pin<Box<dyn Future<Output = Self::Completion> + Send>>;

    fn handle(&mut self, id: u32, job: Job) -> Handled<&'static str, Self::Future> {
        match job {
            Job::Ready => Handled::Ready("at once"),
            Job::Never => Handled::Pending(Box::pin(std::future::pending())),
            Job::Pending => {
                let (done, result) = oneshot::channel();
                self.runtime.spawn_blocking(Box::new(move || {
                    let _ = done.send("later");
                }));
                Handled::Pending(Box::pin(async move { (id, result.await.unwrap_or("lost")) }))
            }
        }
    }

    fn finish(&mut self, completion: Self::Completion) -> (u32, &'static str) {
        self.finished.fetch_add(1, Ordering::Relaxed);
        completion
    }
}
