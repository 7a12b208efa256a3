//! The loop's one timer.

use std::task::Poll;
use std::time::Instant;

use super::wake::{Source, Task};
use crate::runtime::Timer;

/// A timer that is left alone while it is armed for an earlier moment than needed: deadlines mostly move away, with
/// every datagram, and one wake-up in vain is cheaper than arming it anew each time.
pub(super) struct Alarm<T> {
    timer: T,
    source: Source,
    armed: Option<Instant>,
}

impl<T: Timer> Alarm<T> {
    pub(super) fn new(timer: T, task: &Task) -> Self {
        Self { timer, source: task.source(), armed: None }
    }

    /// Ready once `deadline` has passed; before that, the task is woken then or earlier.
    pub(super) fn poll_until(&mut self, deadline: Instant) -> Poll<()> {
        let rang = self.source.take();
        if !rang && self.armed.is_some_and(|armed| armed <= deadline) {
            return Poll::Pending;
        }
        let poll = self.timer.poll_until(&mut self.source.context(), deadline);
        self.armed = poll.is_pending().then_some(deadline);
        poll
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;

    #[derive(Default, Clone)]
    struct Recorder(Arc<Mutex<(Vec<Instant>, Option<Waker>)>>);

    impl Timer for Recorder {
        fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
            let mut inner = self.0.lock().unwrap();
            inner.0.push(deadline);
            inner.1 = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    #[test]
    fn a_deadline_that_moves_away_does_not_touch_the_timer() {
        let recorder = Recorder::default();
        let mut alarm = Alarm::new(recorder.clone(), &Task::default());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let armed = || recorder.0.lock().unwrap().0.clone();

        assert!(alarm.poll_until(at(5)).is_pending());
        for seconds in 6..100 {
            assert!(alarm.poll_until(at(seconds)).is_pending());
        }
        assert_eq!(armed(), [at(5)]);

        // It rings for the old deadline, and only then is armed for the new one.
        recorder.0.lock().unwrap().1.take().unwrap().wake();
        assert!(alarm.poll_until(at(99)).is_pending());
        assert_eq!(armed(), [at(5), at(99)]);

        // An earlier deadline is armed at once.
        assert!(alarm.poll_until(at(1)).is_pending());
        assert_eq!(armed(), [at(5), at(99), at(1)]);
    }
}
