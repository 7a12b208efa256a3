//! The loop's clock and the core's, which counts microseconds since an epoch.

use std::time::{Duration, Instant};

/// Translates between the two.
#[derive(Debug)]
pub(super) struct Clock {
    epoch: Instant,
    /// What was asked last, with its answer: everything that follows from one datagram happens at the same moment.
    last: (Instant, tftp_proto::Instant),
}

impl Clock {
    pub(super) fn new(epoch: Instant) -> Self {
        Self { epoch, last: (epoch, tftp_proto::Instant::ZERO) }
    }

    /// Rounds down, so that a deadline of the core, translated by [`std`](Self::std), has passed there once it
    /// has passed here.
    pub(super) fn proto(&mut self, instant: Instant) -> tftp_proto::Instant {
        if instant != self.last.0 {
            self.last = (instant, self.translate(instant));
        }
        self.last.1
    }

    fn translate(&self, instant: Instant) -> tftp_proto::Instant {
        let micros = instant.saturating_duration_since(self.epoch).as_micros();
        tftp_proto::Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// `None` for a time that this system cannot express, which is as good as never.
    pub(super) fn std(&self, instant: tftp_proto::Instant) -> Option<Instant> {
        self.epoch.checked_add(Duration::from_micros(instant.as_micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_reached_on_one_clock_is_reached_on_the_other() {
        let epoch = Instant::now();
        let mut clock = Clock::new(epoch);
        let deadline = clock.proto(epoch + Duration::from_nanos(1_999)) + Duration::from_micros(7);
        assert_eq!(deadline.as_micros(), 8);
        let reached = clock.std(deadline).unwrap();
        assert!(clock.proto(reached) >= deadline);
        assert!(clock.proto(reached - Duration::from_nanos(1)) < deadline);
    }

    #[test]
    fn times_before_the_epoch_are_the_epoch() {
        let epoch = Instant::now() + Duration::from_secs(60);
        assert_eq!(Clock::new(epoch).proto(Instant::now()), tftp_proto::Instant::ZERO);
    }
}
