//! When two states of one side count as the same.

use std::fmt::{Debug, Write};

use tftp_proto::Instant;

/// Everything that `Debug` shows of a value, except what cannot change its future: counters and the state of the jitter
/// are left out, and points in time count from `now`.
///
/// A field that is added to the state machines enters the key by itself.
pub(super) fn key(value: &impl Debug, now: Instant) -> String {
    let shown = format!("{value:?}");
    let mut key = String::with_capacity(shown.len());
    let mut rest = shown.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some(tail) = skip(rest, "Stats {", '}').or_else(|| skip(rest, "Rng(", ')')) {
            key.push('_');
            rest = tail;
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            rest = tail;
            match (instant(number), tail.strip_prefix('s')) {
                (Some(micros), Some(behind)) => {
                    let _ = write!(key, "@{}", i128::from(micros) - i128::from(now.as_micros()));
                    rest = behind;
                }
                _ => key.push_str(number),
            }
        } else {
            key.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    key
}

fn skip<'a>(text: &'a str, start: &str, end: char) -> Option<&'a str> {
    let inside = text.strip_prefix(start)?;
    inside.find(end).map(|at| &inside[at + end.len_utf8()..])
}

/// Seconds with six decimals, as only an [`Instant`] is shown.
fn instant(number: &str) -> Option<u64> {
    let (seconds, micros) = number.split_once('.').filter(|(_, micros)| micros.len() == 6)?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tftp_proto::{Rng, Stats};

    #[test]
    fn time_counts_from_now_and_counters_do_not_count() {
        let at = Instant::from_micros;
        let mut stats = Stats::default();
        let one = key(&(at(5_000_001), Some(3), Duration::from_micros(8), stats, Rng::new(1)), at(5_000_000));
        stats.ignored = 7;
        let other = key(&(at(9_000_001), Some(3), Duration::from_micros(8), stats, Rng::new(2)), at(9_000_000));
        assert_eq!(one, other);
        assert_eq!(one, "(@1, Some(3), 8µs, _, _)");
        assert_ne!(one, key(&(at(1), Some(4), Duration::from_micros(8), stats, Rng::new(2)), at(0)));
    }
}
