//! One thread: many clients, one loop.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use tftp_proto::Instant;

use super::client::{Client, Shared};
use super::plan::Plan;
use super::socket::{Inbox, Socket};
use super::tally::Tally;

/// New transfers that are begun before what has arrived is looked at again.
const STARTS: usize = 32;
/// A thread looks up this often at least, to see whether it should stop.
const PATIENCE: Duration = Duration::from_millis(100);
/// A thread with one client waits in its socket; timers are then as coarse as this.
const BLOCKING_PATIENCE: Duration = Duration::from_millis(10);

/// What a thread tells while it works.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pub(super) bytes: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) active: AtomicU64,
    pub(super) retransmissions: AtomicU64,
}

/// Time since all threads began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(std::time::Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(super) fn now(self) -> Instant {
        Instant::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

/// A client and when it begins.
struct Slot {
    client: Option<Client>,
    /// A socket made before the start, so that the storm does not wait for it.
    spare: Option<Socket>,
    number: u32,
    begins: Instant,
}

/// One thread's share of the work.
pub(super) struct Worker<'a> {
    shared: Shared<'a>,
    gauge: &'a Gauge,
    clock: Clock,
    slots: Vec<Slot>,
    /// Slots with a transfer.
    active: u64,
    /// Slots without a transfer, which are to begin one; the next one last.
    idle: Vec<usize>,
    /// No wake-up of a client comes before this.
    next_wake: Option<Instant>,
    /// Registered sockets; without it the only client's socket blocks.
    poll: Option<Poll>,
    inbox: Inbox,
}

impl<'a> Worker<'a> {
    /// Makes the sockets of the clients of thread `thread`.
    pub(super) fn new(plan: &'a Plan, gauge: &'a Gauge, thread: usize) -> io::Result<Self> {
        let numbers = (0..plan.clients).skip(thread).step_by(plan.threads);
        let slots = numbers
            .map(|number| {
                let begins = plan.spread.as_micros() as u64 * u64::from(number) / u64::from(plan.clients);
                let spare = Some(Socket::open(plan)?);
                Ok(Slot { client: None, spare, number, begins: Instant::from_micros(begins) })
            })
            .collect::<io::Result<Vec<_>>>()?;
        let poll = if slots.len() > 1 { Some(Poll::new()?) } else { None };
        Ok(Self {
            shared: Shared::new(plan),
            gauge,
            clock: Clock::start(),
            idle: (0..slots.len()).rev().collect(),
            slots,
            active: 0,
            next_wake: None,
            poll,
            inbox: Inbox::default(),
        })
    }

    /// Works until everything is done.
    pub(super) fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(1024);
        self.clock = Clock::start();
        loop {
            let starting = self.start_due()?;
            self.tell();
            if self.shared.plan.is_stopped() || (self.idle.is_empty() && self.active == 0) {
                break;
            }
            self.wait(starting, &mut events)?;
            let now = self.clock.now();
            if self.next_wake.is_some_and(|wake| wake <= now) {
                self.wake_due(now);
            }
        }
        for slot in &self.slots {
            if let Some(client) = &slot.client {
                client.abandon(&mut self.shared);
            }
        }
        self.tell();
        Ok(self.shared.tally)
    }

    /// Begins transfers that are due. `true`: more are due already.
    fn start_due(&mut self) -> io::Result<bool> {
        for _ in 0..STARTS {
            let now = self.clock.now();
            let Some(index) = self.idle.last().copied() else { return Ok(false) };
            let Some(slot) = self.slots.get_mut(index) else { return Ok(false) };
            if slot.begins > now {
                return Ok(false);
            }
            self.idle.pop();
            let plan = self.shared.plan;
            let Some(number) = plan.next(now - Instant::ZERO) else { continue };
            let mut socket = match slot.spare.take() {
                Some(socket) => socket,
                None => Socket::open(plan)?,
            };
            match &mut self.poll {
                Some(poll) => poll.registry().register(&mut socket.io, Token(index), Interest::READABLE)?,
                None => socket.block(BLOCKING_PATIENCE)?,
            }
            let mut client = Client::new(plan, socket, slot.number, number, now);
            self.shared.tally.started += 1;
            client.advance(now, &mut self.shared);
            slot.client = Some(client);
            self.active += 1;
            self.settle(index);
        }
        Ok(!self.idle.is_empty())
    }

    /// Waits for datagrams and takes them.
    fn wait(&mut self, starting: bool, events: &mut Events) -> io::Result<()> {
        let Some(poll) = &mut self.poll else {
            let client = self.slots.first_mut().and_then(|slot| slot.client.as_mut());
            let Some(client) = client.filter(|client| !client.is_ended()) else {
                if !starting {
                    std::thread::sleep(BLOCKING_PATIENCE);
                }
                return Ok(());
            };
            client.receive(self.clock, &mut self.inbox, &mut self.shared);
            self.settle(0);
            return Ok(());
        };
        let next_start = self.idle.last().and_then(|index| self.slots.get(*index)).map(|slot| slot.begins);
        let next = [self.next_wake, next_start].into_iter().flatten().min();
        let now = self.clock.now();
        let timeout = if starting { Duration::ZERO } else { next.map_or(PATIENCE, |next| (next - now).min(PATIENCE)) };
        match poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &*events {
            let Token(index) = event.token();
            if let Some(client) = self.slots.get_mut(index).and_then(|slot| slot.client.as_mut()) {
                client.receive(self.clock, &mut self.inbox, &mut self.shared);
            }
            self.settle(index);
        }
        Ok(())
    }

    /// Wakes the clients whose time has come.
    fn wake_due(&mut self, now: Instant) {
        self.next_wake = None;
        for index in 0..self.slots.len() {
            let Some(client) = self.slots.get_mut(index).and_then(|slot| slot.client.as_mut()) else { continue };
            if client.wake().is_some_and(|wake| wake <= now) {
                client.advance(now, &mut self.shared);
            }
            self.settle(index);
        }
    }

    /// After something happened to a client: notes when to wake it, or that it is done.
    fn settle(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(client) = &slot.client else { return };
        if client.is_ended() {
            // With it the socket is closed, as that of a boot ROM that starts what it has loaded.
            slot.client = None;
            self.active -= 1;
            self.idle.push(index);
        } else if let Some(wake) = client.wake()
            && self.next_wake.is_none_or(|next| wake < next)
        {
            self.next_wake = Some(wake);
        }
    }

    fn tell(&self) {
        let Shared { tally, .. } = &self.shared;
        self.gauge.bytes.store(tally.live_bytes, Ordering::Relaxed);
        self.gauge.completed.store(tally.latencies.len() as u64, Ordering::Relaxed);
        self.gauge.failed.store(tally.failed_count(), Ordering::Relaxed);
        self.gauge.active.store(self.active, Ordering::Relaxed);
        self.gauge.retransmissions.store(tally.stats.retransmissions, Ordering::Relaxed);
    }
}
