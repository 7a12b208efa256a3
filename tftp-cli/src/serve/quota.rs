//! Keeps a flood of requests that come to nothing from drowning the log: each costs its sender one datagram.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in each interval.
const LINES: u32 = 100;
const INTERVAL: Duration = Duration::from_secs(1);

/// How many lines may still be logged.
#[derive(Debug, Default)]
pub(super) struct Quota(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the present interval ends.
    until: Option<Instant>,
    used: u32,
    /// Lines that were left out in it.
    left_out: u64,
}

impl Quota {
    /// Whether one more line may be logged now.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What was left out before stays until it is told.
        if state.until.is_none_or(|until| until <= now) {
            *state = State { until: Some(now + INTERVAL), left_out: state.left_out, ..State::default() };
        }
        let granted = state.used < LINES;
        if granted {
            state.used += 1;
        } else {
            state.left_out += 1;
        }
        granted
    }

    /// How many lines were left out in an interval that is over, once.
    pub(super) fn left_out(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = state.until.is_some_and(|until| until <= now);
        (over && state.left_out > 0).then(|| std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_in_each_interval_and_the_rest_in_summary() {
        let (quota, start) = (Quota::default(), Instant::now());
        let granted = |now| (0..1000).filter(|_| quota.take(now)).count();
        assert_eq!(granted(start), LINES as usize);
        assert_eq!(quota.left_out(start), None, "not before the interval is over");
        assert_eq!(quota.left_out(start + INTERVAL), Some(1000 - u64::from(LINES)));
        assert_eq!(quota.left_out(start + INTERVAL), None, "once");
        assert_eq!(granted(start + INTERVAL), LINES as usize);
        assert!(quota.take(start + 2 * INTERVAL));
        assert_eq!(quota.left_out(start + 3 * INTERVAL), Some(1000 - u64::from(LINES)), "kept until it is asked for");
    }
}
