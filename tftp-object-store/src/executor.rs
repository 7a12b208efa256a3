//! The tokio runtime on which every request to a store runs.
//!
//! `object_store` needs tokio's sockets and timers. With a runtime of its own the storage behaves the same under tokio,
//! smol and any other executor: what crosses over is a handle to be awaited, and that works everywhere.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tftp_driver::storage::StorageError;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub(crate) struct Executor {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Executor {
    pub(crate) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        // One thread is plenty for what TFTP can carry; encryption is the most it does. Beside it, threads that wait
        // for the cache's disk, and look names up.
        builder.worker_threads(1).max_blocking_threads(64).thread_name("object-store");
        let runtime = builder.enable_io().enable_time().build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs `future` to its end, whether or not anybody waits for it.
    pub(crate) fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        Task(self.runtime.as_ref().map(|runtime| runtime.spawn(future)))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Whoever drops the storage may be in an async context, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

/// What a spawned future will give. Dropping it lets the future run on.
pub(crate) struct Task<T>(Option<JoinHandle<T>>);

impl<T> Task<T> {
    pub(crate) fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, StorageError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let stopped = || StorageError::Other("the object store's runtime has stopped".to_owned());
        match &mut self.0 {
            Some(handle) => Pin::new(handle).poll(cx).map(|result| {
                result.map_err(|error| {
                    if error.is_panic() { StorageError::Other("a request panicked".to_owned()) } else { stopped() }
                })
            }),
            None => Poll::Ready(Err(stopped())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn timers_work_and_any_executor_may_wait() {
        let executor = Executor::start().unwrap();
        let task = executor.spawn(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            7
        });
        assert_eq!(block_on(task).unwrap(), 7);
    }

    #[test]
    fn a_panic_stays_with_its_task() {
        let executor = Executor::start().unwrap();
        assert!(block_on(executor.spawn(async { panic!("on purpose") })).is_err());
        assert_eq!(block_on(executor.spawn(async { 1 })).unwrap(), 1);
    }

    #[test]
    fn the_last_owner_may_be_one_of_its_own_tasks() {
        let executor = Arc::new(Executor::start().unwrap());
        let (sender, receiver) = channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let last = Arc::clone(&executor);
        drop(executor.spawn(async move {
            let _ = gone.await;
            drop(last);
            sender.send(()).unwrap();
        }));
        drop(executor);
        go.send(()).unwrap();
        receiver.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}
