//! How long an answer takes (the estimator of RFC 6298).

use core::time::Duration;

/// Round trips for which a final ACK is repeated at most where nothing was lost. From 4 ms on that outlasts the shortest
/// interval after which we would ask ourselves. Below that the peer is on this host or next to it: a lone small packet is
/// hardly ever lost there, and most peers, whose interval is a second or more, would ask too late in any case.
const BRIEF_ROUND_TRIPS: u64 = 16;
/// So many much shorter samples in a row are not those of a path on which every other one is long.
const SHORT_IN_A_ROW: u8 = 4;

/// The longest sample: decades, and there is room to count with it.
pub(super) const LONGEST: u64 = u64::MAX / BRIEF_ROUND_TRIPS;

/// What samples of a round trip have come to, in nanoseconds: each ACK brings one, and a [`Duration`] is slow to count with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RoundTrip {
    pub(super) smoothed: u64,
    pub(super) variation: u64,
    /// The shortest sample: how far away the peer is, whatever it had to do meanwhile.
    shortest: u64,
    /// Samples in a row that were much shorter.
    short: u8,
}

impl RoundTrip {
    pub(super) const fn first(sample: u64) -> Self {
        Self { smoothed: sample, variation: sample / 2, shortest: sample, short: 0 }
    }

    pub(super) fn add(&mut self, sample: u64) {
        self.short = if sample < self.smoothed / 4 { self.short.saturating_add(1) } else { 0 };
        if self.short >= SHORT_IN_A_ROW {
            // A queue is gone. To forget it as slowly as it was learned would take too long.
            self.smoothed /= 2;
            self.variation /= 2;
        }
        let deviation = self.smoothed.abs_diff(sample);
        self.smoothed = self.smoothed * 7 / 8 + sample / 8;
        self.variation = self.variation * 3 / 4 + deviation / 4;
        self.shortest = self.shortest.min(sample);
    }

    /// So many of the shortest as a final ACK is repeated for at most.
    pub(super) const fn brief(&self) -> u64 {
        self.shortest * BRIEF_ROUND_TRIPS
    }

    /// The interval that it asks for.
    pub(super) const fn interval(&self) -> Duration {
        Duration::from_nanos(self.smoothed + self.variation * 4)
    }
}
