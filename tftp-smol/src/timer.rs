//! The loop's timer: the system's where it has one, or else that of `async-io`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tftp_driver::runtime::Timer;

/// A timer, made when it is first armed. On Linux it is a descriptor, so that `async-io` need not look after it.
#[derive(Debug, Default)]
pub struct SmolTimer {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    system: system::SystemTimer,
    own: Option<OwnTimer>,
}

#[derive(Debug)]
struct OwnTimer {
    timer: async_io::Timer,
    deadline: Instant,
}

impl Timer for SmolTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Ok(poll) = self.system.poll_until(cx, deadline) {
            self.own = None;
            return poll;
        }
        let own = self.own.get_or_insert_with(|| OwnTimer { timer: async_io::Timer::at(deadline), deadline });
        if own.deadline != deadline {
            own.timer.set_at(deadline);
            own.deadline = deadline;
        }
        let poll = Pin::new(&mut own.timer).poll(cx).map(drop);
        if poll.is_ready() {
            // It rings once only.
            self.own = None;
        }
        poll
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::io;
    use std::task::{Context, Poll};
    use std::time::Instant;

    use async_io::Async;
    use tftp_driver::runtime::TimerFd;

    #[derive(Debug, Default)]
    pub(super) struct SystemTimer(Option<Async<TimerFd>>);

    impl SystemTimer {
        pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> io::Result<Poll<()>> {
            let timer = match &self.0 {
                Some(timer) => timer,
                None => self.0.insert(Async::new_nonblocking(TimerFd::new()?)?),
            };
            timer.get_ref().poll_until(deadline, || timer.poll_readable(cx))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn a_timer_rings_when_its_last_deadline_comes() {
        let mut timer = SmolTimer::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for moves in [vec![10], vec![3_600_000, 20], vec![600_000, 3_600_000, 40], vec![5]] {
            for passed_by in &moves[..moves.len() - 1] {
                block_on(poll_fn(|cx| {
                    assert!(timer.poll_until(cx, at(*passed_by)).is_pending());
                    Poll::Ready(())
                }));
            }
            let deadline = at(*moves.last().unwrap());
            block_on(poll_fn(|cx| timer.poll_until(cx, deadline)));
            assert!(Instant::now() >= deadline);
        }
        assert_eq!(timer.own.is_none(), cfg!(any(target_os = "linux", target_os = "android")));
    }

    #[test]
    fn no_ring_is_missed_however_short_the_wait() {
        let mut timer = SmolTimer::default();
        for micros in (0..2000).map(|round| round % 100) {
            let deadline = Instant::now() + Duration::from_micros(micros);
            block_on(poll_fn(|cx| timer.poll_until(cx, deadline)));
            assert!(Instant::now() >= deadline);
        }
    }
}
