//! How long a receiver works on a block, as its acknowledgements show it.

use core::time::Duration;

use crate::time::nanos;

/// The receiver's time for its first answer, at most, in nanoseconds.
const FIRST_ANSWER: u64 = 25_000;

/// Bounds of what is not in the protocol. From the last train to the ACK of the whole window passes a round trip and the
/// time for what was still queued; from the first train to it, at least the time for all of the window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Meter {
    /// The receiver's time for one block in nanoseconds: never less than the true one, if the round trip is right.
    block_time: Option<u64>,
    /// The round trip of the first answer, in nanoseconds, or a shorter one that was seen since.
    round_trip: Option<u64>,
}

/// What the acknowledgement of a run says.
#[derive(Debug)]
pub(super) struct Sample {
    /// Blocks that the receiver worked on, of the run and of its last train.
    pub(super) blocks: u16,
    pub(super) of_last_train: u64,
    pub(super) since_start: Duration,
    pub(super) since_last_train: Duration,
    /// Nothing was missing.
    pub(super) whole: bool,
    /// Perhaps it is longer than was thought.
    pub(super) may_be_longer: bool,
}

impl Meter {
    /// Nanoseconds for a block.
    pub(super) const fn block_time(&self) -> Option<u64> {
        self.block_time
    }

    /// Nanoseconds.
    pub(super) fn round_trip(&self) -> u64 {
        self.round_trip.unwrap_or(0)
    }

    /// A train and the pause behind it were known to suit, nanoseconds.
    pub(super) fn assume(&mut self, block_time: u64) {
        self.block_time = Some(block_time);
    }

    /// The answer to the opening came.
    pub(super) fn answered(&mut self, round_trip: Duration) {
        self.round_trip = Some(nanos(round_trip));
    }

    pub(super) fn learn(&mut self, sample: &Sample) {
        let since_start = nanos(sample.since_start);
        let since_last = nanos(sample.since_last_train);
        if sample.whole {
            self.round_trip = Some(self.round_trip.map_or(since_last, |shortest| shortest.min(since_last)));
        }
        let round_trip = self.round_trip();
        // The first answer took some work, too.
        let shorter = round_trip - (round_trip / 8).min(FIRST_ANSWER);
        if !sample.whole && since_start < shorter {
            // It answers what was sent before.
            return;
        }
        let mut bound = since_start.saturating_sub(round_trip) / u64::from(sample.blocks).max(1);
        if let Some(since) = since_last.saturating_sub(shorter).checked_div(sample.of_last_train) {
            bound = bound.min(since);
        }
        self.block_time = Some(match self.block_time {
            None => bound,
            Some(time) if bound <= time => bound,
            // Perhaps it only answered late: follow slowly.
            Some(time) if sample.may_be_longer => time + (bound - time).min(time / 8),
            Some(time) => time,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One late answer is no reason to forget how fast the receiver was the last time.
    #[test]
    fn what_is_known_from_before_changes_slowly() {
        let mut meter = Meter::default();
        meter.assume(100_000);
        assert_eq!(meter.block_time(), Some(100_000));
        let late = Duration::from_secs(1);
        let sample = |may_be_longer| Sample {
            blocks: 8,
            of_last_train: 8,
            since_start: late,
            since_last_train: late,
            whole: false,
            may_be_longer,
        };
        meter.learn(&sample(false));
        assert_eq!(meter.block_time(), Some(100_000));
        meter.learn(&sample(true));
        assert_eq!(meter.block_time(), Some(112_500));
    }
}
