//! One waker per source of readiness, so that only what has become ready is asked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Whoever polls the loop at present.
#[derive(Debug, Default)]
pub(super) struct Task(Arc<AtomicWaker>);

impl Task {
    /// Sends all wake-ups to this task from now on. To be called before any source is looked at.
    pub(super) fn register(&self, waker: &Waker) {
        self.0.register(waker);
    }

    /// A waker of its own for one source.
    pub(super) fn source(&self) -> Source {
        let flag = Arc::new(Flag { raised: AtomicBool::new(false), task: Arc::clone(&self.0) });
        Source { waker: Waker::from(Arc::clone(&flag)), flag }
    }
}

/// The waker of one source, which remembers that it was woken.
#[derive(Debug)]
pub(super) struct Source {
    flag: Arc<Flag>,
    waker: Waker,
}

impl Source {
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Has it asked next time, as if it had been woken.
    pub(super) fn raise(&self) {
        self.flag.raised.store(true, Ordering::Relaxed);
    }

    /// Whether [`take`](Self::take) may say yes.
    pub(super) fn is_raised(&self) -> bool {
        self.flag.raised.load(Ordering::Relaxed)
    }

    /// Whether it was woken since the last call.
    pub(super) fn take(&self) -> bool {
        self.is_raised() && self.flag.raised.swap(false, Ordering::Acquire)
    }
}

#[derive(Debug)]
struct Flag {
    raised: AtomicBool,
    task: Arc<AtomicWaker>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raised.store(true, Ordering::Release);
        self.task.wake();
    }
}
