//! Where the present window stands.

use core::time::Duration;

use crate::Instant;

/// What was sent since the last acknowledgement or timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Run {
    /// Its first block, and when that left.
    pub(super) start: u64,
    pub(super) started: Instant,
    /// The length of its trains.
    pub(super) step: u16,
    /// The first block of its last train, when that left, when as much of it as has left did, and how much is still to be sent.
    pub(super) train_start: u64,
    pub(super) train_began: Instant,
    pub(super) sent_at: Instant,
    pub(super) left: u16,
    /// The pause behind such a train, in milliseconds.
    pub(super) pause: u16,
    /// That train has ended.
    pub(super) ended: bool,
    /// Its last block was repeated, to show whether the end of the window arrived.
    pub(super) asked: bool,
    /// It repeats what a timer gave up, of which more may have arrived than was acknowledged: nothing is learned.
    pub(super) blind: bool,
}

impl Run {
    /// When a block of this run left, or some time before that.
    pub(super) fn left_at(&self, block: u64) -> Instant {
        if self.asked {
            return self.started;
        }
        if block >= self.train_start {
            return self.train_began;
        }
        let trains = block.saturating_sub(self.start) / u64::from(self.step.max(1));
        self.started + Duration::from_millis(trains.saturating_mul(u64::from(self.pause)))
    }
}
