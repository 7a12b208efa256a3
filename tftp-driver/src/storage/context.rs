//! Where blocking work runs.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_channel::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A pool for blocking work, given by the runtime's adapter. Cloning is cheap.
#[derive(Clone)]
pub struct Context {
    spawn: Option<Arc<dyn Fn(Work) + Send + Sync>>,
}

impl Context {
    /// A context that runs work through `spawn`, which must not block the caller.
    pub fn new(spawn: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) -> Self {
        Self { spawn: Some(Arc::new(spawn)) }
    }

    /// A context that runs work at once on the caller's thread: for tests, and for programs that own a thread.
    #[must_use]
    pub fn inline() -> Self {
        Self { spawn: None }
    }

    /// Runs `work` on the pool and gives its result.
    ///
    /// Work that has begun runs to its end, also when the future is dropped. Work is handed to the pool when the
    /// future is first polled.
    ///
    /// # Errors
    ///
    /// When the pool has shut down, or `work` panicked.
    pub async fn run<T, F>(&self, work: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let Some(spawn) = &self.spawn else {
            return catch_unwind(AssertUnwindSafe(work)).map_err(|_| io::Error::other("blocking work panicked"));
        };
        let (sender, receiver) = oneshot::channel();
        spawn(Box::new(move || {
            // A panic drops the sender, which the receiver reports; it must not end a thread of the pool.
            let result = catch_unwind(AssertUnwindSafe(work));
            if let Ok(value) = result {
                // Nobody waits any longer: dropping the value here is right.
                let _ = sender.send(value);
            }
        }));
        receiver.await.map_err(|oneshot::Canceled| io::Error::other("blocking work panicked or its pool has shut down"))
    }

    /// Hands `work` to the pool and does not wait for it.
    pub fn spawn<F: FnOnce() + Send + 'static>(&self, work: F) {
        let guarded = move || {
            let _ = catch_unwind(AssertUnwindSafe(work));
        };
        match &self.spawn {
            Some(spawn) => spawn(Box::new(guarded)),
            None => guarded(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("inline", &self.spawn.is_none()).finish()
    }
}
