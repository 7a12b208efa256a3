//! Between TFTP's state machine and the event loop, which has not heard of TFTP.

mod clock;
mod failure;
mod listener;

pub(crate) use failure::failure;
pub(crate) use listener::{Listener, PassOn};

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use tftp_proto::endpoint::{self, ClientRequest, Endpoint, EndpointConfig, Job, JobResult, Shutdown, TransferId};
use tftp_proto::wire::DATA_HEADER;

use crate::protocol::{Action, Meta, Protocol, Transmit};
use crate::udp::GATHER_FROM;
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
    /// What was to be sent last.
    transmit: Option<endpoint::Transmit>,
}

impl<L> Tftp<L> {
    /// An endpoint whose time begins `now`.
    pub(crate) fn new(config: EndpointConfig, seed: u64, now: Instant, listener: L) -> Self {
        Self { endpoint: Endpoint::new(config, seed), clock: Clock::new(now), listener, transmit: None }
    }

    pub(crate) fn listener(&self) -> &L {
        &self.listener
    }

    pub(crate) fn start(&mut self, now: Instant, request: ClientRequest) -> endpoint::Started {
        self.endpoint.start(self.clock.proto(now), request)
    }

    pub(crate) fn cancel(&mut self, now: Instant, id: TransferId) {
        self.endpoint.cancel(self.clock.proto(now), id);
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
        self.endpoint.handle_datagram(self.clock.proto(now), &meta, bytes);
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Shutdown(how) => self.endpoint.shutdown(self.clock.proto(now), how),
        }
    }

    fn handle_job(&mut self, now: Instant, id: TransferId, result: JobResult) {
        self.endpoint.handle_job(self.clock.proto(now), id, result);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(self.clock.proto(now));
    }

    fn poll(&mut self, now: Instant, out: &mut [u8]) -> Action<Self> {
        loop {
            return match self.endpoint.poll_vectored(self.clock.proto(now), out, GATHER_FROM) {
                endpoint::Action::Transmit(transmit) => {
                    self.transmit = Some(transmit);
                    let endpoint::Transmit { socket, peer, local_ip, len, segment_size, body } = transmit;
                    let head = body.is_some().then_some(DATA_HEADER);
                    Action::Transmit(Transmit { socket, peer, local_ip, len, segment_size, head })
                }
                endpoint::Action::Job(id, job) => Action::Job(id, job),
                endpoint::Action::Event(event) => match self.listener.hear(event) {
                    Some(event) => Action::Event(event),
                    None => continue,
                },
                endpoint::Action::Wait(deadline) => {
                    Action::Wait(deadline.and_then(|deadline| self.clock.std(deadline)))
                }
                endpoint::Action::Finished => Action::Finished,
            };
        }
    }

    fn body(&self) -> [&[u8]; 2] {
        self.transmit.as_ref().map_or([&[], &[]], |transmit| self.endpoint.body(transmit))
    }

    fn has_one_peer(&self) -> bool {
        self.endpoint.active_transfers() <= 1
    }
}

/// The standard library's hash keys are random; that is enough for transfer identifiers.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tftp_proto::endpoint::SocketRole;

    use super::*;

    #[test]
    fn a_loop_that_waits_in_place_hears_of_a_second_client() {
        let mut config = EndpointConfig::default();
        config.sockets = vec![SocketRole::Listener { group: 0 }];
        let now = Instant::now();
        let mut protocol = Tftp::new(config, 1, now, PassOn);
        let alone = [1000, 1001].map(|port| {
            let peer = SocketAddr::from(([127, 0, 0, 1], port));
            protocol.handle_datagram(now, &Meta { socket: 0, peer, local_ip: None }, b"\0\x01name\0octet\0");
            protocol.has_one_peer()
        });
        assert_eq!(alone, [true, false]);
    }
}
