//! The receiving half of a transfer: order, gaps, acknowledgements, dallying (RFC 1350, RFC 7440).

use core::time::Duration;

use super::dally::Dally;
use super::retry::{Retry, Verdict};
use crate::negotiate::Parameters;
use crate::{Instant, Stats};

/// Copies of blocks that come sooner than so many round trips after an ACK are not answered, in a window.
const QUIET_ROUND_TRIPS: u32 = 32;
/// Nor for longer than this, which is less than any sender waits for an ACK.
const MAX_QUIET: Duration = Duration::from_millis(50);

/// Receives one file: knows neither role nor address, and keeps no byte of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receiver {
    parameters: Parameters,
    /// The last block that came in order; 0 before the first.
    received: u64,
    /// The block after which the sender's present window begins.
    window_base: u64,
    /// What was acknowledged last, and what before that: behind one of them the sender goes on, if not both were lost.
    acked: u64,
    acked_before: u64,
    /// An ACK of `received` is to be sent as soon as the owner has room.
    ack_due: bool,
    /// Whether the owner can take another window.
    room: bool,
    /// The present gap was reported, and this is the highest block that came behind it: the rest of that window.
    reported: Option<u64>,
    /// Since the last ACK, and the last block that was new, one has come that had come before.
    copied: bool,
    /// When an ACK was sent that has not been answered: its answer gives a round trip sample.
    timed: Option<Instant>,
    /// When the last ACK was sent.
    acknowledged_at: Option<Instant>,
    /// Whether DATA has come: the peer has our answer to its request, so that is not repeated.
    heard: bool,
    /// Blocks have come in order, and the deadline is still that before them: it is set once for all that come together.
    renew_deadline: bool,
    state: State,
    retry: Retry,
    stats: Stats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    /// Waiting for DATA until the deadline.
    Receiving { deadline: Instant },
    /// An ACK is held back until the owner has room: the pause is ours, no timer runs.
    Holding { since: Instant },
    /// The last block is in and the owner is making the file appear. Repeats are absorbed.
    Committing { has_lost: bool },
    /// The final ACK was sent and is repeated on demand.
    Dallying(Dally),
    /// Dallying is over.
    Done,
    /// The peer fell silent.
    GaveUp,
}

/// What a DATA packet meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataOutcome {
    /// The next block in order: its payload goes to the end of the file.
    InOrder {
        /// Whether it ends the file. If so, call [`Receiver::committed`] when the file is safe.
        last: bool,
    },
    /// A block that came before: ignore its payload.
    Duplicate,
    /// A block beyond the next one: ignore its payload, it will come again.
    Gap,
    /// Not a block of this window.
    Ignored,
    /// Longer than a block can be: the peer breaks the protocol.
    TooLong,
}

/// What a [`Receiver`] wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiverAction {
    /// Acknowledge block 0: the answer to a write request, or to an OACK.
    Opening,
    /// Send an ACK with this number on the wire.
    Ack(u16),
    /// Nothing until DATA or this moment.
    Wait(Option<Instant>),
    /// The file is complete and dallying is over.
    Done,
    /// The peer fell silent.
    GaveUp,
}

impl Receiver {
    /// A receiver that begins by acknowledging block 0 (`opening`), or that waits for block 1.
    pub(super) fn new(now: Instant, parameters: Parameters, opening: bool, mut retry: Retry) -> Self {
        retry.set_negotiated(parameters.timeout);
        if parameters.window_size == 1 {
            retry.be_patient();
        }
        let deadline = retry.deadline(now);
        Self {
            parameters,
            received: 0,
            window_base: 0,
            acked: 0,
            acked_before: 0,
            ack_due: opening,
            room: true,
            reported: None,
            copied: false,
            timed: None,
            acknowledged_at: None,
            heard: false,
            renew_deadline: false,
            state: State::Receiving { deadline },
            retry,
            stats: Stats::default(),
        }
    }

    /// A DATA packet from the peer, with its block number as on the wire.
    pub fn handle_data(&mut self, now: Instant, wire: u16, payload: &[u8]) -> DataOutcome {
        match &mut self.state {
            State::Receiving { .. } | State::Holding { .. } => {}
            State::Dallying(dally) => {
                self.ack_due |= dally.is_repeat(now, wire);
                self.stats.ignored += 1;
                return DataOutcome::Duplicate;
            }
            State::Committing { .. } | State::Done | State::GaveUp => {
                self.stats.ignored += 1;
                return DataOutcome::Ignored;
            }
        }
        let window = u64::from(self.parameters.window_size);
        let rollover = self.parameters.rollover;
        match rollover.resolve(wire, self.received + 1, window - 1) {
            Some(block) => {
                self.heard = true;
                if block > self.received + 1 {
                    self.handle_gap(now, block)
                } else if self.ack_due && !self.room {
                    // Whoever sends on without the ACK that is held back would fill the owner's memory.
                    self.stats.ignored += 1;
                    DataOutcome::Ignored
                } else {
                    self.handle_next(now, payload)
                }
            }
            None => {
                let oldest = (self.received + 1).saturating_sub(window).max(1);
                match self.received.checked_sub(oldest).and_then(|span| rollover.resolve(wire, oldest, span)) {
                    Some(block) => self.handle_duplicate(now, block),
                    None => {
                        self.stats.ignored += 1;
                        DataOutcome::Ignored
                    }
                }
            }
        }
    }

    fn handle_next(&mut self, now: Instant, payload: &[u8]) -> DataOutcome {
        let block_size = usize::from(self.parameters.block_size);
        if payload.len() > block_size {
            return DataOutcome::TooLong;
        }
        self.received += 1;
        (self.reported, self.copied) = (None, false);
        if let Some(sent_at) = self.timed.take() {
            self.retry.sample(now - sent_at);
        } else if let Some(sent_at) = self.acknowledged_at {
            self.retry.sample_of_copy(now - sent_at);
        }
        self.retry.progress(now);
        //= rfc1350#section-5
        //# If it is 512 bytes long, the block is not the last block of data; if it is from zero to 511 bytes long, it
        //# signals the end of the transfer.
        //= rfc2348#blocksize-option-specification
        //# The reception of a data packet with a data length less than the negotiated blocksize is the final packet.
        let last = payload.len() < block_size;
        if last {
            // What comes again while the file is being kept, because that takes its time, says nothing of losses.
            self.state = State::Committing { has_lost: self.stats.ignored + self.stats.retransmissions > 0 };
            self.ack_due = false;
        } else {
            self.window_base = self.window_base_of_next();
            //= rfc7440#section-4
            //# The DRCV MUST send to the DSND the ACK of the last data block of the window in order to confirm a
            //# successful data block window reception.
            self.ack_due |= self.received >= self.window_end();
            self.renew_deadline = true;
        }
        DataOutcome::InOrder { last }
    }

    /// A block is missing: report the last one in order, at once, and once until it comes, or one that came before does again
    /// (RFC 7440 §4), or the sender asks.
    fn handle_gap(&mut self, now: Instant, block: u64) -> DataOutcome {
        self.stats.ignored += 1;
        let asks = self.reported == Some(block) && self.is_asked(now);
        self.copied = self.reported >= Some(block);
        //= rfc7440#section-4
        //# In the case of a data block sequence error, the DRCV SHOULD notify the DSND by sending an ACK corresponding
        //# to the last data block correctly received.
        self.ack_due |= self.reported.is_none() || asks;
        self.reported = self.reported.max(Some(block));
        DataOutcome::Gap
    }

    /// The sender went back, so an ACK of ours was lost. In lock-step that ACK is repeated. With a window the sender
    /// goes through the blocks again, and the ACK is due where its window ends.
    ///
    /// Copies that come sooner than that could be needed are no sign of a loss. With a window they are answered once in
    /// a while only: senders that take each repeated ACK for a gap, and send a window for it, would otherwise go round
    /// with us in ever more copies.
    fn handle_duplicate(&mut self, now: Instant, block: u64) -> DataOutcome {
        self.stats.ignored += 1;
        let window = u64::from(self.parameters.window_size);
        let is_window = window > 1 && self.is_acknowledged() && self.acked == self.acked_before + window;
        let asks = is_window && block == self.received && self.is_asked(now);
        self.copied = true;
        if asks {
            self.ack_due = true;
            return DataOutcome::Duplicate;
        }
        let quiet = if window > 1 {
            self.retry.round_trip().map(|round_trip| (round_trip * QUIET_ROUND_TRIPS).min(MAX_QUIET))
        } else {
            self.retry.round_trip().filter(|_| self.is_acknowledged())
        };
        if let (Some(sent), Some(quiet)) = (self.acknowledged_at, quiet)
            && now - sent < quiet
        {
            return DataOutcome::Duplicate;
        }
        // It need not begin with this block: those before it may be lost.
        let base = match (self.acked, self.acked_before) {
            (last, _) if last < block => last,
            // A sender that was there could not have sent what came since: the block was only late.
            (_, before) if before < block && self.received > before + window => return DataOutcome::Duplicate,
            (_, before) if before < block => before,
            _ => block - 1,
        };
        // A report of a gap that has left was lost. Nothing else tells the sender if the block is missing once more.
        self.reported = self.reported.filter(|_| self.ack_due);
        self.window_base = self.window_base.min(base);
        self.ack_due |= block >= self.window_end();
        DataOutcome::Duplicate
    }

    /// Whether a copy of a window's last block, and of no other, is the sender's question what has become of our ACK: it could have
    /// been answered by now.
    fn is_asked(&self, now: Instant) -> bool {
        let round_trip = self.retry.round_trip().unwrap_or(MAX_QUIET);
        let quiet = (round_trip * 3 / 2).min(MAX_QUIET);
        !self.copied && self.acknowledged_at.is_some_and(|sent| now - sent >= quiet)
    }

    /// Where the window begins that has the block that came just now. A block that was only late may have put that too far
    /// back.
    fn window_base_of_next(&self) -> u64 {
        let window = u64::from(self.parameters.window_size);
        let bases = [self.window_base, self.acked_before];
        bases.into_iter().find(|base| self.received <= base + window).unwrap_or(self.acked)
    }

    fn window_end(&self) -> u64 {
        self.window_base + u64::from(self.parameters.window_size)
    }

    /// The peer repeated what block 0 acknowledges (an OACK): it did not get our answer.
    pub(super) fn handle_repeated_opening(&mut self) {
        self.ack_due |= !self.heard;
    }

    /// Whether the owner can take another window; while not, ACKs are held back and the sender waits.
    pub fn set_room(&mut self, now: Instant, room: bool) {
        self.room = room;
        if room && let State::Holding { since } = self.state {
            self.retry.resume(now - since);
            self.state = State::Receiving { deadline: self.retry.deadline(now) };
            self.renew_deadline = false;
        }
    }

    /// The file is complete and safe: the final ACK may leave. Call it once, after the last block.
    pub fn committed(&mut self, now: Instant) {
        if let State::Committing { has_lost } = self.state {
            //= rfc1350#section-6
            //# On the other hand, dallying is encouraged.
            let has_lost = has_lost || self.retry.has_lost();
            let arrived = self.received / u64::from(self.parameters.window_size);
            let (enough, until) = self.retry.dally_until(now, (!has_lost).then_some(arrived));
            self.state = State::Dallying(Dally::new(self.parameters.rollover.to_wire(self.received), enough, until));
            self.ack_due = true;
            self.room = true;
        }
    }

    /// Time has passed. Early and repeated calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.renew_deadline();
        match self.state {
            State::Receiving { deadline } if deadline <= now => match self.retry.expired(now) {
                //= rfc1350#section-7
                //# Timeouts must also be used to detect errors.
                Verdict::GiveUp => self.state = State::GaveUp,
                Verdict::Retry => {
                    self.stats.timeouts += 1;
                    self.reported = None;
                    self.ack_due = true;
                    self.state = State::Receiving { deadline: self.retry.deadline(now) };
                }
            },
            State::Dallying(dally) if dally.is_over(now) => self.state = State::Done,
            State::Receiving { .. } | State::Holding { .. } | State::Committing { .. } => {}
            State::Dallying(_) | State::Done | State::GaveUp => {}
        }
    }

    /// If DATA is late by now, waits on for it: `true`.
    pub(super) fn wait_on(&mut self, now: Instant, latest: Instant) -> bool {
        self.renew_deadline();
        let State::Receiving { deadline } = &mut self.state else { return false };
        self.retry.wait_on(now, deadline, latest)
    }

    pub(super) const fn measures_round_trip(&self) -> bool {
        self.timed.is_some()
    }

    /// Whether an ACK of `received` was sent before.
    const fn is_acknowledged(&self) -> bool {
        self.acknowledged_at.is_some() && self.acked == self.received
    }

    fn renew_deadline(&mut self) {
        if core::mem::take(&mut self.renew_deadline)
            && let State::Receiving { deadline } = &mut self.state
        {
            *deadline = self.retry.deadline(self.retry.last_progress());
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self, now: Instant) -> ReceiverAction {
        if self.ack_due && !self.room {
            // Held back until the owner has room.
            if matches!(self.state, State::Receiving { .. }) {
                self.state = State::Holding { since: now };
            }
        } else if self.ack_due {
            return self.acknowledge(now);
        }
        self.renew_deadline();
        match self.state {
            State::Receiving { deadline } => ReceiverAction::Wait(Some(deadline)),
            State::Holding { .. } | State::Committing { .. } => ReceiverAction::Wait(None),
            State::Dallying(dally) => ReceiverAction::Wait(Some(dally.until())),
            State::Done => ReceiverAction::Done,
            State::GaveUp => ReceiverAction::GaveUp,
        }
    }

    fn acknowledge(&mut self, now: Instant) -> ReceiverAction {
        self.ack_due = false;
        self.copied = false;
        let again = self.is_acknowledged();
        // Whoever gets this ACK goes on behind it with a new window.
        self.window_base = self.received;
        if self.acked < self.received {
            self.acked_before = core::mem::replace(&mut self.acked, self.received);
        }
        self.stats.datagrams_sent += 1;
        self.acknowledged_at = Some(now);
        if again {
            self.stats.retransmissions += 1;
            self.timed = None;
        } else {
            self.timed = Some(now);
        }
        if let State::Receiving { deadline } = &mut self.state {
            *deadline = self.retry.deadline(now);
            self.renew_deadline = false;
        }
        if !self.heard {
            return ReceiverAction::Opening;
        }
        //= rfc1350#section-5
        //# The block number in an ACK echoes the block number of the DATA packet being acknowledged.
        ReceiverAction::Ack(self.parameters.rollover.to_wire(self.received))
    }

    /// The last block received in order.
    #[must_use]
    pub const fn blocks_received(&self) -> u64 {
        self.received
    }

    /// Whether the last block has come.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.state, State::Committing { .. } | State::Dallying(_) | State::Done)
    }

    /// What is left to do once the final ACK was sent: repeating it.
    #[must_use]
    pub const fn dally(&self) -> Option<Dally> {
        match self.state {
            State::Dallying(dally) => Some(dally),
            State::Receiving { .. }
            | State::Holding { .. }
            | State::Committing { .. }
            | State::Done
            | State::GaveUp => None,
        }
    }

    pub(super) const fn retry(&self) -> &Retry {
        &self.retry
    }

    pub(super) const fn stats(&self) -> Stats {
        self.stats
    }
}
