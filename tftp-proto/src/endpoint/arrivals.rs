//! Who came when, and who goes first where there is no place for a newcomer.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use super::Endpoint;
use super::action::TransferId;
use super::demux::Network;
use super::entry::{Entry, Phase};
use super::event::Outcome;
use crate::Instant;

/// For so long nobody is told that an answer belongs to no transfer, when one was given up that may still be answered.
const SILENCE: Duration = Duration::from_secs(5);

/// Server transfers in the order of their requests.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Those long gone are cleared when they outnumber the living.
    all: VecDeque<TransferId>,
    /// Those that were sent an answer, by network: a flood of one network must not cost a look at everybody for each of
    /// its requests. One whose file is still being opened is not among them, for storage would go on with it.
    answered: BTreeSet<(Network, Instant, u32, u32)>,
}

impl Arrivals {
    pub(super) fn push(&mut self, id: TransferId) {
        self.all.push_back(id);
    }

    pub(super) fn retain_if_many(&mut self, alive: usize, is_alive: impl Fn(TransferId) -> bool) {
        if self.all.len() > 64 + 2 * alive {
            self.all.retain(|id| is_alive(*id));
        }
    }

    pub(super) fn answer(&mut self, entry: &Entry) {
        self.answered.insert(Self::key(entry));
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.answered.remove(&Self::key(entry));
    }

    fn key(entry: &Entry) -> (Network, Instant, u32, u32) {
        (Network::new(entry.key()), entry.started, entry.id.generation, entry.id.index)
    }

    fn take_oldest(&mut self, of: Option<Network>) -> Option<TransferId> {
        let Some(network) = of else { return self.all.pop_front() };
        let first = (network, Instant::ZERO, 0, 0);
        let oldest = *self.answered.range(first..).next().filter(|(of, ..)| *of == network)?;
        self.answered.remove(&oldest);
        let (.., generation, index) = oldest;
        Some(TransferId { index, generation })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.all.len(), self.answered.len())
    }
}

impl Endpoint {
    /// Forgets the oldest transfer, of a network or of all, whose peer has not answered and whose place is free at once.
    pub(super) fn evict(&mut self, now: Instant, of: Option<Network>) -> bool {
        while let Some(id) = self.arrivals.take_oldest(of) {
            let Some(entry) = self.entry(id) else { continue };
            if entry.is_proved() || matches!(entry.phase, Phase::Closing) {
                continue;
            }
            self.conclude(now, id.index as usize, Outcome::Evicted);
            // Its answer may be on the way. Many boot ROMs ask again in silence, but leave at an ERROR.
            self.wrong_tid_after = self.wrong_tid_after.max(now + SILENCE);
            return true;
        }
        false
    }
}
