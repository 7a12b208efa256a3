//! A writer that never waits: a thread of its own passes on what it takes.
//!
//! Standard error blocks while somebody holds the terminal with Ctrl-S, or when the reader of a pipe falls behind, and
//! a server would stand still with it. `tracing-appender` has such a writer, too, but counts lost lines without telling,
//! and when its queue is full at the end it prints to standard output, which may be the same terminal.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait: some 5,000 lines.
const CAPACITY: usize = 1 << 20;

/// How long the end of the program waits for what is queued.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where lines are queued. Clones share the queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that found no room since `waiting` was taken. Until it is taken again all others are lost, too, so that
    /// the gap is in one place.
    lost: u64,
    writing: bool,
    closed: bool,
}

/// Ends the queue when it is dropped, and waits a moment for what is in it.
#[derive(Debug)]
#[must_use = "dropping it ends the queue"]
pub(crate) struct QueueGuard(Queue);

impl Queue {
    /// Starts the thread that writes to `out`. `tell_lost` is told how many lines have been lost in a row; it may log.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        tell_lost: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, QueueGuard)> {
        let queue = Self::default();
        let worker = queue.clone();
        thread::Builder::new().name("log".into()).spawn(move || worker.work(out, tell_lost))?;
        Ok((queue.clone(), QueueGuard(queue)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut out: impl Write, tell_lost: impl Fn(u64)) {
        let mut taken = Vec::new();
        loop {
            let mut state = self.lock();
            state.writing = false;
            self.0.changed.notify_all();
            while state.waiting.is_empty() {
                if state.closed {
                    return;
                }
                state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.writing = true;
            std::mem::swap(&mut state.waiting, &mut taken);
            let lost = std::mem::take(&mut state.lost);
            drop(state);
            // The queue is empty now: there is room for this, and it follows what was taken.
            if lost > 0 {
                tell_lost(lost);
            }
            // Nobody is left to tell when standard error is gone.
            let _ = out.write_all(&taken);
            taken.clear();
        }
    }
}

impl Write for Queue {
    /// Queues a line, or loses it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.lock();
        if state.lost > 0 || state.waiting.len() + line.len() > CAPACITY {
            state.lost += 1;
        } else {
            state.waiting.extend_from_slice(line);
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for QueueGuard {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        self.0.0.changed.notify_all();
        // Whoever holds the terminal must not hold the end of the program.
        drop(self.0.0.changed.wait_timeout_while(state, PATIENCE, |state| state.writing || !state.waiting.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Passes on each write when it is allowed to.
    struct Held {
        allowed: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.allowed.recv().map_err(io::Error::other)?;
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Rig {
        queue: Queue,
        guard: QueueGuard,
        allow: Sender<()>,
        written: Receiver<Vec<u8>>,
        lost: Receiver<u64>,
    }

    fn rig() -> Rig {
        let (allow, allowed) = channel();
        let (sender, written) = channel();
        let (lost_sender, lost) = channel();
        let held = Held { allowed, written: sender };
        let (queue, guard) = Queue::start(held, move |lines| lost_sender.send(lines).unwrap()).unwrap();
        Rig { queue, guard, allow, written, lost }
    }

    #[test]
    fn lines_are_written_in_order_and_before_the_end() {
        let Rig { mut queue, guard, allow, written, .. } = rig();
        for _ in 0..3 {
            allow.send(()).unwrap();
        }
        for line in [b"one\n", b"two\n"] {
            queue.write_all(line).unwrap();
        }
        drop(guard);
        assert_eq!(written.try_iter().collect::<Vec<_>>().concat(), b"one\ntwo\n");
    }

    #[test]
    fn a_reader_that_holds_us_loses_lines_and_is_told_how_many() {
        let Rig { mut queue, guard, allow, written, lost } = rig();
        queue.write_all(b"first\n").unwrap();
        // Taken by the thread, which now waits to write it.
        while !queue.lock().writing {
            thread::yield_now();
        }
        let line = [b'x'; CAPACITY / 4];
        for _ in 0..7 {
            queue.write_all(&line).unwrap();
        }
        // This would fit in nowhere but in front of what was lost.
        queue.write_all(b"short\n").unwrap();
        allow.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), b"first\n");
        assert_eq!(lost.recv().unwrap(), 4);
        queue.write_all(b"after\n").unwrap();
        allow.send(()).unwrap();
        allow.send(()).unwrap();
        assert_eq!(written.recv().unwrap().len(), CAPACITY);
        assert_eq!(written.recv().unwrap(), b"after\n");
        drop(guard);
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let Rig { mut queue, guard, .. } = rig();
        queue.write_all(b"never\n").unwrap();
        drop(guard);
    }
}
