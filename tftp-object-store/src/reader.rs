//! A file that is being read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use tftp_driver::storage::{Reader, StorageError};

use crate::chunks::{CHUNK, ChunkKey};
use crate::executor::Task;
use crate::failure::Failure;
use crate::object::Object;
use crate::shared::Shared;

/// Reads a version of an object, chunk by chunk and one chunk ahead.
pub struct ObjectReader {
    object: Arc<Object>,
    shared: Arc<Shared>,
    /// What was read last, and what before.
    held: [Option<(u64, Bytes)>; 2],
    /// What is read next, as it seems.
    ahead: Option<(u64, Task<Result<Bytes, Failure>>)>,
}

impl ObjectReader {
    pub(crate) fn new(object: Arc<Object>, shared: Arc<Shared>) -> Self {
        Self { object, shared, held: [None, None], ahead: None }
    }

    fn range(&self, offset: u64, len: usize) -> Range<u64> {
        self.object.clamp(offset..offset.saturating_add(len as u64))
    }

    fn key(&self, index: u64) -> ChunkKey {
        ChunkKey { object: Arc::clone(&self.object), index }
    }

    /// A chunk that is here already.
    fn here(&mut self, index: u64) -> Option<Bytes> {
        let held = self.held.iter().flatten().find(|(held, _)| *held == index);
        if let Some((_, bytes)) = held {
            return Some(bytes.clone());
        }
        let arrived = self.ahead.as_ref().is_some_and(|(ahead, task)| *ahead == index && task.is_finished());
        let arrived = if arrived { self.ahead.take().and_then(|(_, task)| task.now_or_never()) } else { None };
        let bytes = match arrived {
            Some(Ok(Ok(bytes))) => Some(bytes),
            // Whatever went wrong goes wrong again when it is needed, or does not.
            Some(_) | None => self.shared.chunks.get(&self.key(index)),
        }?;
        self.hold(index, bytes.clone());
        Some(bytes)
    }

    fn hold(&mut self, index: u64, bytes: Bytes) {
        let [last, before] = &mut self.held;
        *before = last.take();
        *last = Some((index, bytes));
        self.read_ahead(index + 1);
    }

    /// Begins to fetch a chunk, unless memory is scarce.
    fn read_ahead(&mut self, index: u64) {
        let wanted = index.saturating_mul(CHUNK) < self.object.size;
        let known = self.ahead.as_ref().is_some_and(|(ahead, _)| *ahead == index)
            || self.held.iter().flatten().any(|(held, _)| *held == index);
        if wanted && !known && self.shared.chunks.is_roomy() {
            self.ahead = Some((index, self.fetch(index)));
        }
    }

    fn fetch(&self, index: u64) -> Task<Result<Bytes, Failure>> {
        let (shared, key) = (Arc::clone(&self.shared), self.key(index));
        self.shared.executor.spawn(async move { shared.chunks.fetch(&*shared.stores.quick, &key).await })
    }

    /// Lets go of the chunk before, once a retransmission can no longer want it.
    fn let_go(&mut self, end: u64) {
        if end % CHUNK >= CHUNK / 2 || end >= self.object.size {
            let last = self.held[0].as_ref().map(|(index, _)| *index);
            if last == Some(end.saturating_sub(1) / CHUNK) {
                self.held[1] = None;
            }
        }
    }

    /// A range that lies in chunks which are here; `None` if it does not.
    fn read_here(&mut self, range: &Range<u64>) -> Option<Bytes> {
        let (first, last) = (range.start / CHUNK, (range.end - 1) / CHUNK);
        if first == last {
            let bytes = self.here(first)?;
            self.let_go(range.end);
            return slice(&bytes, first, range);
        }
        // More than two would not stay here together.
        if last > first + 1 {
            return None;
        }
        let (first_bytes, last_bytes) = (self.here(first)?, self.here(last)?);
        let mut joined = BytesMut::with_capacity(usize::try_from(range.end - range.start).ok()?);
        joined.extend_from_slice(&slice(&first_bytes, first, range)?);
        joined.extend_from_slice(&slice(&last_bytes, last, range)?);
        Some(joined.freeze())
    }

    /// Waits for one chunk.
    async fn wait(&mut self, index: u64) -> Result<Bytes, Failure> {
        if let Some(bytes) = self.here(index) {
            return Ok(bytes);
        }
        let task = match self.ahead.take() {
            Some((ahead, task)) if ahead == index => task,
            _ => self.fetch(index),
        };
        // It stays where it is if this is dropped.
        let (_, task) = self.ahead.insert((index, task));
        let result = task.await;
        self.ahead = None;
        let bytes = result.map_err(Failure::from)??;
        self.hold(index, bytes.clone());
        Ok(bytes)
    }

    /// When no more chunks may be in memory: just what is asked for, for this reader alone.
    async fn read_directly(&self, index: u64, part: Range<u64>) -> Result<Bytes, Failure> {
        let (shared, key) = (Arc::clone(&self.shared), self.key(index));
        let read = async move { shared.chunks.read_part(&*shared.stores.quick, &key, part).await };
        let bytes = self.shared.executor.spawn(read).await.map_err(Failure::from)??;
        Ok(bytes.into())
    }

    async fn read(&mut self, range: Range<u64>) -> Result<Bytes, Failure> {
        let mut joined = BytesMut::new();
        let mut at = range.start;
        while at < range.end {
            let index = at / CHUNK;
            let part = at..range.end.min((index + 1).saturating_mul(CHUNK));
            at = part.end;
            let bytes = match self.wait(index).await {
                Ok(chunk) => slice(&chunk, index, &part).ok_or_else(|| Failure::other("a chunk is too short"))?,
                Err(Failure::NoRoom) => self.read_directly(index, part.clone()).await?,
                Err(failure) => return Err(failure),
            };
            self.let_go(part.end);
            if part == range {
                return Ok(bytes);
            }
            joined.extend_from_slice(&bytes);
        }
        Ok(joined.freeze())
    }
}

/// What `range` has of the chunk `index`.
fn slice(bytes: &Bytes, index: u64, range: &Range<u64>) -> Option<Bytes> {
    let start = index.saturating_mul(CHUNK);
    let from = usize::try_from(range.start.saturating_sub(start)).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?.min(usize::try_from(CHUNK).ok()?);
    (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
}

impl Reader for ObjectReader {
    fn size(&self) -> Option<u64> {
        Some(self.object.size)
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        let range = self.range(offset, len);
        if range.is_empty() {
            return Some(Ok(Bytes::new()));
        }
        self.read_here(&range).map(Ok)
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        let range = self.range(offset, len);
        self.read(range).await.map_err(|failure| {
            if failure == Failure::Changed {
                self.shared.heads.forget_version(&self.object);
            }
            failure.into()
        })
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader").field("size", &self.object.size).finish_non_exhaustive()
    }
}
