//! Where an upload's bytes come from.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tftp_proto::endpoint::{FailureKind, Job, JobResult, StorageFailure, TransferId};

use super::notes::Notes;
use crate::bridge::Tftp;
use crate::protocol::{Handled, JobHandler};

/// Bytes to ask the source for at once, about: a read and an allocation for each small block are more work than the block.
const AT_ONCE: usize = 32 << 10;

/// A stream of bytes: what every runtime's `AsyncRead` can do.
pub trait Source: Send {
    /// Reads into `buffer`, which is not empty. 0 bytes are the end.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; nothing is read after it.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// Answers an endpoint's reads from a stream. What may be asked for again is kept.
#[derive(Debug)]
pub(super) struct Feed<S> {
    /// Not here while it is being read from.
    source: Option<S>,
    chunks: VecDeque<Bytes>,
    /// Offset of the first byte kept.
    start: u64,
    /// Offset of the next byte to come from the source.
    end: u64,
    at_end: bool,
    error: Option<io::Error>,
}

impl<S> Feed<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source: Some(source), chunks: VecDeque::new(), start: 0, end: 0, at_end: false, error: None }
    }

    /// The error that ended the upload, if it was the source's.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    /// Forgets what will not be asked for again.
    fn forget_before(&mut self, keep: u64) {
        while let Some(chunk) = self.chunks.front_mut() {
            let useless = usize::try_from(keep.saturating_sub(self.start)).unwrap_or(usize::MAX);
            if useless == 0 {
                break;
            }
            let count = useless.min(chunk.len());
            if count == chunk.len() {
                self.chunks.pop_front();
            } else {
                let _ = chunk.split_to(count);
            }
            self.start += count as u64;
        }
    }

    /// The bytes from `offset` on, fewer than `len` only at the end.
    fn slice(&self, offset: u64, len: usize) -> JobResult {
        let Some(mut skip) = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok()) else {
            return failed("asked again for what was let go");
        };
        let mut gathered = BytesMut::new();
        for chunk in &self.chunks {
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let wanted = len - gathered.len();
            let part = chunk.slice(skip..chunk.len().min(skip.saturating_add(wanted)));
            skip = 0;
            if part.len() == len {
                return JobResult::Read(part);
            }
            gathered.extend_from_slice(&part);
            if gathered.len() == len {
                break;
            }
        }
        JobResult::Read(gathered.freeze())
    }
}

impl<S: Source + Unpin> JobHandler<Tftp<Notes>> for Feed<S> {
    type Completion = Filled<S>;
    type Future = Fill<S>;

    fn handle(&mut self, id: TransferId, job: Job) -> Handled<JobResult, Fill<S>> {
        match job {
            Job::Read { offset, len, keep } => {
                self.forget_before(keep);
                let missing = offset.saturating_add(len as u64).saturating_sub(self.end);
                if missing == 0 || self.at_end {
                    return Handled::Ready(self.slice(offset, len));
                }
                let (Some(source), Ok(missing)) = (self.source.take(), usize::try_from(missing)) else {
                    return Handled::Ready(failed("the source has failed"));
                };
                // Whole answers, so that none lies in two chunks where the source fills its buffers.
                let buffer = vec![0; missing.max(AT_ONCE / len.max(1) * len)];
                Handled::Pending(Fill { id, offset, len, missing, buffer, filled: 0, source: Some(source) })
            }
            Job::Close | Job::Abort => Handled::Ready(JobResult::Closed),
            Job::OpenRead(_) | Job::OpenWrite(_) | Job::Write { .. } | Job::Commit => {
                Handled::Ready(failed("an upload is only read from"))
            }
        }
    }

    fn finish(&mut self, filled: Filled<S>) -> (TransferId, JobResult) {
        let Filled { id, offset, len, source, bytes, end } = filled;
        self.end += bytes.len() as u64;
        if !bytes.is_empty() {
            self.chunks.push_back(bytes);
        }
        match end {
            Ok(at_end) => {
                self.at_end = at_end;
                self.source = source;
                (id, self.slice(offset, len))
            }
            Err(error) => {
                let result = failed(&error.to_string());
                self.error = Some(error);
                (id, result)
            }
        }
    }
}

fn failed(detail: &str) -> JobResult {
    JobResult::Failed(StorageFailure::new(FailureKind::Other, detail))
}

/// Reads until nothing is missing or the source has ended. What more there is to be had at once, and fits, is taken along.
#[derive(Debug)]
pub(super) struct Fill<S> {
    id: TransferId,
    offset: u64,
    len: usize,
    missing: usize,
    buffer: Vec<u8>,
    filled: usize,
    /// Given back at the end.
    source: Option<S>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Filled<S> {
    id: TransferId,
    offset: u64,
    len: usize,
    source: Option<S>,
    bytes: Bytes,
    /// Whether the source has ended.
    end: io::Result<bool>,
}

impl<S: Source + Unpin> Future for Fill<S> {
    type Output = Filled<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Filled<S>> {
        let this = &mut *self;
        let end = loop {
            let Some(source) = &mut this.source else { return Poll::Pending };
            let wanted = this.filled < this.missing;
            let Some(free) = this.buffer.get_mut(this.filled..).filter(|_| wanted) else { break Ok(false) };
            match ready!(source.poll_read(cx, free)) {
                Ok(0) => break Ok(true),
                Ok(count) => this.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let mut bytes = std::mem::take(&mut this.buffer);
        bytes.truncate(this.filled);
        Poll::Ready(Filled {
            id: this.id,
            offset: this.offset,
            len: this.len,
            source: this.source.take(),
            bytes: bytes.into(),
            end,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_lite::future::block_on;

    use super::*;

    const ID: TransferId = TransferId::from_u64(1);

    /// Gives 0, 1, 2 ... in pieces of 3 bytes.
    struct Counting {
        next: u8,
        end: u8,
        fail: bool,
    }

    impl Source for Counting {
        fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            if self.fail && self.next == self.end {
                return Poll::Ready(Err(io::Error::other("oops")));
            }
            let count = usize::from(self.end - self.next).min(3).min(buffer.len());
            for byte in &mut buffer[..count] {
                *byte = self.next;
                self.next += 1;
            }
            Poll::Ready(Ok(count))
        }
    }

    fn feed(end: u8, fail: bool) -> Feed<Counting> {
        Feed::new(Counting { next: 0, end, fail })
    }

    /// Fills every buffer, and notes how large it was.
    struct Greedy<'a>(&'a Mutex<Vec<usize>>);

    impl Source for Greedy<'_> {
        fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push(buffer.len());
            Poll::Ready(Ok(buffer.len()))
        }
    }

    fn read<S: Source + Unpin>(feed: &mut Feed<S>, offset: u64, len: usize, keep: u64) -> JobResult {
        match feed.handle(ID, Job::Read { offset, len, keep }) {
            Handled::Ready(result) => result,
            Handled::Pending(future) => {
                let filled = block_on(future);
                feed.finish(filled).1
            }
        }
    }

    fn bytes(range: std::ops::Range<u8>) -> JobResult {
        JobResult::Read(range.collect())
    }

    #[test]
    fn reads_are_full_until_the_end() {
        let mut feed = feed(10, false);
        assert_eq!(read(&mut feed, 0, 8, 0), bytes(0..8));
        assert_eq!(read(&mut feed, 8, 8, 8), bytes(8..10));
        assert_eq!(read(&mut feed, 10, 8, 8), bytes(0..0));
        assert_eq!(read(&mut feed, 8, 2, 8), bytes(8..10));
    }

    #[test]
    fn what_is_kept_can_be_read_again_in_other_pieces() {
        let mut feed = feed(20, false);
        for offset in [0, 4, 8] {
            let _ = read(&mut feed, offset, 4, 0);
        }
        assert_eq!(read(&mut feed, 2, 7, 2), bytes(2..9));
        assert_eq!(read(&mut feed, 3, 12, 3), bytes(3..15));
        assert_eq!(feed.start, 3);
        assert!(matches!(read(&mut feed, 2, 1, 3), JobResult::Failed(_)), "let go");
        assert_eq!(read(&mut feed, 15, 99, 15), bytes(15..20));
        assert_eq!(feed.start, 15);
    }

    #[test]
    fn a_source_is_asked_for_many_small_blocks_at_once() {
        let asked = Mutex::new(Vec::new());
        let mut feed = Feed::new(Greedy(&asked));
        for block in 0..100 {
            let JobResult::Read(bytes) = read(&mut feed, block * 1000, 1000, block * 1000) else { panic!("{block}") };
            assert_eq!(bytes.len(), 1000);
        }
        assert_eq!(*asked.lock().unwrap(), [32_000; 4]);
    }

    #[test]
    fn an_error_is_kept_for_the_caller() {
        let mut feed = feed(5, true);
        assert_eq!(read(&mut feed, 0, 5, 0), bytes(0..5));
        assert!(matches!(read(&mut feed, 5, 5, 5), JobResult::Failed(_)));
        assert_eq!(feed.take_error().unwrap().to_string(), "oops");
        assert!(matches!(read(&mut feed, 5, 5, 5), JobResult::Failed(_)));
    }
}
