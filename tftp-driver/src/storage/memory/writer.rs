//! An upload into memory.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use crate::storage::{Claim, Reservation, StorageError, Writer};

/// The least room an upload grows by, in bytes, while there is room.
const STEP: u64 = 16 * 1024;

/// An upload into a [`Memory`](super::Memory). Every write is answered at once.
pub struct MemoryWriter {
    data: Vec<u8>,
    /// Stands for the capacity of `data`, not for its length.
    reservation: Reservation,
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
    pub(super) fn open(shared: Arc<Shared>, name: Vec<u8>, claim: Claim<Vec<u8>>) -> Result<Self, StorageError> {
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
        Ok(Self { data: Vec::new(), reservation: shared.budget.reservation(), arrival, shared, name, _claim: claim })
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let len = self.data.len() as u64;
        if offset != len {
            return Err(StorageError::Other(format!("write at {offset}, where {len} was due")));
        }
        let end = len + bytes.len() as u64;
        self.shared.settings.policy.check_size(end)?;
        self.make_room(end)?;
        self.data.extend_from_slice(bytes);
        Ok(())
    }

    /// Capacity for `end` bytes in all, reserved before it is allocated.
    fn make_room(&mut self, end: u64) -> Result<(), StorageError> {
        let have = self.reservation.bytes();
        if end <= have {
            return Ok(());
        }
        // By half, so that a large upload is moved seldom; by what is needed where the room is tight.
        let generous = (have / 2).max(STEP).max(end - have);
        if !self.reservation.grow(generous) && !self.reservation.grow(end - have) {
            return Err(StorageError::Full);
        }
        let capacity = usize::try_from(self.reservation.bytes()).map_err(|_| StorageError::Full)?;
        self.data.try_reserve_exact(capacity - self.data.len()).map_err(|_| StorageError::Full)
    }

    fn publish(mut self) -> Result<(), StorageError> {
        self.data.shrink_to_fit();
        self.reservation.shrink_to(self.data.len() as u64);
        let data = self.reservation.attach(self.data);
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
