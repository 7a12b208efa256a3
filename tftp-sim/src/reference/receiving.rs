//! A file on its way from a client.

use super::Time;
use super::clock::Clock;
use super::options::Terms;
use super::wire::ack;

#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) terms: Terms,
    pub(super) clock: Clock,
    /// The file as it travels, as far as it has come.
    pub(super) file: Vec<u8>,
    /// The last block in order.
    received: u64,
    /// After which block the sender's window begins: at least this one, at most that.
    base: (u64, u64),
    /// What was acknowledged last, and before that.
    acked: (u64, u64),
    /// Whether any block of the file has come: then the answer to the request is not repeated.
    heard: bool,
    gap_reported: bool,
    /// The window may have come again since, but that may have been an echo: then its gap may be reported again.
    gap_doubtful: bool,
    /// The highest block that came behind the gap, since it was reported: at least this one, at most that.
    ahead: (u64, u64),
    /// Since the last ACK a block has come that had come before: surely, perhaps.
    copied: (bool, bool),
    /// An ACK must leave.
    must: bool,
    /// An ACK may leave.
    may: bool,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Receiving,
    /// All has come, and storage has not said yet that it is safe.
    Complete,
    /// It is.
    Committed,
}

/// What DATA brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Fine,
    TooLong,
}

impl Receiving {
    pub(super) fn new(now: Time, terms: Terms) -> Self {
        let clock = Clock::new(now, terms.timeout, terms.window == 1);
        Self {
            clock,
            terms,
            file: Vec::new(),
            received: 0,
            base: (0, 0),
            acked: (0, 0),
            heard: false,
            gap_reported: false,
            gap_doubtful: false,
            ahead: (0, 0),
            copied: (false, false),
            must: true,
            may: false,
            stage: Stage::Receiving,
        }
    }

    pub(super) fn hear(&mut self, now: Time, number: u16, payload: &[u8]) -> Heard {
        if self.stage != Stage::Receiving {
            return Heard::Fine;
        }
        let window = self.terms.window;
        let next = self.received + 1;
        let oldest = next.saturating_sub(window).max(1);
        if let Some(block) = self.terms.block_of(number, next..next + window) {
            self.heard = true;
            if block > next {
                // The end of what came behind the gap, and nothing else, comes once more: a question.
                let (least, most) = self.ahead;
                let asked = self.gap_reported && block == most && least == most && !self.copied.1;
                let perhaps = self.gap_reported && (block == least || block == most) && !self.copied.0;
                let anew = std::mem::take(&mut self.gap_doubtful);
                self.must |= !self.gap_reported || asked && !self.clock.may_be_echo(now, window);
                self.may |= anew || perhaps;
                self.copied = (self.gap_reported && !anew && block <= least, self.gap_reported && block <= most);
                // If it was reported anew, this is the first block behind it.
                self.ahead = match (self.gap_reported, anew) {
                    (true, false) => (least.max(block), most.max(block)),
                    (true, true) => (block, most.max(block)),
                    (false, _) => (block, block),
                };
                self.gap_reported = true;
                return Heard::Fine;
            }
            if payload.len() > self.terms.block {
                return Heard::TooLong;
            }
            self.received = next;
            self.file.extend_from_slice(payload);
            (self.gap_reported, self.gap_doubtful) = (false, false);
            self.clock.progress(now);
            if payload.len() < self.terms.block {
                self.stage = Stage::Complete;
                self.must = false;
            } else {
                if next > self.base.1 + window {
                    // What came again was only late.
                    self.base.1 = self.acked.0;
                }
                self.must |= next >= self.base.1 + window;
                self.may |= next >= self.base.0 + window;
            }
        } else if let Some(block) = self.terms.block_of(number, oldest..next) {
            let whole = self.acked.0 == self.received && self.acked.0 == self.acked.1 + window && window > 1;
            let copied = std::mem::replace(&mut self.copied, (true, true));
            if whole && block == self.received {
                self.may |= !copied.0;
                self.must |= !copied.1 && !self.clock.may_be_echo(now, window);
            }
            // The sender has gone back, unless this is an echo: behind an ACK, of which it got one of the last two, if not none.
            // Where it could not have sent what came since, the block was only late.
            let base = if self.acked.0 < block { self.acked.0 } else { self.acked.1 };
            self.base.0 = self.base.0.min(base).min(block - 1);
            self.may |= block >= self.base.0 + window;
            self.gap_doubtful = true;
            if !self.clock.may_be_echo(now, window) && self.received <= base + window {
                self.base.1 = self.base.1.min(base);
                // It was lost only if it has left.
                self.gap_reported &= self.must || self.may;
                self.must |= block >= self.base.1 + window;
            }
        }
        Heard::Fine
    }

    /// Whether this is the next block, and comes before an ACK that is held back.
    pub(super) fn is_early(&self, now: Time, number: u16) -> bool {
        let next = self.received + 1;
        let due = self.must || self.may || self.clock.may_have_expired(now);
        let waits = self.stage == Stage::Receiving && due;
        waits && self.terms.block_of(number, next..next + 1).is_some()
    }

    /// The request came again.
    pub(super) fn repeat(&mut self) {
        self.must |= !self.heard;
    }

    pub(super) fn committed(&mut self) {
        self.stage = Stage::Committed;
        self.must = true;
    }

    /// A datagram leaves.
    pub(super) fn sent(&mut self, now: Time, bytes: &[u8]) {
        if !self.must && !self.may {
            self.clock.expire(now);
            self.gap_reported = false;
        }
        let opening = if self.heard { None } else { self.terms.oack.clone() };
        assert_eq!(bytes, opening.unwrap_or_else(|| ack(self.last_number())), "{self:?}");
        (self.must, self.may, self.copied) = (false, false, (false, false));
        self.base = (self.received, self.received);
        if self.acked.0 < self.received {
            self.acked = (self.received, self.acked.0);
        }
        self.clock.sent(now, false);
    }

    /// The number of the last block that has come.
    pub(super) fn last_number(&self) -> u16 {
        self.terms.number(self.received)
    }

    /// Everything that happens now has happened. `writing`: storage has work, so the peer may have to wait.
    pub(super) fn settled(&mut self, now: Time, writing: bool) {
        if self.stage == Stage::Complete {
            return;
        }
        if writing {
            self.clock.pause();
            self.may |= self.must || self.clock.may_have_expired(now);
            return;
        }
        assert!(!self.must, "no ACK was sent: {self:?}");
        self.may = false;
        assert!(now <= self.clock.latest(), "nothing was sent again by {now}: {self:?}");
    }
}
