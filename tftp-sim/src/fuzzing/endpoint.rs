use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tftp_proto::endpoint::{FailureKind, Shutdown, SocketRole, TransferId};
use tftp_proto::wire::{Direction, Mode, Options};

use super::script::Script;
use crate::bench::{address, ask, server_config};
use crate::network::Faults;
use crate::node::Node;
use crate::packet::{ack, data, error, oack, request};
use crate::store::{Fate, JobKind};
use crate::world::World;

/// A server and client in one endpoint, moved by the input: datagrams of four peers (raw, or well formed so that the
/// input gets somewhere), time, storage that fails, cancelling, shutting down. The invariants are the world's.
///
/// # Panics
///
/// If an invariant is broken.
pub fn endpoint(input: &[u8]) {
    let mut script = Script::new(input);
    let mut play = Play::new(script.byte());
    // Long inputs repeat themselves; the fuzzer gains nothing from them.
    for _ in 0..200 {
        if script.is_empty() {
            break;
        }
        play.turn(&mut script);
    }
    play.world.run_to_rest(Duration::from_secs(3600));
}

struct Play {
    world: World,
    sockets: Vec<SocketAddr>,
    started: Vec<TransferId>,
}

const PEERS: [SocketAddr; 4] = [
    address([10, 0, 0, 2], 1024),
    address([10, 0, 0, 2], 1025),
    address([10, 0, 0, 3], 69),
    // Where the client's requests go, and from where its answers may come.
    address([10, 0, 0, 9], 50_000),
];

const OPTIONS: [(&str, &str); 8] = [
    ("blksize", "8"),
    ("windowsize", "4"),
    ("tsize", "0"),
    ("timeout", "1"),
    ("rollover", "1"),
    ("utimeout", "20000"),
    ("blksize2", "1024"),
    ("multicast", ""),
];

impl Play {
    fn new(kind: u8) -> Self {
        let pool = u16::from(kind % 3);
        let (mut config, mut sockets) = server_config(Ipv4Addr::new(10, 0, 0, 1), pool);
        config.sockets.push(SocketRole::Client);
        sockets.push(address([10, 0, 0, 1], 40_000));
        if kind & 0x40 != 0 {
            config.buffer_budget = 0;
        }
        config.max_upload = 100_000;
        let mut node = Node::new(config, sockets.clone(), 1);
        node.store.insert("a", crate::content::bytes(1, 5000));
        node.store.insert("b", crate::content::text(2, 512));
        node.store.overwrite = kind & 0x20 != 0;
        let mut world = World::new(Faults::default(), 1);
        world.add(node);
        if kind & 0x80 != 0 {
            world.drain_in_parts();
        }
        Self { world, sockets, started: Vec::new() }
    }

    fn turn(&mut self, script: &mut Script<'_>) {
        let operation = script.byte();
        match operation % 9 {
            0 => {
                let len = usize::from(script.byte());
                let bytes = script.bytes(len).to_vec();
                self.send(script, bytes);
            }
            1 => {
                let [steps, unit] = [script.byte(), script.byte()];
                let unit = [1, 100, 1_000, 50_000][usize::from(unit % 4)];
                self.world.run_for(Duration::from_micros(u64::from(steps) * unit));
            }
            2 => {
                let name = script.pick(&[&b"a"[..], b"b", b"new", b"absent"]);
                let options = chosen(script.byte());
                let mode = script.pick(&["octet", "octet", "netascii", "mail"]);
                self.send_to(script, 0, request(1 + (operation / 9) % 2, name, mode, &options));
            }
            3 => {
                let block = u16::from(script.byte());
                let len = script.pick(&[0, 1, 8, 511, 512, 513]);
                self.send(script, data(block, &crate::content::bytes(u64::from(block), len)));
            }
            4 => {
                let block = u16::from(script.byte());
                self.send(script, ack(block));
            }
            5 => {
                let code = u16::from(script.byte());
                self.send(script, error(code, "bye"));
            }
            6 => {
                let options = chosen(script.byte());
                self.send(script, oack(&options));
            }
            7 => self.start(script),
            _ => self.interfere(script),
        }
        self.world.settle();
        for peer in PEERS {
            self.world.take(peer);
        }
    }

    /// To a socket of the script's choice.
    fn send(&mut self, script: &mut Script<'_>, bytes: Vec<u8>) {
        let socket = usize::from(script.byte()) % self.sockets.len();
        self.send_to(script, socket, bytes);
    }

    fn send_to(&mut self, script: &mut Script<'_>, socket: usize, bytes: Vec<u8>) {
        let from = script.pick(&PEERS);
        self.world.send(from, self.sockets[socket], bytes);
    }

    fn start(&mut self, script: &mut Script<'_>) {
        let kind = script.byte();
        let direction = if kind & 1 == 0 { Direction::Read } else { Direction::Write };
        let mut request = ask(self.sockets.len() - 1, address([10, 0, 0, 9], 69), direction, "file");
        request.mode = if kind & 2 == 0 { Mode::Octet } else { Mode::Netascii };
        request.options = Options {
            block_size: (kind & 4 != 0).then_some(8),
            window_size: (kind & 8 != 0).then_some(4),
            transfer_size: (kind & 16 != 0).then_some(0),
            ..Options::NONE
        };
        request.accept_any_source = kind & 32 != 0;
        request.max_size = 100_000;
        let started = match direction {
            Direction::Read => self.world.get(0, request),
            Direction::Write => self.world.put(0, request, crate::content::text(3, 3000)),
        };
        self.started.extend(started.ok());
    }

    /// Storage that fails, and the owner's own calls.
    fn interfere(&mut self, script: &mut Script<'_>) {
        let kinds = [
            JobKind::OpenRead,
            JobKind::OpenWrite,
            JobKind::Read,
            JobKind::Write,
            JobKind::Commit,
            JobKind::Abort,
            JobKind::Close,
        ];
        match script.byte() {
            254.. if self.world.nodes[0].is_finished() => {}
            254 => self.world.shutdown(0, Shutdown::Graceful),
            255 => self.world.shutdown(0, Shutdown::Immediate),
            200..=253 => {
                let opened = self.world.nodes[0].store.log().last().map(|asked| asked.id);
                if let Some(id) = self.started.last().copied().or(opened) {
                    self.world.cancel(0, id);
                }
            }
            choice => {
                let kind = kinds[usize::from(choice) % kinds.len()];
                let delay = Duration::from_millis(u64::from(script.byte()) * 300);
                let fate = match choice / 7 % 4 {
                    0 => Fate::After(delay),
                    1 => Fate::Fails(delay, FailureKind::Full),
                    2 => Fate::Fails(delay, FailureKind::Exhausted),
                    _ => Fate::Never,
                };
                self.world.nodes[0].store.script(kind, usize::from(choice / 64), fate);
            }
        }
    }
}

fn chosen(mask: u8) -> Vec<(&'static str, &'static str)> {
    let is_chosen = |(place, option)| (mask >> place & 1 == 1).then_some(option);
    OPTIONS.into_iter().enumerate().filter_map(is_chosen).collect()
}
