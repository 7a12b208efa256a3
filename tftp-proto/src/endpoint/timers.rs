//! One deadline per transfer, cheap to move.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use super::action::TransferId;
use crate::Instant;

/// Deadlines in order. A deadline that moves later costs nothing until the old one comes: it is only then put back
/// in its place, so a transfer in full flow touches the heap once per interval, not once per packet.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, TransferId)>>,
}

/// The part of a timer that lives with its transfer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timer {
    /// When to act.
    pub(super) deadline: Option<Instant>,
    /// The earliest entry in the heap.
    queued: Option<Instant>,
}

/// The sooner of two deadlines, where there are any.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Timers {
    /// Moves a transfer's deadline.
    pub(super) fn set(&mut self, timer: &mut Timer, id: TransferId, deadline: Option<Instant>) {
        timer.deadline = deadline;
        if let Some(deadline) = deadline
            && timer.queued.is_none_or(|queued| deadline < queued)
        {
            timer.queued = Some(deadline);
            self.heap.push(Reverse((deadline, id)));
        }
    }

    /// The next entry, which may be a deadline or only the place where one stood before.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next entry that has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Instant, TransferId)> {
        (self.next()? <= now).then(|| self.heap.pop())?.map(|Reverse(entry)| entry)
    }

    /// What an entry means for its transfer: `true` if the deadline has come. If it moved, it is queued anew.
    pub(super) fn fire(&mut self, timer: &mut Timer, id: TransferId, entry: Instant, now: Instant) -> bool {
        if timer.queued != Some(entry) {
            return false;
        }
        timer.queued = None;
        match timer.deadline {
            Some(deadline) if deadline <= now => true,
            deadline => {
                self.set(timer, id, deadline);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransferId = TransferId { index: 0, generation: 0 };

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_deadline_that_moves_later_is_queued_once() {
        let mut timers = Timers::default();
        let mut timer = Timer::default();
        for deadline in 10..1000 {
            timers.set(&mut timer, ID, Some(at(deadline)));
        }
        assert_eq!(timers.heap.len(), 1);
        let (entry, id) = timers.pop(at(10)).unwrap();
        assert!(!timers.fire(&mut timer, id, entry, at(10)));
        assert_eq!(timers.next(), Some(at(999)));
        let (entry, id) = timers.pop(at(999)).unwrap();
        assert!(timers.fire(&mut timer, id, entry, at(999)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_deadline_that_stays_is_queued_once() {
        let mut timers = Timers::default();
        let mut timer = Timer::default();
        for _ in 0..1000 {
            timers.set(&mut timer, ID, Some(at(10)));
        }
        assert_eq!(timers.heap.len(), 1);
    }

    #[test]
    fn a_deadline_that_moves_sooner_fires_sooner_and_once() {
        let mut timers = Timers::default();
        let mut timer = Timer::default();
        timers.set(&mut timer, ID, Some(at(100)));
        timers.set(&mut timer, ID, Some(at(50)));
        let (entry, id) = timers.pop(at(50)).unwrap();
        assert!(timers.fire(&mut timer, id, entry, at(50)));
        let (entry, id) = timers.pop(at(100)).unwrap();
        assert!(!timers.fire(&mut timer, id, entry, at(100)));
    }
}
