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
                    let endpoint::Transmit { socket, peer, local_ip, len, segment_size, body, .. } = transmit;
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

    fn has_sent_to_only_peer(&self) -> bool {
        self.transmit.and_then(|transmit| transmit.transfer).is_some_and(|id| self.endpoint.is_alone(id))
    }
}

/// The standard library's hash keys are random; that is enough for transfer identifiers.
pub(crate) fn random_seed() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use tftp_proto::endpoint::SocketRole;

    use super::*;

    /// A server with one socket, at one moment.
    struct Lab {
        protocol: Tftp<PassOn>,
        now: Instant,
    }

    impl Lab {
        /// Whether it has sent to its only peer, once it has seen to this packet.
        fn is_alone_after(&mut self, port: u16, packet: &[u8]) -> bool {
            let peer = SocketAddr::from(([127, 0, 0, 1], port));
            self.protocol.handle_datagram(self.now, &Meta { socket: 0, peer, local_ip: None }, packet);
            let mut out = vec![0; 65_535];
            loop {
                match self.protocol.poll(self.now, &mut out) {
                    Action::Job(id, Job::OpenRead(_)) => {
                        self.protocol.handle_job(self.now, id, JobResult::Opened { size: Some(2000) });
                    }
                    Action::Job(id, Job::Read { offset, len, .. }) => {
                        let read = JobResult::Read(Bytes::from(vec![0; (2000 - offset as usize).min(len)]));
                        self.protocol.handle_job(self.now, id, read);
                    }
                    Action::Wait(_) => return self.protocol.has_sent_to_only_peer(),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_loop_waits_in_place_for_the_only_client_and_not_for_strangers() {
        const REQUEST: &[u8] = b"\0\x01name\0octet\0";
        let mut config = EndpointConfig::default();
        config.sockets = vec![SocketRole::Listener { group: 0 }];
        let now = Instant::now();
        let mut lab = Lab { protocol: Tftp::new(config, 1, now, PassOn), now };
        assert!(!lab.is_alone_after(1000, b"\0\x01name\0mode\0"), "refused, and nobody is served");
        assert!(lab.is_alone_after(1001, REQUEST));
        assert!(!lab.is_alone_after(1000, b"\0\x01name\0mode\0"), "refused");
        assert!(lab.is_alone_after(1001, b"\0\x04\0\x01"));
        assert!(!lab.is_alone_after(1002, REQUEST), "there are two");
    }
}
