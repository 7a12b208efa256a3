//! When a transfer may and must send again, and when it may and must give up.

use super::{SECOND, Time};

/// The shortest wait of all, once it may have been measured how long an answer takes.
const SHORTEST: Time = 50_000;
/// The same for the end of a window, once.
const SOONEST: Time = 10_000;
/// What doubling leads to, and silence after a few copies.
const LONGEST: Time = 5_500_000;
/// That is so many.
const FEW: u32 = 6;
/// How long a peer may be silent.
const PATIENCE: Time = 30 * SECOND;
/// A copy that comes so soon after an ACK may be an echo, in a window.
const ECHO: Time = 50_000;
/// How often a peer is asked again that has never answered.
const UNPROVED_RETRIES: u32 = 4;

#[derive(Debug)]
pub(super) struct Clock {
    negotiated: Option<Time>,
    /// The shortest wait for an answer of a peer that has answered before.
    shortest: Time,
    /// Whether the peer has answered: its address is no forgery.
    pub(super) proved: bool,
    /// How often the same was sent again since the peer last answered.
    retries: u32,
    /// The longest time that an answer has taken.
    slowest: Time,
    /// When something was last sent.
    sent: Time,
    /// Since when an answer is waited for.
    started: Time,
    /// The same for how long that may last.
    put_off: Time,
    /// Since when the peer is silent: the later of its last answer and the last new block that it was sent.
    silent: Time,
    /// When the peer last answered.
    pub(super) answered: Time,
    /// Waits for our own storage do not count as the peer's silence, so its end is not known exactly.
    paused: bool,
}

impl Clock {
    /// `patient`: as a receiver in lock-step, which leaves it to the sender to send again.
    pub(super) fn new(now: Time, negotiated: Option<Time>, patient: bool) -> Self {
        Self {
            negotiated,
            shortest: if patient { SECOND } else { SHORTEST },
            proved: false,
            retries: 0,
            slowest: 0,
            sent: now,
            started: now,
            put_off: now,
            silent: now,
            answered: now,
            paused: false,
        }
    }

    /// The peer has answered with something new.
    pub(super) fn progress(&mut self, now: Time) {
        self.slowest = self.slowest.max(now - self.sent);
        self.proved = true;
        self.retries = 0;
        self.silent = now;
        self.answered = now;
        self.started = now;
        self.paused = false;
    }

    /// Something was sent; `new`: that the peer cannot have answered before.
    pub(super) fn sent(&mut self, now: Time, new: bool) {
        self.sent = now;
        self.started = now;
        if new {
            self.silent = now;
            self.paused = false;
        }
    }

    /// It may be waited for longer by now.
    pub(super) fn put_off(&mut self, now: Time) {
        self.put_off = now;
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Something leaves again for no other reason than that time has passed.
    pub(super) fn expire(&mut self, now: Time) {
        let earliest = self.earliest();
        assert!(now >= earliest, "sent again at {now}, not before {earliest}: {self:?}");
        assert!(self.proved || self.retries < UNPROVED_RETRIES, "a peer that never answered is asked too often");
        self.retries += 1;
    }

    /// Whether the end of a window may leave again, to ask what has become of it.
    pub(super) fn may_ask(&self, now: Time) -> bool {
        self.negotiated.is_none() && self.proved && self.retries == 0 && now >= self.started + SOONEST
    }

    /// When something may leave again for no other reason than that time has passed.
    fn earliest(&self) -> Time {
        let first = self.negotiated.unwrap_or(if self.proved { self.shortest } else { SECOND });
        self.started + doubled(first, self.retries)
    }

    /// Whether that moment may have passed without a word, because our own storage was slow.
    pub(super) fn may_have_expired(&self, now: Time) -> bool {
        self.paused && now >= self.earliest()
    }

    /// The longest that the wait for a first answer can be by what was measured.
    pub(super) fn longest_first_wait(&self) -> Time {
        self.negotiated.unwrap_or((self.slowest * 5).max(SECOND))
    }

    /// Until when something must have been sent again.
    pub(super) fn latest(&self) -> Time {
        let wait = match (self.negotiated, self.proved) {
            // At first it doubles from the first wait on.
            (first, false) => doubled(first.unwrap_or(SECOND), self.retries),
            (first, true) => first.unwrap_or(self.slowest * 5).max(LONGEST),
        };
        self.started.max(self.put_off) + wait + wait / 8
    }

    /// The peer is given up.
    pub(super) fn give_up(&self, now: Time) {
        // What a peer asked for counts once it has answered.
        let after = if self.proved { PATIENCE.max(self.negotiated.unwrap_or(0) * 3) } else { PATIENCE };
        assert!(self.paused || now <= self.silent + after + 1, "given up at {now}, late: {self:?}");
        if !self.proved && now < self.silent + after {
            assert_eq!(self.retries, UNPROVED_RETRIES, "given up without asking again: {self:?}");
            let first = self.negotiated.unwrap_or(SECOND);
            assert!(now >= self.started + doubled(first, self.retries), "given up at {now}: {self:?}");
        } else {
            assert!(now >= self.silent + after, "given up at {now}: {self:?}");
        }
    }

    /// Whether an answer may have come so soon after something of ours that it is taken for an echo.
    pub(super) fn may_be_echo(&self, now: Time, window: u64) -> bool {
        let quiet = if window > 1 { ECHO } else { self.slowest };
        now - self.sent < quiet
    }
}

fn doubled(first: Time, retries: u32) -> Time {
    let longest = LONGEST.max(first);
    if retries < FEW { (first << retries).min(longest) } else { longest }
}
