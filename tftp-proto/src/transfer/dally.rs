//! Waiting, after the final ACK, for a peer that did not get it (RFC 1350 §6).

use crate::Instant;

/// All that is left of a finished transfer: which block its last answer was for, and until when to repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dally {
    last: u16,
    enough: Instant,
    until: Instant,
}

impl Dally {
    pub(super) const fn new(last: u16, enough: Instant, until: Instant) -> Self {
        Self { last, enough, until }
    }

    /// Whether a DATA packet with that number shows that the final ACK was lost and must be sent again.
    #[must_use]
    pub fn is_repeat(&self, now: Instant, wire: u16) -> bool {
        wire == self.last && now < self.until
    }

    /// The number of the last block on the wire.
    #[must_use]
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// When a peer that retransmits about as soon as we do would have asked: enough for an owner in a hurry.
    #[must_use]
    pub const fn enough(&self) -> Instant {
        self.enough
    }

    /// When it ends.
    #[must_use]
    pub const fn until(&self) -> Instant {
        self.until
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.until <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn it_repeats_until_it_is_over() {
        let end = Instant::ZERO + Duration::from_secs(10);
        let dally = Dally::new(7, Instant::ZERO, end);
        for now in [end, end + Duration::from_secs(1)] {
            assert!(dally.is_over(now) && !dally.is_repeat(now, 7));
        }
        assert!(
            !dally.is_over(Instant::ZERO) && dally.is_repeat(Instant::ZERO, 7) && !dally.is_repeat(Instant::ZERO, 6)
        );
    }
}
