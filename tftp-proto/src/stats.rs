//! What one transfer cost.

use core::ops::AddAssign;

/// Counters of one transfer, all from its first packet on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams sent, of every kind.
    pub datagrams_sent: u64,
    /// Datagrams that came from the peer and were understood.
    pub datagrams_received: u64,
    /// Blocks sent again, and acknowledgements and requests repeated.
    pub retransmissions: u64,
    /// Timers that ran out and led to a retransmission.
    pub timeouts: u64,
    /// Datagrams of the peer that changed nothing: duplicates, old blocks, gaps.
    pub ignored: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.datagrams_sent += other.datagrams_sent;
        self.datagrams_received += other.datagrams_received;
        self.retransmissions += other.retransmissions;
        self.timeouts += other.timeouts;
        self.ignored += other.ignored;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_added() {
        let of = |number| Stats {
            datagrams_sent: number,
            datagrams_received: 2 * number,
            retransmissions: 3 * number,
            timeouts: 4 * number,
            ignored: 5 * number,
        };
        let mut sum = of(10);
        sum += of(1);
        assert_eq!(sum, of(11));
    }
}
