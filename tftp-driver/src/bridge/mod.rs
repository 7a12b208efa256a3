//! Between TFTP's state machine and the event loop, which has not heard of TFTP.

mod clock;
mod failure;
mod listener;

pub(crate) use failure::failure;
pub(crate) use listener::{Listener, PassOn};

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use tftp_proto::endpoint::{self, ClientRequest, Endpoint, EndpointConfig, Job, JobResult, Shutdown, TransferId};

use crate::protocol::{Action, Meta, Protocol, Transmit};
use clock::Clock;

/// What the owner of a loop can tell the endpoint in it.
#[derive(Debug)]
pub(crate) enum Command {
    Shutdown(Shutdown),
}

/// An [`Endpoint`] as the loop drives it. Its events pass through a [`Listener`].
#[derive(Debug)]
pub(crate) struct Tftp<L> {
    endpoint: Endpoint,
    clock: Clock,
    listener: L,
}

impl<L> Tftp<L> {
    /// An endpoint whose time begins `now`.
    pub(crate) fn new(config: EndpointConfig, seed: u64, now: Instant, listener: L) -> Self {
        Self { endpoint: Endpoint::new(config, seed), clock: Clock::new(now), listener }
    }

    pub(crate) fn listener(&self) -> &L {
        &self.listener
    }

    pub(crate) fn start(&mut self, now: Instant, request: ClientRequest) -> endpoint::Started {
        self.endpoint.start(self.clock.to_proto(now), request)
    }

    pub(crate) fn cancel(&mut self, now: Instant, id: TransferId) {
        self.endpoint.cancel(self.clock.to_proto(now), id);
    }

    pub(crate) fn transferred(&self, id: TransferId) -> Option<u64> {
        self.endpoint.transferred(id)
    }
}

impl<L: Listener> Protocol for Tftp<L> {
    type Command = Command;
    type JobId = TransferId;
    type Job = Job;
    type JobResult = JobResult;
    type Event = L::Event;

    fn handle_datagram(&mut self, now: Instant, meta: &Meta, bytes: &[u8]) {
        let meta = endpoint::Meta { socket: meta.socket, peer: meta.peer, local_ip: meta.local_ip };
        self.endpoint.handle_datagram(self.clock.to_proto(now), &meta, bytes);
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Shutdown(how) => self.endpoint.shutdown(self.clock.to_proto(now), how),
        }
    }

    fn handle_job(&mut self, now: Instant, id: TransferId, result: JobResult) {
        self.endpoint.handle_job(self.clock.to_proto(now), id, result);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(self.clock.to_proto(now));
    }

    fn poll(&mut self, now: Instant, out: &mut [u8]) -> Action<Self> {
        loop {
            return match self.endpoint.poll(self.clock.to_proto(now), out) {
                endpoint::Action::Transmit(transmit) => Action::Transmit(Transmit {
                    socket: transmit.socket,
                    peer: transmit.peer,
                    local_ip: transmit.local_ip,
                    len: transmit.len,
                    segment_size: transmit.segment_size,
                }),
                endpoint::Action::Job(id, job) => Action::Job(id, job),
                endpoint::Action::Event(event) => match self.listener.hear(event) {
                    Some(event) => Action::Event(event),
                    None => continue,
                },
                endpoint::Action::Wait(deadline) => {
                    Action::Wait(deadline.and_then(|deadline| self.clock.to_std(deadline)))
                }
                endpoint::Action::Finished => Action::Finished,
            };
        }
    }
}

/// The standard library's hash keys are random; that is enough for transfer identifiers.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}
