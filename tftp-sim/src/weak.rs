//! A receiver that is weaker than its network: a ring of a few buffers, emptied at some rate, behind a fast link.
//!
//! The smallest real ones have 16 to 64 frames and lose the end of every burst that is longer. Here one
//! [`Transfer`] sends through such a ring to another. Virtual time is kept in
//! nanoseconds: a frame of 512 bytes takes less than five microseconds on a gigabit link.

use std::collections::VecDeque;
use std::time::Duration;

use tftp_proto::client::Asking;
use tftp_proto::config::{OptionPolicy, Pacing, Timing};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Ending, Pace, Progress, Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet};
use tftp_proto::{Instant, Rng, Stats};

/// What a frame carries besides a TFTP packet, on the wire: IPv4 and UDP, Ethernet with its preamble and gap.
const OVERHEAD: usize = 20 + 8 + 14 + 4 + 8 + 12;

/// A receiver and the way to it.
#[derive(Debug, Clone, Copy)]
pub struct WeakReceiver {
    /// Frames that it can hold, with the one it works on.
    pub buffers: usize,
    /// How fast it takes frames out of them, bits per second.
    pub drain: u64,
    /// The link, bits per second.
    pub link: u64,
    /// The way there and back.
    pub round_trip: Duration,
    /// Frames lost by chance in each direction, per mille.
    pub loss: u32,
    /// Once all buffers are full it never receives again.
    pub dies_when_full: bool,
}

impl WeakReceiver {
    /// One on a gigabit link, a fifth of a millisecond away.
    #[must_use]
    pub const fn new(buffers: usize, drain: u64) -> Self {
        let round_trip = Duration::from_micros(200);
        Self { buffers, drain, link: 1_000_000_000, round_trip, loss: 0, dies_when_full: false }
    }

    fn on_link(&self, len: usize) -> u64 {
        (len + OVERHEAD) as u64 * 8 * 1_000_000_000 / self.link
    }

    fn in_work(&self, len: usize) -> u64 {
        (len + OVERHEAD) as u64 * 8 * 1_000_000_000 / self.drain
    }

    fn one_way(&self) -> u64 {
        u64::try_from(self.round_trip.as_nanos() / 2).unwrap_or(u64::MAX)
    }
}

/// One file to send.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    /// Bytes in a block.
    pub block_size: u16,
    /// Blocks in a window.
    pub window: u16,
    /// Bytes in the file.
    pub size: usize,
    /// The sender's settings.
    pub pacing: Pacing,
    /// What it knows of the receiver.
    pub known: Option<Pace>,
}

impl Sending {
    /// 4 MiB with default settings to an unknown receiver.
    #[must_use]
    pub fn new(block_size: u16, window: u16) -> Self {
        Self { block_size, window, size: 4 << 20, pacing: Pacing::default(), known: None }
    }
}

/// How it went.
#[derive(Debug, Clone)]
pub struct Sent {
    /// How the sender's side ended.
    pub ending: Ending,
    /// Whether the file arrived, byte for byte.
    pub arrived: bool,
    /// From the request to the last ACK.
    pub duration: Duration,
    /// What it cost the sender.
    pub stats: Stats,
    /// What it cost the receiver.
    pub receiver: Stats,
    /// What the sender learned about the receiver last.
    pub learned: Option<Pace>,
}

struct Ring {
    receiver: WeakReceiver,
    /// When each frame held is done with, in order.
    held: VecDeque<u64>,
    dead: bool,
}

impl Ring {
    /// A frame arrives: when it is done with, unless it is lost.
    fn take(&mut self, at: u64, len: usize) -> Option<u64> {
        while self.held.front().is_some_and(|done| *done <= at) {
            self.held.pop_front();
        }
        if self.dead || self.held.len() >= self.receiver.buffers {
            return None;
        }
        let done = self.held.back().copied().unwrap_or(at).max(at) + self.receiver.in_work(len);
        self.held.push_back(done);
        self.dead |= self.receiver.dies_when_full && self.held.len() >= self.receiver.buffers;
        Some(done)
    }
}

/// Sends one file.
///
/// # Panics
///
/// If it never ends.
#[must_use]
pub fn send(sending: &Sending, receiver: &WeakReceiver, seed: u64) -> Sent {
    World::new(sending, receiver, seed).run()
}

struct World<'a> {
    receiver: &'a WeakReceiver,
    file: Vec<u8>,
    received: Vec<u8>,
    rng: Rng,
    now: u64,
    server: Transfer<Vec<u8>>,
    client: Transfer<Vec<u8>>,
    server_deadline: Option<Instant>,
    client_deadline: Option<Instant>,
    server_end: Option<Ending>,
    client_end: Option<Ending>,
    link_free: u64,
    ring: Ring,
    /// Frames that the receiver has or will have done with, and ACKs on their way.
    to_client: VecDeque<(u64, Vec<u8>)>,
    on_link: VecDeque<(u64, Vec<u8>)>,
    to_server: VecDeque<(u64, Vec<u8>)>,
    learned: Option<Pace>,
    out: Vec<u8>,
}

impl<'a> World<'a> {
    fn new(sending: &Sending, receiver: &'a WeakReceiver, seed: u64) -> Self {
        let options = Options {
            block_size: Some(sending.block_size),
            window_size: (sending.window > 1).then_some(sending.window),
            ..Options::NONE
        };
        let (direction, mode, timing) = (Direction::Read, Mode::Octet, Timing::default());
        let asking = Asking { direction, mode, options, fall_back: true, timing };
        let start = Instant::ZERO;
        let mut client = Transfer::ask(start, asking, 0, seed);
        let mut out = vec![0; 70_000];
        // The request itself is not part of the model.
        let _ = client.poll(start, &mut out);
        let granted = grant(&options, direction, mode, &OptionPolicy::default(), Some(sending.size as u64));
        let read_size = (usize::from(sending.block_size) * usize::from(sending.window)).clamp(4 << 10, 64 << 10);
        let server = Transfer::serve_read(start, granted, timing, read_size, seed + 1);
        Self {
            receiver,
            file: crate::content::bytes(seed, sending.size),
            received: Vec::with_capacity(sending.size),
            rng: Rng::new(seed ^ 0xa7),
            now: 0,
            server: server.with_pacing(sending.pacing, sending.known),
            client,
            server_deadline: None,
            client_deadline: None,
            server_end: None,
            client_end: None,
            link_free: 0,
            ring: Ring { receiver: *receiver, held: VecDeque::new(), dead: false },
            to_client: VecDeque::new(),
            on_link: VecDeque::new(),
            to_server: VecDeque::new(),
            learned: None,
            out,
        }
    }

    /// The present in the protocol's microseconds. An event is never seen before it happens.
    fn instant(&self) -> Instant {
        Instant::from_micros(self.now.div_ceil(1000))
    }

    fn run(mut self) -> Sent {
        let mut done_at = 0;
        loop {
            self.poll_server();
            self.poll_client();
            if self.server_end.is_some() && self.client_end.is_some() {
                break;
            }
            let micros = |deadline: Option<Instant>| deadline.map(|at| at.as_micros() * 1000);
            let timers = [micros(self.server_deadline), micros(self.client_deadline)];
            let queues =
                [&self.on_link, &self.to_client, &self.to_server].map(|queue| queue.front().map(|(at, _)| *at));
            let next = timers.into_iter().chain(queues).flatten().min().unwrap_or(u64::MAX);
            assert!(next < 3_600_000_000_000, "the transfer does not end");
            self.now = self.now.max(next);
            self.deliver();
            if self.server_end.is_none() {
                done_at = self.now;
            }
        }
        Sent {
            ending: self.server_end.unwrap_or(Ending::Failed),
            arrived: self.received == self.file,
            duration: Duration::from_nanos(done_at),
            stats: self.server.stats(),
            receiver: self.client.stats(),
            learned: self.learned,
        }
    }

    fn is_lost(&mut self) -> bool {
        self.receiver.loss > 0 && self.rng.below(1000) < self.receiver.loss
    }

    fn deliver(&mut self) {
        while let Some((at, bytes)) = due(&mut self.on_link, self.now) {
            if let Some(done) = self.ring.take(at, bytes.len()) {
                self.to_client.push_back((done, bytes));
            }
        }
        let now = self.instant();
        while let Some((_, bytes)) = due(&mut self.to_client, self.now) {
            let Ok(packet) = Packet::parse(&bytes) else { continue };
            if let Progress::Data { payload, last } = self.client.handle_packet(now, &packet) {
                self.received.extend_from_slice(payload);
                if last {
                    self.client.committed(now);
                }
            }
            // A receiver answers before it looks at the next frame.
            self.poll_client();
        }
        while let Some((_, bytes)) = due(&mut self.to_server, self.now) {
            let Ok(packet) = Packet::parse(&bytes) else { continue };
            let _ = self.server.handle_packet(now, &packet);
            self.learned = self.server.take_pace().or(self.learned);
        }
        self.client.handle_timeout(now);
        self.server.handle_timeout(now);
    }

    fn poll_client(&mut self) {
        let now = self.instant();
        loop {
            match self.client.poll(now, &mut self.out) {
                TransferAction::Transmit { len, .. } => {
                    if !self.is_lost() {
                        let at = self.now + self.receiver.one_way();
                        self.to_server.push_back((at, self.out[..len].to_vec()));
                    }
                }
                TransferAction::Wait(deadline) => {
                    self.client_deadline = deadline;
                    return;
                }
                TransferAction::Ended(ending) => {
                    self.client_end = Some(ending);
                    self.client_deadline = None;
                    return;
                }
                TransferAction::Request(_) | TransferAction::Read { .. } => {}
            }
        }
    }

    fn poll_server(&mut self) {
        let now = self.instant();
        loop {
            match self.server.poll(now, &mut self.out) {
                TransferAction::Transmit { len, segment_size, .. } => {
                    for start in (0..len).step_by(segment_size.unwrap_or(len)) {
                        let bytes = self.out[start..len.min(start + segment_size.unwrap_or(len))].to_vec();
                        self.link_free = self.link_free.max(self.now) + self.receiver.on_link(bytes.len());
                        if !self.is_lost() {
                            self.on_link.push_back((self.link_free + self.receiver.one_way(), bytes));
                        }
                    }
                }
                TransferAction::Read { offset, len, .. } => {
                    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.file.len());
                    self.server.handle_chunk(self.file[start..self.file.len().min(start + len)].to_vec());
                }
                TransferAction::Wait(deadline) => {
                    self.server_deadline = deadline;
                    return;
                }
                TransferAction::Ended(ending) => {
                    self.server_end = Some(ending);
                    self.server_deadline = None;
                    return;
                }
                TransferAction::Request(_) => {}
            }
        }
    }
}

/// The first of the queue, if its time has come.
fn due(queue: &mut VecDeque<(u64, Vec<u8>)>, now: u64) -> Option<(u64, Vec<u8>)> {
    if queue.front().is_some_and(|(at, _)| *at <= now) { queue.pop_front() } else { None }
}

/// The shortest time in which any sender could bring a file to a receiver without losing a frame, if it keeps to trains of
/// one length with pauses of whole milliseconds: it knows from the start what the receiver takes.
#[must_use]
pub fn best_time(sending: &Sending, receiver: &WeakReceiver) -> Duration {
    let frame = usize::from(sending.block_size) + 4;
    let window = usize::from(sending.window);
    let blocks = (sending.size / usize::from(sending.block_size) + 1) as u64;
    let best = (1..=window).filter_map(|train| best_window(receiver, frame, window, train)).min().unwrap_or(u64::MAX);
    let windows = blocks.div_ceil(window as u64);
    Duration::from_nanos(best.saturating_mul(windows)) + receiver.round_trip
}

/// The shortest time for one window in trains of that length: from its first frame to its ACK.
fn best_window(receiver: &WeakReceiver, frame: usize, window: usize, train: usize) -> Option<u64> {
    if train >= window {
        return window_time(receiver, frame, window, train, 0);
    }
    // The longer the pauses, the less is lost.
    let (mut low, mut high) = (1, receiver.in_work(frame) * train as u64 / 1_000_000 + 2);
    window_time(receiver, frame, window, train, high)?;
    while low < high {
        let middle = (low + high) / 2;
        match window_time(receiver, frame, window, train, middle) {
            Some(_) => high = middle,
            None => low = middle + 1,
        }
    }
    window_time(receiver, frame, window, train, low)
}

fn window_time(receiver: &WeakReceiver, frame: usize, window: usize, train: usize, pause_ms: u64) -> Option<u64> {
    let mut ring = Ring { receiver: *receiver, held: VecDeque::new(), dead: false };
    let (mut link_free, mut done) = (0, 0);
    for index in 0..window {
        let sent_at = (index / train) as u64 * pause_ms * 1_000_000;
        link_free = sent_at.max(link_free) + receiver.on_link(frame);
        done = ring.take(link_free + receiver.one_way(), frame)?;
    }
    Some(done + receiver.one_way())
}
