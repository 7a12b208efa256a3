//! A timer of the system, as a descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::Poll;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer that a runtime watches as it does a socket; Linux and Android have it.
///
/// A runtime's own timers cost it with every wait: it looks for the next, and has the system time out. This one costs a
/// system call when it is set, and nothing while it is not due.
#[derive(Debug)]
pub struct TimerFd(OwnedFd);

impl TimerFd {
    /// A timer that is not set.
    ///
    /// # Errors
    /// If the system refuses it, most likely because no more files may be opened.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    /// Ready once `deadline` has passed; before that, the task that `poll_readable` registers is woken then. That function
    /// asks the runtime whether the timer can be read, and once it has said so, asks anew.
    ///
    /// # Errors
    /// What `poll_readable` returns, or if the moment is beyond what the system can express.
    pub fn poll_until(
        &self,
        deadline: Instant,
        mut poll_readable: impl FnMut() -> Poll<io::Result<()>>,
    ) -> io::Result<Poll<()>> {
        // Each time, though it may be set for this moment already: a runtime that has reported the ring and was not heard
        // does not report it again.
        if !self.set(deadline)? {
            return Ok(Poll::Ready(()));
        }
        while let Poll::Ready(ready) = poll_readable() {
            ready?;
            // For this deadline, or still for one before?
            if deadline <= Instant::now() {
                return Ok(Poll::Ready(()));
            }
        }
        Ok(Poll::Pending)
    }

    /// Sets it for this moment, instead of any other: from then on it can be read, and not before. False if the moment
    /// has passed.
    fn set(&self, deadline: Instant) -> io::Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let no_time = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: no_time, it_value: Timespec::try_from(left).map_err(io::Error::other)? };
        timerfd_settime(self, TimerfdTimerFlags::empty(), &once)?;
        Ok(true)
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for TimerFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl From<TimerFd> for OwnedFd {
    fn from(timer: TimerFd) -> Self {
        timer.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn is_readable(timer: &TimerFd, patience: Duration) -> bool {
        let patience = patience.try_into().unwrap();
        poll(&mut [PollFd::new(timer, PollFlags::IN)], Some(&patience)).unwrap() == 1
    }

    #[test]
    fn it_can_be_read_from_its_moment_on() {
        let timer = TimerFd::new().unwrap();
        assert!(!is_readable(&timer, Duration::ZERO), "not set");
        let deadline = Instant::now() + Duration::from_millis(20);
        assert!(timer.set(deadline).unwrap());
        assert!(is_readable(&timer, Duration::from_secs(60)));
        assert!(Instant::now() >= deadline);

        assert!(!timer.set(deadline).unwrap(), "it has passed");
        assert!(timer.set(Instant::now() + Duration::from_secs(3600)).unwrap());
        assert!(!is_readable(&timer, Duration::ZERO), "set anew, it is not due any more");
    }
}
