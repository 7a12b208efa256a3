//! Hosts, a network between them, peers moved by hand, and virtual time over all of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tftp_proto::endpoint::{ClientRequest, Disposition, Meta, Shutdown, StartError, TransferId};
use tftp_proto::{Instant, Rng};

use crate::network::{Datagram, Faults, Network};
use crate::node::Node;
use crate::packet::{describe, opcode};
use crate::trace::Trace;

/// A datagram that reached an address where no host of the world lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When.
    pub at: Instant,
    /// Its source.
    pub from: SocketAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// The network.
    pub network: Network,
    /// The hosts.
    pub nodes: Vec<Node>,
    now: Instant,
    inboxes: BTreeMap<SocketAddr, Vec<Arrival>>,
    trace: Trace,
    rng: Rng,
    partial_drains: bool,
    bytes_sent: u64,
}

impl World {
    /// An empty world whose whole course follows from `seed` and what the test does.
    #[must_use]
    pub fn new(faults: Faults, seed: u64) -> Self {
        Self {
            network: Network::new(faults, seed),
            nodes: Vec::new(),
            now: Instant::from_micros(1_000_000),
            inboxes: BTreeMap::new(),
            trace: Trace::default(),
            rng: Rng::new(seed ^ 0xd1a1),
            partial_drains: false,
            bytes_sent: 0,
        }
    }

    /// Lets a host live here; answers its number.
    pub fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// From now on drains stop at random, as a loop whose socket is full would, and are taken up later.
    pub fn drain_in_parts(&mut self) {
        self.partial_drains = true;
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// What happened.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Bytes of payload that the hosts have sent.
    #[must_use]
    pub const fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// What has arrived at an address since the last call.
    pub fn take(&mut self, address: SocketAddr) -> Vec<Arrival> {
        self.inboxes.remove(&address).unwrap_or_default()
    }

    /// Sends a datagram by hand.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<Vec<u8>>) {
        let datagram = Datagram { from, to, bytes: bytes.into() };
        self.network.send(self.now, datagram);
    }

    /// Starts a get.
    ///
    /// # Errors
    ///
    /// What the endpoint answers.
    pub fn get(&mut self, node: usize, request: ClientRequest) -> Result<TransferId, StartError> {
        self.start(node, request, None)
    }

    /// Starts a put of some content.
    ///
    /// # Errors
    ///
    /// What the endpoint answers.
    pub fn put(&mut self, node: usize, request: ClientRequest, content: Vec<u8>) -> Result<TransferId, StartError> {
        self.start(node, request, Some(content))
    }

    fn start(
        &mut self,
        node: usize,
        request: ClientRequest,
        source: Option<Vec<u8>>,
    ) -> Result<TransferId, StartError> {
        let host = &mut self.nodes[node];
        let id = host.endpoint.start(self.now, request)?;
        host.note_start(id, source);
        self.trace.note(self.now, &id.to_u64().to_le_bytes(), || format!("node {node} starts {id:?}"));
        self.drain(node, None);
        Ok(id)
    }

    /// Cancels a transfer.
    pub fn cancel(&mut self, node: usize, id: TransferId) {
        self.nodes[node].endpoint.cancel(self.now, id);
        self.drain(node, None);
    }

    /// Shuts an endpoint down.
    pub fn shutdown(&mut self, node: usize, how: Shutdown) {
        self.nodes[node].endpoint.shutdown(self.now, how);
        self.drain(node, None);
    }

    /// Hands a datagram to a host at once, past the network, and says what became of it.
    pub fn deliver(&mut self, datagram: &Datagram) -> Option<Disposition> {
        let Datagram { from, to, bytes } = datagram;
        self.trace.note(self.now, bytes, || format!("{from} > {to} {}", describe(bytes)));
        let found = self.nodes.iter().enumerate().find_map(|(node, host)| Some((node, host.socket_at(*to)?)));
        let Some((node, socket)) = found else {
            let arrival = Arrival { at: self.now, from: *from, bytes: bytes.clone() };
            self.inboxes.entry(*to).or_default().push(arrival);
            return None;
        };
        if self.nodes[node].is_finished() {
            // Its loop has ended and its sockets are closed.
            return None;
        }
        let meta = Meta { socket, peer: *from, local_ip: Some(to.ip()) };
        let disposition = self.nodes[node].endpoint.handle_datagram(self.now, &meta, bytes);
        let error_from = (opcode(bytes) == Some(5) && self.nodes[node].is_drained()).then_some(*from);
        self.drain(node, error_from);
        Some(disposition)
    }

    fn drain(&mut self, node: usize, error_from: Option<SocketAddr>) {
        let limit = match self.partial_drains && self.rng.below(3) == 0 {
            true => usize::try_from(self.rng.below(4)).unwrap_or(0),
            false => usize::MAX,
        };
        let drained = self.nodes[node].drain(self.now, limit, error_from);
        self.send_all(drained.datagrams);
    }

    fn send_all(&mut self, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            self.bytes_sent += datagram.bytes.len() as u64;
            self.network.send(self.now, datagram);
        }
    }

    /// Does one thing that is due now: a datagram, else a storage answer, else timers. Answers whether there was one.
    fn act(&mut self) -> bool {
        if let Some(datagram) = self.network.receive(self.now) {
            self.deliver(&datagram);
            return true;
        }
        for node in 0..self.nodes.len() {
            if let Some((id, result)) = self.nodes[node].store.answer(self.now) {
                self.trace.note(self.now, &id.to_u64().to_le_bytes(), || format!("node {node} {id:?} {result:?}"));
                self.nodes[node].endpoint.handle_job(self.now, id, result);
                self.drain(node, None);
                return true;
            }
        }
        for node in 0..self.nodes.len() {
            if !self.nodes[node].is_drained() {
                let drained = self.nodes[node].drain(self.now, usize::MAX, None);
                self.send_all(drained.datagrams);
                return true;
            }
        }
        let mut acted = false;
        for node in 0..self.nodes.len() {
            let due = self.nodes[node].deadline().is_some_and(|deadline| deadline <= self.now);
            let datagrams = self.nodes[node].handle_timeouts(self.now);
            acted |= due;
            self.send_all(datagrams);
        }
        acted
    }

    /// Lets everything happen that happens now.
    ///
    /// # Panics
    ///
    /// If that never ends, or an invariant is broken.
    pub fn settle(&mut self) {
        for count in 0.. {
            assert!(count < 1_000_000, "time stands still");
            if !self.act() {
                break;
            }
        }
    }

    /// When something happens next by itself.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.nodes.iter().filter_map(Node::next).chain(self.network.next_arrival()).min()
    }

    /// Lets everything happen up to and including a moment, which it is then.
    pub fn run_until(&mut self, until: Instant) {
        self.settle();
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = until.max(self.now);
    }

    /// Lets some time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Lets everything happen until nothing is left to happen, then checks that nothing was forgotten.
    ///
    /// # Panics
    ///
    /// If that takes more than `limit`, or something was forgotten.
    pub fn run_to_rest(&mut self, limit: Duration) {
        let end = self.now + limit;
        self.settle();
        while let Some(next) = self.next() {
            assert!(next <= end, "not at rest after {limit:?}");
            self.now = next.max(self.now);
            self.settle();
        }
        for node in &self.nodes {
            node.assert_at_rest();
        }
    }
}
