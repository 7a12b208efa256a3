//! Requests dropped at a limit: counted one by one, told in summary.

use core::time::Duration;

use super::event::Event;
use crate::Instant;

const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Saturation {
    dropped: u64,
    /// The next summary is due then.
    due: Option<Instant>,
}

impl Saturation {
    pub(super) fn note(&mut self, now: Instant) {
        self.dropped += 1;
        self.due.get_or_insert(now + INTERVAL);
    }

    /// The summary, if it is due.
    pub(super) fn report(&mut self, now: Instant) -> Option<Event> {
        self.due.take_if(|due| *due <= now)?;
        Some(Event::Saturated { dropped: core::mem::take(&mut self.dropped) })
    }

    pub(super) const fn next(&self) -> Option<Instant> {
        self.due
    }
}
