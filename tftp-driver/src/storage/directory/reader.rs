//! A file that is being read.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::version::{Version, Wait};
use crate::storage::{Context, Reader, StorageError};

/// Reads a version of a file in a [`Directory`](super::Directory).
pub struct DirectoryReader {
    version: Arc<Version>,
    cx: Context,
}

impl DirectoryReader {
    pub(super) fn new(version: Arc<Version>, cx: Context) -> Self {
        Self { version, cx }
    }
}

impl Reader for DirectoryReader {
    fn size(&self) -> Option<u64> {
        Some(self.version.size())
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        self.version.read(offset, len, Wait::Never)
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        let version = Arc::clone(&self.version);
        let read = move || version.read(offset, len, Wait::AsLongAsItTakes);
        // It waits, so that it always answers.
        self.cx.run(read).await?.unwrap_or(Err(StorageError::Changed))
    }
}

impl fmt::Debug for DirectoryReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryReader").field("size", &self.version.size()).finish_non_exhaustive()
    }
}
