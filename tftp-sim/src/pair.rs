//! Two transfers against each other: a client's and a server's, without the endpoint's demultiplexing and admission.

use std::net::SocketAddr;
use std::time::Duration;

use tftp_proto::client::Asking;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::negotiate::{Parameters, grant};
use tftp_proto::transfer::{Ending, Progress, Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet, Repr};
use tftp_proto::{Instant, Rng, Stats};

use crate::content::from_netascii;
use crate::network::{Datagram, Network};

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 2000);
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 69);

/// One file to move.
#[derive(Debug, Clone)]
pub struct Case {
    /// Get or put.
    pub direction: Direction,
    /// Octet or netascii.
    pub mode: Mode,
    /// What the client asks.
    pub options: Options,
    /// What the server grants.
    pub policy: OptionPolicy,
    /// Both sides' patience.
    pub timing: Timing,
    /// The client's, where it is another.
    pub client_timing: Option<Timing>,
    /// A client that receives never sends by itself: it waits in silence, however long.
    pub silent: bool,
    /// Bytes per read of the sender.
    pub read_size: usize,
    /// How long a read or a commit takes at most.
    pub storage: Duration,
    /// The file, in local form.
    pub file: Vec<u8>,
}

impl Case {
    /// A file in octet mode over a storage that takes no time.
    #[must_use]
    pub fn new(direction: Direction, options: Options, file: Vec<u8>) -> Self {
        Self {
            direction,
            mode: Mode::Octet,
            options,
            policy: OptionPolicy { size_of_empty_files: true, ..OptionPolicy::default() },
            timing: Timing::default(),
            client_timing: None,
            silent: false,
            read_size: 4096,
            storage: Duration::ZERO,
            file,
        }
    }
}

/// How it went.
#[derive(Debug)]
pub struct Verdict {
    /// How the client's side ended.
    pub client: Ending,
    /// How the last server's side ended; `None` if no request arrived.
    pub server: Option<Ending>,
    /// What was received and committed, in local form.
    pub received: Option<Vec<u8>>,
    /// What the client agreed to.
    pub parameters: Option<Parameters>,
    /// When the last side ended.
    pub ended_at: Instant,
    /// What it cost the client.
    pub client_stats: Stats,
    /// What it cost the last server.
    pub server_stats: Stats,
    /// Every datagram that was sent, in order.
    pub log: Vec<(Instant, Datagram)>,
}

/// One side: a transfer, its file, and the answer its storage owes.
struct Side {
    transfer: Transfer<Vec<u8>>,
    address: SocketAddr,
    peer: Option<SocketAddr>,
    wire: Vec<u8>,
    committed: bool,
    deadline: Option<Instant>,
    storage_due: Option<(Instant, Owed)>,
    ending: Option<Ending>,
}

enum Owed {
    Chunk(Vec<u8>),
    Commit,
}

/// Moves one file over a network. The log costs memory: switch it off for large files.
///
/// # Panics
///
/// If the transfer never ends, loops without time passing, or breaks a rule that no schedule excuses.
#[must_use]
pub fn run(case: &Case, mut network: Network, seed: u64, keep_log: bool) -> Verdict {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let asking = Asking {
        direction: case.direction,
        mode: case.mode,
        options: case.options,
        fall_back: true,
        timing: case.client_timing.unwrap_or(case.timing),
    };
    let mut now = Instant::ZERO;
    let mut sides = vec![Side::new(Transfer::ask(now, asking, case.read_size, seed), CLIENT, None)];
    let mut log = Vec::new();
    let mut out = vec![0; 70_000];
    loop {
        while let Some(datagram) = network.receive(now) {
            deliver(case, &mut sides, now, &datagram, seed);
        }
        for side in &mut sides {
            side.advance(case, now, &mut rng, &mut out, |datagram| {
                if keep_log {
                    log.push((now, datagram.clone()));
                }
                network.send(now, datagram);
            });
        }
        if network.next_arrival().is_some_and(|at| at <= now) {
            continue;
        }
        let next = sides.iter().filter_map(Side::next).chain(network.next_arrival()).min();
        let Some(next) = next else { break };
        assert!(next > now, "time stands still at {now:?}");
        now = next;
        assert!(now < Instant::ZERO + Duration::from_secs(36_000), "the transfer does not end");
    }
    verdict(sides, case, now, log)
}

/// A datagram reaches the side it is for; a request makes a new server.
fn deliver(case: &Case, sides: &mut Vec<Side>, now: Instant, datagram: &Datagram, seed: u64) {
    let Ok(packet) = Packet::parse(&datagram.bytes) else { return };
    if let Packet::Request(request) = packet {
        if sides.iter().any(|side| side.address != CLIENT && side.ending.is_none()) {
            return;
        }
        let size = (request.direction == Direction::Read).then_some(case.file.len() as u64);
        let asked = request.options.parse().options;
        let settled = grant(&asked, request.direction, request.mode, &case.policy, size);
        let transfer = match request.direction {
            Direction::Read => Transfer::serve_read(now, settled, case.timing, case.read_size, seed + 1),
            Direction::Write => Transfer::serve_write(now, settled, case.timing, seed + 1),
        };
        let port = 50_000 + u16::try_from(sides.len()).unwrap_or(0);
        sides.push(Side::new(transfer, SocketAddr::new(SERVER.ip(), port), Some(CLIENT)));
        return;
    }
    for side in sides {
        if side.address != datagram.to || side.ending.is_some() {
            continue;
        }
        // The client's side takes the server's new port from the first answer, and keeps it.
        if *side.peer.get_or_insert(datagram.from) == datagram.from {
            side.take(case, now, &packet);
        }
    }
}

impl Side {
    fn new(transfer: Transfer<Vec<u8>>, address: SocketAddr, peer: Option<SocketAddr>) -> Self {
        Self {
            transfer,
            address,
            peer,
            wire: Vec::new(),
            committed: false,
            deadline: None,
            storage_due: None,
            ending: None,
        }
    }

    fn take(&mut self, _case: &Case, now: Instant, packet: &Packet<'_>) {
        match self.transfer.handle_packet(now, packet) {
            Progress::Data { payload, last } => {
                assert!(!self.committed, "data after the end");
                self.wire.extend_from_slice(payload);
                if last {
                    self.storage_due = Some((now, Owed::Commit));
                }
            }
            Progress::Advanced => {
                // A server that asks to start over answers from a new port.
                if self.transfer.is_asking() {
                    self.peer = None;
                }
            }
            Progress::Ignored => {}
        }
    }

    /// Storage and timers that are due, then everything the transfer wants.
    fn advance(&mut self, case: &Case, now: Instant, rng: &mut Rng, out: &mut [u8], mut send: impl FnMut(Datagram)) {
        if self.ending.is_some() {
            return;
        }
        if self.storage_due.as_ref().is_some_and(|(at, _)| *at <= now) {
            match self.storage_due.take() {
                Some((_, Owed::Chunk(chunk))) => self.transfer.handle_chunk(chunk),
                Some((_, Owed::Commit)) => {
                    self.committed = true;
                    self.transfer.committed(now);
                }
                None => {}
            }
        }
        if !self.is_silent(case) {
            self.transfer.handle_timeout(now);
        }
        for turn in 0.. {
            assert!(turn < 10_000, "a transfer that never waits");
            match self.transfer.poll(now, out) {
                TransferAction::Request(options) => {
                    let repr = Repr::Request { direction: case.direction, filename: b"file", mode: case.mode, options };
                    let len = repr.emit(out).unwrap_or(0);
                    send(Datagram { from: self.address, to: SERVER, bytes: out[..len].to_vec() });
                }
                TransferAction::Transmit { len, segment_size, .. } => {
                    assert!(len > 0, "an empty transmission");
                    let Some(peer) = self.peer else { continue };
                    for bytes in out[..len].chunks(segment_size.unwrap_or(len)) {
                        send(Datagram { from: self.address, to: peer, bytes: bytes.to_vec() });
                    }
                }
                TransferAction::Read { offset, len, .. } => {
                    assert!(self.storage_due.is_none(), "two reads at once");
                    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(case.file.len());
                    let chunk = case.file[start..case.file.len().min(start + len)].to_vec();
                    if case.storage.is_zero() {
                        self.transfer.handle_chunk(chunk);
                    } else {
                        let micros = u32::try_from(case.storage.as_micros()).unwrap_or(u32::MAX);
                        let delay = Duration::from_micros(1 + u64::from(rng.below(micros)));
                        self.storage_due = Some((now + delay, Owed::Chunk(chunk)));
                    }
                }
                TransferAction::Wait(deadline) => {
                    let deadline = deadline.filter(|_| !self.is_silent(case));
                    assert!(deadline.is_none_or(|deadline| deadline > now), "a deadline in the past");
                    self.deadline = deadline;
                    return;
                }
                TransferAction::Ended(ending) => {
                    self.ending = Some(ending);
                    return;
                }
            }
        }
    }

    fn is_silent(&self, case: &Case) -> bool {
        let receiving = self.transfer.receiver().is_some_and(|receiver| !receiver.is_complete());
        case.silent && self.address == CLIENT && receiving
    }

    fn next(&self) -> Option<Instant> {
        if self.ending.is_some() {
            return None;
        }
        self.deadline.into_iter().chain(self.storage_due.as_ref().map(|(at, _)| *at)).min()
    }
}

fn verdict(mut sides: Vec<Side>, case: &Case, now: Instant, log: Vec<(Instant, Datagram)>) -> Verdict {
    let client = sides.remove(0);
    let parameters = client.transfer.parameters().copied();
    let client_stats = client.transfer.stats();
    let client_ending = client.ending;
    assert!(client_ending.is_some(), "the client did not end: {:?}", client.transfer);
    assert!(sides.iter().all(|side| side.ending.is_some()), "a server did not end");
    let server_stats = sides.last().map(|side| side.transfer.stats()).unwrap_or_default();
    let server = sides.last().and_then(|side| side.ending);
    let receivers = match case.direction {
        Direction::Read => vec![client],
        Direction::Write => sides,
    };
    let local = |wire: Vec<u8>| if case.mode == Mode::Netascii { from_netascii(&wire) } else { wire };
    let received = receivers.into_iter().find(|side| side.committed).map(|side| local(side.wire));
    Verdict {
        client: client_ending.unwrap_or(Ending::Failed),
        server,
        received,
        parameters,
        ended_at: now,
        client_stats,
        server_stats,
        log,
    }
}
