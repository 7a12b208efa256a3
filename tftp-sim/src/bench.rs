//! One endpoint on a network that loses nothing and takes no time: a test is then a dialogue, line by line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::config::Timing;
use tftp_proto::endpoint::{
    ClientRequest, Disposition, EndpointConfig, Event, Outcome, Report, SocketId, SocketRole, TransferId,
};
use tftp_proto::wire::{Direction, Mode, Options};

use crate::network::{Datagram, Faults};
use crate::node::Node;
use crate::store::Store;
use crate::world::{Arrival, World};

/// An IPv4 address and port.
#[must_use]
pub const fn address(ip: [u8; 4], port: u16) -> SocketAddr {
    let [a, b, c, d] = ip;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)
}

/// Where a server listens.
pub const SERVER: SocketAddr = address([10, 0, 0, 1], 69);
/// From where a server played by hand answers.
pub const TID: SocketAddr = address([10, 0, 0, 1], 50_001);
/// A client played by hand.
pub const PEER: SocketAddr = address([10, 0, 0, 2], 1024);
/// Another one, on another host.
pub const OTHER: SocketAddr = address([10, 0, 0, 3], 1024);
/// A client endpoint's first socket.
pub const US: SocketAddr = address([10, 0, 0, 2], 40_000);

/// Transfer sockets of a server.
pub const POOL: u16 = 4;
/// Sockets of a client endpoint.
const CLIENT_SOCKETS: u16 = 4;

/// A server's configuration and the addresses of its sockets: one listener and a pool of `pool` transfer sockets.
#[must_use]
pub fn server_config(ip: Ipv4Addr, pool: u16) -> (EndpointConfig, Vec<SocketAddr>) {
    let mut config = EndpointConfig::default();
    config.sockets = vec![SocketRole::Listener { group: 0 }];
    let mut addresses = vec![SocketAddr::new(ip.into(), 69)];
    for number in 0..pool {
        config.sockets.push(SocketRole::Transfer { group: 0 });
        addresses.push(SocketAddr::new(ip.into(), 50_001 + number));
    }
    (config, addresses)
}

/// A client's configuration and the addresses of its sockets.
#[must_use]
pub fn client_config(ip: Ipv4Addr, sockets: u16) -> (EndpointConfig, Vec<SocketAddr>) {
    let mut config = EndpointConfig::default();
    config.sockets = vec![SocketRole::Client; usize::from(sockets)];
    (config, (0..sockets).map(|number| SocketAddr::new(ip.into(), 40_000 + number)).collect())
}

/// A request as a client's owner makes it, without options, from one socket to one server.
#[must_use]
pub fn ask(socket: SocketId, server: SocketAddr, direction: Direction, name: &str) -> ClientRequest {
    ClientRequest {
        servers: vec![(socket, server)],
        local_ip: None,
        direction,
        filename: name.as_bytes().to_vec(),
        mode: Mode::Octet,
        options: Options::NONE,
        fall_back: true,
        accept_any_source: false,
        timing: Timing::default(),
        gather: 1,
        max_size: i64::MAX as u64,
    }
}

/// One endpoint, and hands to play everybody else.
#[derive(Debug)]
pub struct Bench {
    /// The world; the endpoint is its first node.
    pub world: World,
}

impl Bench {
    /// A server at [`SERVER`] with a pool of transfer sockets.
    #[must_use]
    pub fn server() -> Self {
        Self::server_with(|_| {})
    }

    /// A server with its configuration changed.
    #[must_use]
    pub fn server_with(change: impl FnOnce(&mut EndpointConfig)) -> Self {
        let (mut config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), POOL);
        change(&mut config);
        Self::of(Node::new(config, addresses, 1))
    }

    /// A server that answers from the port it listens on.
    #[must_use]
    pub fn single_port_server() -> Self {
        let (config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 0);
        Self::of(Node::new(config, addresses, 1))
    }

    /// A client whose first socket is [`US`].
    #[must_use]
    pub fn client() -> Self {
        let (config, addresses) = client_config(Ipv4Addr::new(10, 0, 0, 2), CLIENT_SOCKETS);
        Self::of(Node::new(config, addresses, 1))
    }

    /// One endpoint, made by the caller.
    #[must_use]
    pub fn of(node: Node) -> Self {
        let mut world = World::new(Faults::default(), 1);
        world.add(node);
        Self { world }
    }

    /// The endpoint's storage.
    pub fn store(&mut self) -> &mut Store {
        &mut self.node().store
    }

    /// The endpoint's host.
    pub fn node(&mut self) -> &mut Node {
        &mut self.world.nodes[0]
    }

    /// Sends a datagram by hand and answers what comes back to its source at once.
    pub fn say(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<Vec<u8>>) -> Vec<Vec<u8>> {
        self.world.send(from, to, bytes);
        self.world.settle();
        self.heard(from)
    }

    /// Hands a datagram over and answers what the endpoint said of it; replies wait in the inbox.
    pub fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<Vec<u8>>) -> Option<Disposition> {
        let disposition = self.world.deliver(&Datagram { from, to, bytes: bytes.into() });
        self.world.settle();
        disposition
    }

    /// A request by hand, which must be answered with one datagram: the answer and where it came from.
    pub fn request(&mut self, from: SocketAddr, bytes: impl Into<Vec<u8>>) -> (SocketAddr, Vec<u8>) {
        self.world.send(from, SERVER, bytes);
        self.world.settle();
        let mut arrivals = self.world.take(from);
        assert_eq!(arrivals.len(), 1, "one answer: {arrivals:?}");
        let Arrival { from, bytes, .. } = arrivals.remove(0);
        (from, bytes)
    }

    /// What has come to an address since the last look.
    pub fn heard(&mut self, at: SocketAddr) -> Vec<Vec<u8>> {
        self.world.take(at).into_iter().map(|arrival| arrival.bytes).collect()
    }

    /// Lets time pass and answers what came to an address, and how long after the start.
    pub fn wait(&mut self, at: SocketAddr, time: Duration) -> Vec<(Duration, Vec<u8>)> {
        let start = self.world.now();
        self.world.run_for(time);
        self.world.take(at).into_iter().map(|arrival| (arrival.at - start, arrival.bytes)).collect()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Starts a get from [`SERVER`] in octet mode.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn get(&mut self, name: &str, options: Options) -> TransferId {
        self.start(ClientRequest { options, ..ask(0, SERVER, Direction::Read, name) }, None)
    }

    /// Starts a put to [`SERVER`] in octet mode.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn put(&mut self, name: &str, options: Options, content: impl Into<Vec<u8>>) -> TransferId {
        self.start(ClientRequest { options, ..ask(0, SERVER, Direction::Write, name) }, Some(content.into()))
    }

    /// Starts any request; `content` is what a put sends.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[allow(clippy::panic, reason = "a test's verdict")]
    pub fn start(&mut self, request: ClientRequest, content: Option<Vec<u8>>) -> TransferId {
        let started = match content {
            Some(content) => self.world.put(0, request, content),
            None => self.world.get(0, request),
        };
        self.world.settle();
        match started {
            Ok(id) => id,
            Err(error) => panic!("{error}"),
        }
    }

    /// How transfers have ended so far, in that order.
    #[must_use]
    pub fn reports(&self) -> &[Report] {
        self.world.nodes[0].ledger.reports()
    }

    /// How the only transfers so far have ended.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.reports().iter().map(|report| report.outcome.clone()).collect()
    }

    /// Every event so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        self.world.nodes[0].ledger.events()
    }

    /// Transfers that are under way.
    #[must_use]
    pub fn active(&self) -> usize {
        self.world.nodes[0].endpoint.active_transfers()
    }

    /// Lets everything run out and checks that nothing was forgotten.
    pub fn rest(&mut self) {
        self.world.run_to_rest(Duration::from_secs(3600));
    }
}
