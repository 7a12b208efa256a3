//! No downloads.

use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// Any storage, without its downloads: what is uploaded cannot be read back.
///
/// Layers beneath it still read, as [`Quota`](super::Quota) does to know what an upload replaces.
///
/// ```
/// use tftp_driver::storage::layers::{Quota, WriteOnly};
/// use tftp_driver::storage::{Memory, Usage};
///
/// let collected = Memory::new(); // the program itself still reads
/// let served = WriteOnly::new(Quota::new(collected.clone(), Usage::default()).max_files(100));
/// # let _ = served;
/// ```
#[derive(Debug, Clone)]
pub struct WriteOnly<S>(S);

impl<S: Storage> WriteOnly<S> {
    /// Uploads to `storage`, and refuses downloads with [`AccessDenied`](StorageError::AccessDenied), whether the file is
    /// there or not.
    pub fn new(storage: S) -> Self {
        Self(storage)
    }
}

impl<S: Storage> Storage for WriteOnly<S> {
    type Reader = S::Reader;
    type Writer = S::Writer;

    async fn open_read(&self, _: &ReadRequest, _: &Context) -> Result<S::Reader, StorageError> {
        Err(StorageError::denied("reading is not allowed"))
    }

    fn open_write(
        &self,
        request: &WriteRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Writer, StorageError>> + Send {
        self.0.open_write(request, cx)
    }
}
