//! How many blocks a receiver takes at once, and how much time it needs for them.

use core::time::Duration;

/// Trains shorter than this are not preferred to longer ones.
pub(super) const SHORT: u16 = 8;
/// The longest pause, in milliseconds.
pub(super) const MAX_PAUSE: u64 = 1000;

/// What a receiver takes: trains of so many blocks, so far apart.
///
/// A sender learns it from the acknowledgements ([`Transfer::take_pace`](super::Transfer::take_pace)); given to the
/// next transfer with the same host, it saves learning it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pace {
    train: u16,
    /// Milliseconds; 0: a window of `train` blocks is taken whole, and more may be.
    pause: u16,
    /// The block size for which this is true.
    block_size: u16,
    /// Longer trains are to be tried.
    trial: bool,
}

impl Pace {
    /// Every window is taken whole, until the acknowledgements say otherwise.
    pub const WHOLE: Self = Self { train: u16::MAX, pause: 0, block_size: 0, trial: false };

    pub(crate) const fn new(train: u16, pause: u16, block_size: u16) -> Self {
        Self { train, pause, block_size, trial: false }
    }

    /// A window of so many blocks is taken whole.
    pub(super) const fn takes(window: u16, block_size: u16) -> Self {
        Self { train: window, pause: 0, block_size, trial: false }
    }

    /// The same to begin with; then one longer train shows whether it is still true. Another program of the same host may
    /// take more, and a receiver that does not loses the end of that train, which it has survived before. A pace without
    /// pauses stays what it is: there, longer windows are sent anyway.
    #[must_use]
    pub const fn on_trial(self) -> Self {
        Self { trial: self.is_a_limit(), ..self }
    }

    /// Whether it was learned from losses.
    pub(crate) const fn is_a_limit(&self) -> bool {
        self.pause > 0
    }

    /// Blocks in a train.
    #[must_use]
    pub const fn train(&self) -> u16 {
        self.train
    }

    /// The pause between two trains. Zero: windows of [`train`](Self::train) blocks need none.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        Duration::from_millis(self.pause as u64)
    }

    pub(super) const fn pause_millis(&self) -> u16 {
        self.pause
    }

    pub(super) const fn is_on_trial(&self) -> bool {
        self.trial
    }

    /// The same for blocks of another size: larger ones take longer.
    pub(super) fn for_block_size(self, block_size: u16) -> Self {
        if self.block_size == 0 || block_size <= self.block_size {
            return self;
        }
        let pause = (u32::from(self.pause) * u32::from(block_size)).div_ceil(u32::from(self.block_size));
        Self { pause: u16::try_from(pause).unwrap_or(u16::MAX), block_size, ..self }
    }
}

/// Rounded up, at least one.
pub(super) const fn whole_millis(pause: Duration) -> u16 {
    let millis = pause.as_micros().div_ceil(1000);
    if millis > MAX_PAUSE as u128 {
        MAX_PAUSE as u16
    } else if millis == 0 {
        1
    } else {
        millis as u16
    }
}

/// The pause in which a receiver digests a train, given its time for a block in nanoseconds.
pub(super) fn pause_for(train: u16, block_time: u64) -> u16 {
    let pause = u64::from(train).saturating_mul(block_time).div_ceil(1_000_000);
    u16::try_from(pause.clamp(1, MAX_PAUSE)).unwrap_or(1)
}

/// What a sender knows when it chooses how to cut a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means {
    /// Blocks in a window.
    pub(super) window: u16,
    /// Blocks that arrive in one go.
    pub(super) longest: u16,
    /// The receiver's time for one of them, nanoseconds.
    pub(super) block_time: u64,
    /// The round trip, nanoseconds.
    pub(super) round_trip: u64,
}

impl Means {
    /// The pause between a train of `train` blocks and one of `next` that ends the window: it must find room.
    pub(super) fn last_pause(&self, train: u16, next: u16) -> u16 {
        let excess = (train + next).saturating_sub(self.longest);
        pause_for(excess, self.block_time).min(pause_for(train, self.block_time))
    }

    /// The time from the start of a window in such trains to its ACK, nanoseconds.
    fn window_time(&self, train: u16) -> u64 {
        let last = (self.window - 1) % train + 1;
        let full = u64::from((self.window - 1) / train);
        let millis = match full {
            0 => 0,
            _ => (full - 1) * u64::from(pause_for(train, self.block_time)) + u64::from(self.last_pause(train, last)),
        };
        // What is left of the train before the last one is worked on first.
        let queued = (u64::from(train) * self.block_time).saturating_sub(if full > 0 {
            u64::from(self.last_pause(train, last)) * 1_000_000
        } else {
            u64::MAX
        });
        (millis * 1_000_000).saturating_add(queued + u64::from(last) * self.block_time).saturating_add(self.round_trip)
    }

    /// The train that brings most, with its pause. Of those that bring nearly as much the shortest is taken, because it
    /// leaves most room to spare.
    pub(super) fn best_pace(&self) -> (u16, u16) {
        let longest = self.longest.clamp(1, self.window);
        let best = (1..=longest).map(|train| self.window_time(train)).min().unwrap_or(0);
        let enough = best.saturating_add(best / 32);
        let train = (SHORT.min(longest)..=longest)
            .find(|train| self.window_time(*train) <= enough)
            .or_else(|| (1..=longest).find(|train| self.window_time(*train) <= enough))
            .unwrap_or(longest);
        (train, pause_for(train, self.block_time))
    }

    /// Whether longer trains could bring little more: at most a tenth.
    pub(super) fn are_enough(&self) -> bool {
        let (train, _) = self.best_pace();
        let least = u64::from(self.window).saturating_mul(self.block_time).saturating_add(self.round_trip);
        self.window_time(train) / 11 <= least / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_whole_milliseconds_and_long_enough() {
        assert_eq!(pause_for(8, 120_000), 1);
        assert_eq!(pause_for(9, 120_000), 2);
        assert_eq!(pause_for(64, 0), 1);
        assert_eq!(pause_for(u16::MAX, u64::MAX), 1000);
        assert_eq!(whole_millis(Duration::from_micros(1)), 1);
        assert_eq!(whole_millis(Duration::from_micros(2001)), 3);
        assert_eq!((whole_millis(Duration::ZERO), whole_millis(Duration::from_secs(9))), (1, 1000));
    }

    #[test]
    fn the_best_pace_keeps_a_receiver_busy_without_drowning_it() {
        let means = Means { window: 64, longest: 8, block_time: 300_000, round_trip: 200_000 };
        // 0.3 ms for a block: eight would need 2.4 ms and waste a fifth of the third one.
        assert_eq!(means.best_pace(), (3, 1));
        // A fast one: as much as fits, every millisecond.
        let fast = Means { longest: 17, block_time: 10_000, ..means };
        assert_eq!(fast.best_pace(), (16, 1));
        // A slow one: short trains are as good as long ones.
        let slow = Means { longest: 64, block_time: 1_000_000, ..means };
        assert_eq!(slow.best_pace(), (8, 8));
        assert!(slow.are_enough() && !fast.are_enough());
    }

    #[test]
    fn larger_blocks_need_longer_pauses() {
        let pace = Pace::new(8, 2, 512);
        assert_eq!(pace.for_block_size(1428).pause(), Duration::from_millis(6));
        assert_eq!(pace.for_block_size(512), pace);
        assert_eq!(pace.for_block_size(8).pause(), Duration::from_millis(2));
    }
}
