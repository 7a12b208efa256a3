//! What was asked of the store, and what the cache has saved.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the storage was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Requests to the store for an object's size and version (HEAD).
    pub look_ups: u64,
    /// Files opened, or found missing, by an answer that was there already.
    pub look_ups_saved: u64,
    /// Chunks that were fetched from the store.
    pub chunks_fetched: u64,
    /// Chunks that a reader got from memory, or by waiting for a fetch that was under way.
    pub chunks_from_memory: u64,
    /// Chunks that a reader got from the cache on disk.
    pub chunks_from_disk: u64,
    /// Bytes of content that the store has sent.
    pub bytes_fetched: u64,
    /// Bytes that the cache holds in memory, and chunks in use.
    pub bytes_in_memory: u64,
    /// Bytes that the cache holds on disk.
    pub bytes_on_disk: u64,
    /// How often a file of the cache on disk could not be written or read.
    pub disk_failures: u64,
}

impl Stats {
    /// The part of the chunks that did not have to be fetched, from 0 to 1; `None` before the first.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    pub fn hit_ratio(&self) -> Option<f64> {
        let hits = self.chunks_from_memory + self.chunks_from_disk;
        let all = hits + self.chunks_fetched;
        (all > 0).then(|| hits as f64 / all as f64)
    }
}

/// A count that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) look_ups: Counter,
    pub(crate) look_ups_saved: Counter,
    pub(crate) chunks_fetched: Counter,
    pub(crate) chunks_from_memory: Counter,
    pub(crate) chunks_from_disk: Counter,
    pub(crate) bytes_fetched: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_counts_both_tiers() {
        assert_eq!(Stats::default().hit_ratio(), None);
        let stats = Stats { chunks_fetched: 1, chunks_from_memory: 2, chunks_from_disk: 1, ..Stats::default() };
        assert_eq!(stats.hit_ratio(), Some(0.75));
    }
}
