//! A server's endpoint among many clients. The files do not end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tftp_proto::Instant;
use tftp_proto::endpoint::{Action, Disposition, Endpoint, EndpointConfig, Job, JobResult, Meta, SocketId, SocketRole};
use tftp_proto::wire::{Direction, Mode, Options, Repr};

use crate::{Case, Operation};

pub(crate) const CASES: &[Case] = &[
    ("endpoint: an ACK and the next 1428, one client", || serve(1, 1)),
    ("endpoint: an ACK and the next 1428, 1,000 clients", || serve(1_000, 1)),
    ("endpoint: an ACK and the next 1428, 10,000 clients", || serve(10_000, 1)),
    ("endpoint: an ACK and the next 16 x 1428, 1,000 clients", || serve(1_000, 16)),
    ("endpoint: 1428 of an upload and its ACK, 1,000 clients", || take(1_000, 1)),
    ("endpoint: 16 x 1428 of an upload and the ACK, one client", || take(1, 16)),
    ("endpoint: 16 x 1428 of an upload and the ACK, 1,000 clients", || take(1_000, 16)),
    ("endpoint: a stray ACK, 1,000 clients", stray),
];

const LISTENER: SocketId = 0;

struct Server {
    endpoint: Endpoint,
    now: Instant,
    file: Bytes,
    out: Vec<u8>,
    /// Where each client is served, and the last block it got.
    clients: Vec<(Meta, u16)>,
    turn: usize,
}

fn server(direction: Direction, clients: u32, window_size: u16) -> Server {
    let mut config = EndpointConfig::default();
    config.sockets = vec![SocketRole::Listener { group: 0 }, SocketRole::Transfer { group: 0 }];
    let mut server = Server {
        endpoint: Endpoint::new(config, 1),
        now: Instant::ZERO,
        file: Bytes::from(vec![0; 1 << 20]),
        out: vec![0; 65_536],
        clients: Vec::new(),
        turn: 0,
    };
    let options = Options { block_size: Some(1428), window_size: Some(window_size), ..Options::NONE };
    let mut bytes = [0; 100];
    for number in 0..clients {
        // One writer for each name.
        let name = number.to_string();
        let request = Repr::Request { direction, filename: name.as_bytes(), mode: Mode::Octet, options };
        let len = request.emit(&mut bytes).unwrap();
        let peer = SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0001 + number), 2000));
        let meta = Meta { socket: LISTENER, peer, local_ip: None };
        let answer = server.receive(meta, &bytes[..len]);
        server.clients.push(answer.expect("no answer"));
    }
    server
}

fn serve(clients: u32, window_size: u16) -> Operation {
    let mut server = server(Direction::Read, clients, window_size);
    // The OACKs, and the windows that are sent more carefully.
    for _ in 0..30 * clients {
        server.next_window();
    }
    Box::new(move || server.next_window())
}

fn take(clients: u32, window_size: u16) -> Operation {
    let mut server = server(Direction::Write, clients, window_size);
    let mut data = [0; 4 + 1428];
    Box::new(move || server.take_window(&mut data, window_size))
}

fn stray() -> Operation {
    let mut server = server(Direction::Read, 1_000, 1);
    let meta = Meta { peer: SocketAddr::from(([10, 9, 9, 9], 9)), ..server.clients[0].0 };
    Box::new(move || {
        let ignored = server.endpoint.handle_datagram(server.now, &meta, &[0, 4, 0, 1]);
        assert!(matches!(ignored, Disposition::Ignored(_)));
    })
}

impl Server {
    /// The next client acknowledges what it has, and gets what follows.
    fn next_window(&mut self) {
        self.turn = (self.turn + 1) % self.clients.len();
        let (meta, block) = self.clients[self.turn];
        let [high, low] = block.to_be_bytes();
        if let Some(client) = self.receive(meta, &[0, 4, high, low]) {
            self.clients[self.turn] = client;
        }
    }

    /// The next client sends a window, in one train, and gets its ACK.
    fn take_window(&mut self, data: &mut [u8], window_size: u16) {
        self.turn = (self.turn + 1) % self.clients.len();
        let (meta, block) = self.clients[self.turn];
        self.now = self.now + Duration::from_micros(1);
        for block in (1..=window_size).map(|ahead| block.wrapping_add(ahead)) {
            data[..4].copy_from_slice(&[0, 3, block.to_be_bytes()[0], block.to_be_bytes()[1]]);
            self.endpoint.handle_datagram(self.now, &meta, data);
        }
        self.clients[self.turn] = self.answer(meta).expect("no ACK");
    }

    /// Where the answer to a datagram came from, and its last block.
    fn receive(&mut self, meta: Meta, bytes: &[u8]) -> Option<(Meta, u16)> {
        self.now = self.now + Duration::from_micros(1);
        self.endpoint.handle_datagram(self.now, &meta, bytes);
        self.answer(meta)
    }

    fn answer(&mut self, meta: Meta) -> Option<(Meta, u16)> {
        let mut answer = None;
        loop {
            match self.endpoint.poll(self.now, &mut self.out) {
                Action::Job(id, Job::OpenRead(_) | Job::OpenWrite(_)) => {
                    self.endpoint.handle_job(self.now, id, JobResult::Opened { size: None });
                }
                Action::Job(id, Job::Read { len, .. }) => {
                    self.endpoint.handle_job(self.now, id, JobResult::Read(self.file.slice(..len)));
                }
                Action::Job(id, Job::Write { .. }) => self.endpoint.handle_job(self.now, id, JobResult::Written),
                Action::Transmit(transmit) => {
                    let segment = transmit.segment_size.unwrap_or(transmit.len);
                    let last = self.out[..transmit.len].chunks(segment).last().unwrap();
                    // An OACK counts as block 0.
                    let block = if last[1] == 6 { 0 } else { u16::from_be_bytes([last[2], last[3]]) };
                    answer = Some((Meta { socket: transmit.socket, ..meta }, block));
                }
                Action::Event(_) => {}
                Action::Wait(_) => return answer,
                action => panic!("{action:?}"),
            }
        }
    }
}
