//! The loop's timer: the system's where it can be, or else tokio's.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tftp_driver::runtime::Timer;
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

/// A timer, made when it is first armed. On Linux it is a descriptor while tokio's time is the system's, so that tokio
/// need not look after it; with paused time, and elsewhere, it is one of tokio's own.
#[derive(Debug, Default)]
pub struct TokioTimer {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    system: system::SystemTimer,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer for TokioTimer {
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if system::is_tokios_time()
            && let Ok(poll) = self.system.poll_until(cx, deadline)
        {
            self.sleep = None;
            return poll;
        }
        let deadline = TokioInstant::from_std(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::io;
    use std::task::{Context, Poll};
    use std::time::Instant;

    use tftp_driver::runtime::TimerFd;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::time::Instant as TokioInstant;

    use crate::socket::register;

    /// Whether tokio's clock runs, and shows what the system's does.
    pub(super) fn is_tokios_time() -> bool {
        let before = Instant::now();
        let tokios = TokioInstant::now().into_std();
        before <= tokios && tokios <= Instant::now()
    }

    #[derive(Debug, Default)]
    pub(super) struct SystemTimer(Option<AsyncFd<TimerFd>>);

    impl SystemTimer {
        pub(super) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> io::Result<Poll<()>> {
            let timer = match &self.0 {
                Some(timer) => timer,
                None => self.0.insert(register(TimerFd::new()?, Interest::READABLE)?),
            };
            let poll_readable = || timer.poll_read_ready(cx).map_ok(|mut ready| ready.clear_ready());
            timer.get_ref().poll_until(deadline, poll_readable)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    /// Deadlines that come, that move either way before they do, and that have passed.
    async fn rings_in_time(timer: &mut TokioTimer) {
        let start = TokioInstant::now();
        let at = |millis| (start + Duration::from_millis(millis)).into_std();
        for moves in [vec![10], vec![3_600_000, 20], vec![600_000, 3_600_000, 40], vec![5]] {
            for passed_by in &moves[..moves.len() - 1] {
                poll_fn(|cx| {
                    assert!(timer.poll_until(cx, at(*passed_by)).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            let deadline = at(*moves.last().unwrap());
            poll_fn(|cx| timer.poll_until(cx, deadline)).await;
            assert!(TokioInstant::now().into_std() >= deadline);
        }
    }

    #[tokio::test]
    async fn a_timer_rings_when_its_last_deadline_comes() {
        let mut timer = TokioTimer::default();
        rings_in_time(&mut timer).await;
        assert_eq!(timer.sleep.is_none(), cfg!(any(target_os = "linux", target_os = "android")));
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_is_heeded() {
        let mut timer = TokioTimer::default();
        let begun = Instant::now();
        rings_in_time(&mut timer).await;
        poll_fn(|cx| timer.poll_until(cx, begun + Duration::from_secs(36_000))).await;
        assert!(begun.elapsed() < Duration::from_secs(3_600));
        assert!(timer.sleep.is_some());
    }

    #[tokio::test]
    async fn time_that_is_paused_later_is_heeded_from_then_on() {
        let mut timer = TokioTimer::default();
        rings_in_time(&mut timer).await;
        tokio::time::pause();
        rings_in_time(&mut timer).await;
        assert!(timer.sleep.is_some());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_ring_is_missed_however_short_the_wait() {
        let mut timer = TokioTimer::default();
        for micros in (0..2000).map(|round| round % 100) {
            let deadline = Instant::now() + Duration::from_micros(micros);
            let rings = poll_fn(|cx| timer.poll_until(cx, deadline));
            tokio::time::timeout(Duration::from_secs(60), rings).await.unwrap();
            assert!(Instant::now() >= deadline);
        }
    }
}
