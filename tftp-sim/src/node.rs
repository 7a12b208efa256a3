//! One host: an endpoint, its sockets, its storage.

use std::fmt;
use std::net::SocketAddr;

use tftp_proto::Instant;
use tftp_proto::endpoint::{Action, Endpoint, EndpointConfig, SocketId, TransferId};

use crate::ledger::Ledger;
use crate::network::Datagram;
use crate::sendmsg::datagrams;
use crate::store::Store;

/// What a drain of an endpoint brought.
#[derive(Debug, Default)]
pub struct Drained {
    /// Datagrams to send, in order.
    pub datagrams: Vec<Datagram>,
    /// Whether there was nothing more to do.
    pub complete: bool,
}

/// A host.
pub struct Node {
    /// The protocol.
    pub endpoint: Endpoint,
    /// Its storage.
    pub store: Store,
    /// What it owes.
    pub ledger: Ledger,
    sockets: Vec<SocketAddr>,
    deadline: Option<Instant>,
    is_finished: bool,
    is_drained: bool,
    out: Vec<u8>,
}

impl Node {
    /// A host whose sockets have these addresses, in the order of the configuration.
    #[must_use]
    pub fn new(config: EndpointConfig, sockets: Vec<SocketAddr>, seed: u64) -> Self {
        assert_eq!(config.sockets.len(), sockets.len(), "an address for each socket");
        Self {
            endpoint: Endpoint::new(config, seed),
            store: Store::new(seed),
            ledger: Ledger::default(),
            sockets,
            deadline: None,
            is_finished: false,
            is_drained: true,
            out: vec![0; 70_000],
        }
    }

    /// The socket with this address; any socket with this port if the address is a broadcast's. None once the endpoint
    /// has said that it is finished: its owner has closed them.
    #[must_use]
    pub fn socket_at(&self, address: SocketAddr) -> Option<SocketId> {
        if self.is_finished {
            return None;
        }
        let for_all = address.ip().is_multicast() || address.ip() == std::net::Ipv4Addr::BROADCAST;
        self.sockets.iter().position(|socket| *socket == address || (for_all && socket.port() == address.port()))
    }

    /// The addresses of the sockets.
    #[must_use]
    pub fn sockets(&self) -> &[SocketAddr] {
        &self.sockets
    }

    /// When the endpoint or its storage wants to act next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let deadline = if self.is_finished { None } else { self.deadline };
        deadline.into_iter().chain(self.store.next_answer()).min()
    }

    /// When the endpoint's own timers want to act next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the endpoint was shut down and has said that it is finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Whether the endpoint has said that there is nothing more to do.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// Takes the endpoint's actions, at most `limit`. `error_from`: who has just sent an ERROR.
    ///
    /// # Panics
    ///
    /// If an invariant is broken.
    pub fn drain(&mut self, now: Instant, limit: usize, error_from: Option<SocketAddr>) -> Drained {
        let mut drained = Drained::default();
        // One input may concern every transfer (a timeout), and each of them may send a window in several trains.
        let bound = 4_000 + 100 * self.endpoint.active_transfers();
        for count in 0..limit {
            assert!(count < bound, "an endpoint that never waits");
            match self.endpoint.poll_vectored(now, &mut self.out, 0) {
                Action::Transmit(transmit) => {
                    assert!(!self.is_finished, "a transmission after the end");
                    let body = transmit.body.map(|_| self.endpoint.body(&transmit));
                    let datagrams = datagrams(&self.out, transmit.len, transmit.segment_size, body);
                    Ledger::check_transmit(&transmit, &datagrams.concat(), error_from);
                    let mut from = self.sockets[transmit.socket];
                    if let Some(ip) = transmit.local_ip {
                        from.set_ip(ip);
                    }
                    let to = transmit.peer;
                    drained.datagrams.extend(datagrams.into_iter().map(|bytes| Datagram { from, to, bytes }));
                }
                Action::Job(id, job) => {
                    self.ledger.note_job(id, &job);
                    self.store.submit(now, id, job);
                }
                Action::Event(event) => self.ledger.note_event(event),
                Action::Wait(deadline) => {
                    assert!(!self.is_finished, "an endpoint that waits after its end");
                    self.deadline = deadline;
                    drained.complete = true;
                    break;
                }
                Action::Finished => {
                    self.is_finished = true;
                    self.deadline = None;
                    drained.complete = true;
                    break;
                }
            }
        }
        self.is_drained = drained.complete;
        drained
    }

    /// After a complete drain: timers that are due, as often as a real loop would call them.
    ///
    /// # Panics
    ///
    /// If that would be for ever, or if a call that comes too early changes anything.
    pub fn handle_timeouts(&mut self, now: Instant) -> Vec<Datagram> {
        let mut datagrams = Vec::new();
        if self.is_finished {
            return datagrams;
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.endpoint.handle_timeout(now);
            datagrams = self.drain(now, usize::MAX, None).datagrams;
            assert!(self.is_finished || self.deadline.is_none_or(|deadline| deadline > now), "a busy loop");
        }
        if !self.is_finished {
            let before = self.deadline;
            self.endpoint.handle_timeout(now);
            let again = self.drain(now, 1, None);
            assert!(again.complete && before == self.deadline, "an early call of handle_timeout changes something");
        }
        datagrams
    }

    /// Whether this host has nothing left to do, ever: checks that nothing was forgotten.
    ///
    /// # Panics
    ///
    /// If something was.
    pub fn assert_at_rest(&self) {
        assert_eq!(self.next(), None, "something is still to come");
        let silenced = self.store.silenced();
        assert!(self.endpoint.active_transfers() <= silenced, "transfers are left");
        // A commit that is never answered has no end: its result is the outcome.
        let owed = self.ledger.owed().find(|id| !self.store.is_silenced(*id));
        assert_eq!(owed, None, "a transfer never told its end");
        assert_eq!(self.store.leaks().next(), None, "a file was never closed");
    }

    /// Notes a transfer that was started, and opens its sink (get) or its source (put).
    pub fn note_start(&mut self, id: TransferId, source: Option<Vec<u8>>) {
        self.ledger.note_start(id);
        match source {
            Some(content) => self.store.adopt_source(id, content),
            None => self.store.adopt_sink(id),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("sockets", &self.sockets)
            .field("deadline", &self.deadline)
            .field("is_finished", &self.is_finished)
            .finish_non_exhaustive()
    }
}
