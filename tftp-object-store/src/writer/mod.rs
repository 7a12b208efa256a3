//! An upload.
//!
//! All that an upload holds in the store belongs to one task on the storage's own runtime, which ends it in every case:
//! committed, aborted, or abandoned by whoever dropped the handle. The handle gathers bytes into parts.

mod commit;
mod upload;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::path::Path;
use tftp_driver::storage::{Claim, StorageError, Writer};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::executor::Task;
use crate::failure::Failure;
use crate::shared::Shared;
use crate::stores::PART;
use upload::Upload;

/// An upload may always hold so many bytes; more only with a permit for a whole part.
const SMALL: usize = 64 * 1024;

/// Bytes of an upload that belong together, and the right to hold them.
pub(crate) struct Part {
    bytes: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Part {
    fn empty() -> Self {
        Self { bytes: Vec::new(), permit: None }
    }

    /// How many bytes more it may take now.
    fn room(&self) -> usize {
        let limit = if self.permit.is_some() { PART } else { SMALL };
        limit - self.bytes.len()
    }
}

/// What an upload is committed with.
struct Last {
    part: Part,
    /// Nobody else may write the name before the commit is over. An upload that is not committed is in nobody's way.
    _claim: Claim<String>,
}

/// Why the task gave the upload up, for the handle.
type Reason = Arc<Mutex<Option<Failure>>>;

/// An upload into an [`ObjectStorage`](crate::ObjectStorage).
pub struct ObjectWriter {
    part: Part,
    len: u64,
    /// A write failed or was dropped half-way.
    broken: bool,
    shared: Arc<Shared>,
    parts: mpsc::Sender<Part>,
    /// Takes the last part when the upload is to be committed. Dropped, it aborts.
    last: oneshot::Sender<Last>,
    reason: Reason,
    claim: Claim<String>,
    task: Task<Result<(), Failure>>,
}

impl ObjectWriter {
    pub(crate) fn open(shared: Arc<Shared>, target: Path, claim: Claim<String>) -> Self {
        // One part is being sent, one may wait, one is being gathered.
        let (parts, incoming) = mpsc::channel(1);
        let (last, commit) = oneshot::channel();
        let reason = Reason::default();
        let upload = Upload::new(Arc::clone(&shared), target, Arc::clone(&reason));
        let task = shared.executor.spawn(upload.run(incoming, commit));
        Self { part: Part::empty(), len: 0, broken: false, shared, parts, last, reason, claim, task }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), StorageError> {
        if self.broken {
            return Err(self.reason());
        }
        if offset != self.len {
            return Err(StorageError::Other(format!("write at {offset}, where {} was due", self.len)));
        }
        let end = self.len.saturating_add(len as u64);
        self.shared.settings.policy.check_size(end)?;
        let limit = self.shared.stores.max_upload;
        if end > limit { Err(StorageError::TooLarge { limit }) } else { Ok(()) }
    }

    fn reason(&self) -> StorageError {
        let reason = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        reason.unwrap_or_else(|| Failure::other("an earlier write of this upload failed or was dropped")).into()
    }

    /// Makes room in the part if that can be done at once.
    fn try_make_room(&mut self) -> Result<bool, StorageError> {
        if self.part.room() > 0 {
            return Ok(true);
        }
        if self.part.permit.is_none() {
            let permit = Arc::clone(&self.shared.parts).try_acquire_owned();
            self.part.permit = permit.ok();
            return Ok(self.part.permit.is_some());
        }
        match self.parts.try_reserve() {
            Ok(place) => {
                place.send(std::mem::replace(&mut self.part, Part::empty()));
                Ok(true)
            }
            Err(TrySendError::Full(())) => Ok(false),
            Err(TrySendError::Closed(())) => Err(self.reason()),
        }
    }

    /// Waits until there is room in the part.
    async fn make_room(&mut self) -> Result<(), StorageError> {
        while !self.try_make_room()? {
            if self.part.permit.is_none() {
                let permit = Arc::clone(&self.shared.parts).acquire_owned().await;
                self.part.permit = Some(permit.map_err(|_| self.reason())?);
            } else {
                // Until the task has taken the part before.
                let place = self.parts.reserve().await.map_err(|_| self.reason())?;
                place.send(std::mem::replace(&mut self.part, Part::empty()));
            }
        }
        Ok(())
    }

    /// Takes what there is room for, and says how much that is.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.part.room());
        self.part.bytes.extend_from_slice(&bytes[..len]);
        self.len += len as u64;
        len
    }
}

impl Writer for ObjectWriter {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        if let Err(error) = self.check(offset, bytes.len()) {
            return Some(Err(error));
        }
        if bytes.len() <= self.part.room() {
            self.take(bytes);
            return Some(Ok(()));
        }
        None
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        self.check(offset, bytes.len())?;
        self.broken = true;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            self.make_room().await?;
            let len = self.take(rest);
            rest = &rest[len..];
        }
        self.broken = false;
        Ok(())
    }

    async fn commit(self) -> Result<(), StorageError> {
        let Self { part, broken, parts, last, claim, task, .. } = self;
        // All that decides happens before the first wait: from here on the task goes its way by itself.
        if broken {
            drop(last);
        } else {
            // If it has given up already, it says why.
            let _ = last.send(Last { part, _claim: claim });
        }
        drop(parts);
        task.await?.map_err(Into::into)
    }

    async fn abort(self) {
        let Self { parts, last, claim: _claim, task, .. } = self;
        drop((parts, last));
        // The outcome of an abort is that nothing is there; why is of no interest.
        let _ = task.await;
    }
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter").field("len", &self.len).finish_non_exhaustive()
    }
}
