//! What is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use tftp_proto::Stats;
use tftp_proto::negotiate::Parameters;

/// Why a transfer failed, in a few words that are the same for all that failed alike.
pub(super) type Failure = String;

/// Kinds of failures that are told apart; a server may put anything into its errors.
const MAX_KINDS: usize = 32;
/// Names whose contents are remembered.
const MAX_NAMES: usize = 1 << 20;

/// What one thread counts, or all of them together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) started: u64,
    pub(super) unfinished: u64,
    /// From the start to the last end.
    pub(super) elapsed: Duration,
    /// Bytes of completed transfers.
    pub(super) bytes: u64,
    /// Bytes that moved, for the progress line.
    pub(super) live_bytes: u64,
    /// How long each completed transfer took, in microseconds.
    pub(super) latencies: Vec<u64>,
    pub(super) failures: BTreeMap<Failure, u64>,
    pub(super) contents: Contents,
    pub(super) stats: Stats,
    pub(super) send_errors: u64,
    pub(super) receive_errors: u64,
    /// Datagrams that were no TFTP, or not from the server.
    pub(super) strange: u64,
    /// Block size and window as agreed, and by how many transfers.
    pub(super) agreed: BTreeMap<(u16, u16), u64>,
}

impl Tally {
    pub(super) fn agreed(&mut self, parameters: &Parameters) {
        *self.agreed.entry((parameters.block_size, parameters.window_size)).or_default() += 1;
    }

    pub(super) fn cost(&mut self, stats: &Stats) {
        self.stats += *stats;
    }

    pub(super) fn completed(&mut self, bytes: u64, duration: Duration) {
        self.bytes += bytes;
        self.latencies.push(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn failed(&mut self, failure: Failure) {
        self.add_failures(failure, 1);
    }

    fn add_failures(&mut self, failure: Failure, count: u64) {
        let known = self.failures.len() < MAX_KINDS || self.failures.contains_key(&failure);
        *self.failures.entry(if known { failure } else { "other".into() }).or_default() += count;
    }

    pub(super) fn failed_count(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Adds what another thread counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.started += other.started;
        self.unfinished += other.unfinished;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.bytes += other.bytes;
        self.live_bytes += other.live_bytes;
        self.latencies.extend(other.latencies);
        for (failure, count) in other.failures {
            self.add_failures(failure, count);
        }
        for (name, content) in other.contents.0 {
            if let Err(failure) = self.contents.check(name, content) {
                self.failed(failure);
            }
        }
        self.stats += other.stats;
        self.send_errors += other.send_errors;
        self.receive_errors += other.receive_errors;
        self.strange += other.strange;
        for (parameters, count) in other.agreed {
            *self.agreed.entry(parameters).or_default() += count;
        }
    }

    /// The latency that this share of the completed transfers did not exceed. The latencies must be sorted.
    pub(super) fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = (share * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied().map(Duration::from_micros)
    }
}

/// What a downloaded file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    /// Bytes.
    pub(super) size: u64,
    /// SHA-256, where contents are checked.
    pub(super) digest: Option<[u8; 32]>,
}

/// The content of each name, as first seen.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<Vec<u8>, Content>);

impl Contents {
    /// Remembers a content, or compares it with what was seen before under that name.
    pub(super) fn check(&mut self, name: Vec<u8>, content: Content) -> Result<(), Failure> {
        if self.0.len() >= MAX_NAMES && !self.0.contains_key(&name) {
            return Ok(());
        }
        if *self.0.entry(name).or_insert(content) == content {
            Ok(())
        } else {
            Err("content: downloads of one name differ".into())
        }
    }

    /// All contents.
    pub(super) fn all(&self) -> impl Iterator<Item = &Content> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(size: u64) -> Content {
        Content { size, digest: None }
    }

    #[test]
    fn percentiles_are_latencies_that_were_seen() {
        let mut tally = Tally { latencies: (1..=100).collect(), ..Tally::default() };
        assert_eq!(tally.percentile(0.5), Some(Duration::from_micros(50)));
        assert_eq!(tally.percentile(0.99), Some(Duration::from_micros(99)));
        assert_eq!(tally.percentile(1.0), Some(Duration::from_micros(100)));
        tally.latencies.truncate(1);
        assert_eq!(tally.percentile(0.5), Some(Duration::from_micros(1)));
        tally.latencies.clear();
        assert_eq!(tally.percentile(0.5), None);
    }

    #[test]
    fn a_name_has_one_content_in_all_threads() {
        let mut all = Tally::default();
        for size in [1, 1, 2] {
            let mut thread = Tally::default();
            thread.contents.check(b"a".to_vec(), content(size)).unwrap();
            thread.contents.check(b"b".to_vec(), content(7)).unwrap();
            all.merge(thread);
        }
        assert_eq!(all.failed_count(), 1);
        assert!(all.contents.check(b"b".to_vec(), content(8)).is_err());
    }

    #[test]
    fn servers_cannot_fill_the_memory_with_errors() {
        let mut tally = Tally::default();
        for number in 0..1000 {
            tally.failed(format!("error 0: {number}"));
        }
        assert_eq!(tally.failures.len(), MAX_KINDS + 1);
        assert_eq!(tally.failed_count(), 1000);
    }
}
