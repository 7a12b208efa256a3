//! Where a download's bytes wait for their reader.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_channel::oneshot;
use tftp_proto::endpoint::{FailureKind, Job, JobResult, StorageFailure, TransferId};

use super::notes::Notes;
use crate::bridge::Tftp;
use crate::protocol::{Handled, JobHandler};

/// Room there is at least, in bytes: small blocks are not worth a turn each.
const MIN_CAPACITY: usize = 64 << 10;

/// Takes an endpoint's writes. While it is full, the write is not answered, which holds the server back; the commit is
/// answered when everything has been read, so that the server hears of a success only then.
#[derive(Debug)]
pub(super) struct Sink {
    chunks: VecDeque<Bytes>,
    len: usize,
    capacity: usize,
    held: Option<oneshot::Sender<()>>,
    committing: bool,
}

impl Sink {
    pub(super) fn new() -> Self {
        Self { chunks: VecDeque::new(), len: 0, capacity: MIN_CAPACITY, held: None, committing: false }
    }

    /// Makes room for one window. Chunks that are worth a turn are handed on one by one, while the processor has them in
    /// its cache.
    pub(super) fn set_window(&mut self, bytes: usize, chunk_size: usize) {
        let are_small = chunk_size < MIN_CAPACITY / 2;
        self.capacity = if are_small { bytes.max(MIN_CAPACITY) } else { 0 };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Copies what is there into `buffer`, as far as it fits, and returns how much that was.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(chunk) = self.chunks.front_mut() {
            let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) else { break };
            let count = free.len().min(chunk.len());
            chunk.copy_to_slice(&mut free[..count]);
            filled += count;
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        self.has_read(filled);
        filled
    }

    /// The oldest chunk, as it came.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.has_read(chunk.len());
        Some(chunk)
    }

    fn has_read(&mut self, count: usize) {
        self.len -= count;
        if self.len <= self.capacity / 2 && !self.committing {
            self.release();
        }
    }

    /// Whether everything has arrived, but not everything has been read.
    pub(super) fn is_committing(&self) -> bool {
        self.committing && self.held.is_some()
    }

    /// Answers the commit if it has been asked for and everything has been read. True if the loop should take a turn
    /// for it.
    pub(super) fn release_commit(&mut self) -> bool {
        let ready = self.is_committing() && self.is_empty();
        if ready {
            self.release();
        }
        ready
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            // The job may be gone with its transfer.
            let _ = held.send(());
        }
    }

    fn hold(&mut self, id: TransferId, result: JobResult) -> Handled<JobResult, Held> {
        let (sender, released) = oneshot::channel();
        self.held = Some(sender);
        Handled::Pending(Held { id, result: Some(result), released })
    }
}

impl JobHandler<Tftp<Notes>> for Sink {
    type Completion = (TransferId, JobResult);
    type Future = Held;

    fn handle(&mut self, id: TransferId, job: Job) -> Handled<JobResult, Held> {
        match job {
            Job::Write { bytes, .. } => {
                self.len += bytes.len();
                // An empty chunk would look like one that has been read.
                if !bytes.is_empty() {
                    self.chunks.push_back(bytes);
                }
                match self.len <= self.capacity {
                    true => Handled::Ready(JobResult::Written),
                    false => self.hold(id, JobResult::Written),
                }
            }
            Job::Commit if self.is_empty() => Handled::Ready(JobResult::Committed),
            Job::Commit => {
                self.committing = true;
                self.hold(id, JobResult::Committed)
            }
            // What was received before the failure may still be read.
            Job::Abort | Job::Close => Handled::Ready(JobResult::Closed),
            Job::OpenRead(_) | Job::OpenWrite(_) | Job::Read { .. } => Handled::Ready(JobResult::Failed(
                StorageFailure::new(FailureKind::Other, "a download is only written to"),
            )),
        }
    }

    fn finish(&mut self, completion: (TransferId, JobResult)) -> (TransferId, JobResult) {
        completion
    }
}

/// An answer that is held back until the reader has made room.
#[derive(Debug)]
pub(super) struct Held {
    id: TransferId,
    result: Option<JobResult>,
    released: oneshot::Receiver<()>,
}

impl Future for Held {
    type Output = (TransferId, JobResult);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // An error means that the sink is gone; then nobody will see the answer either.
        let _ = ready!(Pin::new(&mut self.released).poll(cx));
        match self.result.take() {
            Some(result) => Poll::Ready((self.id, result)),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const ID: TransferId = TransferId::from_u64(1);

    fn write(sink: &mut Sink, len: usize) -> Handled<JobResult, Held> {
        sink.handle(ID, Job::Write { offset: 0, bytes: Bytes::from(vec![7; len]) })
    }

    fn is_answered(held: &mut Held) -> bool {
        Pin::new(held).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_full_sink_answers_once_it_has_been_read_from() {
        let mut sink = Sink::new();
        assert!(matches!(write(&mut sink, MIN_CAPACITY), Handled::Ready(JobResult::Written)));
        let Handled::Pending(mut held) = write(&mut sink, 1) else { panic!("no room was left") };
        assert!(!is_answered(&mut held));
        let mut buffer = vec![0; MIN_CAPACITY];
        assert_eq!(sink.read(&mut buffer), MIN_CAPACITY);
        assert!(is_answered(&mut held));
        assert_eq!(sink.read(&mut buffer), 1);
        assert!(sink.is_empty());
    }

    #[test]
    fn large_chunks_are_handed_on_one_by_one() {
        let mut sink = Sink::new();
        sink.set_window(512, MIN_CAPACITY / 2);
        let Handled::Pending(mut held) = write(&mut sink, MIN_CAPACITY / 2) else { panic!("taken for small") };
        assert_eq!(sink.pop().unwrap().len(), MIN_CAPACITY / 2);
        assert!(is_answered(&mut held));
        sink.set_window(512, 1);
        assert!(matches!(write(&mut sink, MIN_CAPACITY / 2), Handled::Ready(JobResult::Written)));
    }

    #[test]
    fn the_commit_waits_for_the_last_byte_to_be_read() {
        let mut sink = Sink::new();
        let _ = write(&mut sink, 2);
        let Handled::Pending(mut held) = sink.handle(ID, Job::Commit) else { panic!("not read yet") };
        assert_eq!(sink.read(&mut [0]), 1);
        assert!(!sink.release_commit());
        assert!(!is_answered(&mut held));
        assert_eq!(sink.read(&mut [0]), 1);
        assert!(sink.release_commit());
        assert!(is_answered(&mut held));
        assert!(!sink.release_commit(), "only once");
    }

    #[test]
    fn an_empty_file_is_committed_at_once() {
        let mut sink = Sink::new();
        assert!(matches!(write(&mut sink, 0), Handled::Ready(JobResult::Written)));
        assert!(matches!(sink.handle(ID, Job::Commit), Handled::Ready(JobResult::Committed)));
    }
}
