//! An upload into memory.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use super::growing::Growing;
use crate::storage::{Claim, StorageError, Writer};

/// An upload into a [`Memory`](super::Memory). Every write is answered at once.
pub struct MemoryWriter {
    data: Growing,
    arrival: Option<Arrival>,
    shared: Arc<Shared>,
    name: Vec<u8>,
    // Last: the name is free only after everything else is gone.
    _claim: Claim<Vec<u8>>,
}

/// The place that an upload of a new name takes among the files.
struct Arrival(Arc<Shared>);

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.state().arriving -= 1;
    }
}

impl MemoryWriter {
    pub(super) fn open(
        shared: Arc<Shared>,
        name: Vec<u8>,
        size: Option<u64>,
        claim: Claim<Vec<u8>>,
    ) -> Result<Self, StorageError> {
        let mut state = shared.state();
        let exists = state.files.contains_key(&name);
        shared.settings.policy.check_existing(exists)?;
        let arrival = if exists {
            None
        } else {
            if state.files.len() + state.arriving >= shared.settings.max_files {
                return Err(StorageError::Full);
            }
            state.arriving += 1;
            Some(Arrival(Arc::clone(&shared)))
        };
        drop(state);
        let data = Growing::new(shared.budget.reservation(), size, &shared.places);
        Ok(Self { data, arrival, shared, name, _claim: claim })
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let len = self.data.len() as u64;
        if offset != len {
            return Err(StorageError::Other(format!("write at {offset}, where {len} was due")));
        }
        self.shared.settings.policy.check_size(len + bytes.len() as u64)?;
        self.data.append(bytes)
    }

    fn publish(self) -> Result<(), StorageError> {
        let data = self.data.finish();
        let settings = &self.shared.settings;
        let mut state = self.shared.state();
        let exists = state.files.contains_key(&self.name);
        // The program may have inserted or removed the name in the meantime.
        settings.policy.check_existing(exists)?;
        let others = state.files.len() + state.arriving - usize::from(self.arrival.is_some());
        if !exists && others >= settings.max_files {
            return Err(StorageError::Full);
        }
        let old = state.files.insert(self.name, data);
        drop(state);
        drop(old); // Freeing a large file needs no lock.
        Ok(())
    }
}

impl Writer for MemoryWriter {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        Some(self.append(offset, bytes))
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        self.append(offset, &bytes)
    }

    async fn commit(self) -> Result<(), StorageError> {
        self.publish()
    }

    async fn abort(self) {}
}

impl fmt::Debug for MemoryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryWriter").field("len", &self.data.len()).finish_non_exhaustive()
    }
}
