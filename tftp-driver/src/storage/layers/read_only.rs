//! No uploads.

use crate::storage::{Context, NoWriter, ReadRequest, Storage, StorageError, WriteRequest};

/// Any storage, without its uploads.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::ReadOnly;
///
/// let files = Memory::new();
/// let served = ReadOnly::new(files.clone()); // the program itself still inserts
/// # let _ = served;
/// ```
#[derive(Debug, Clone)]
pub struct ReadOnly<S>(S);

impl<S: Storage> ReadOnly<S> {
    /// Reads from `storage`, and refuses uploads with [`AccessDenied`](StorageError::AccessDenied).
    pub fn new(storage: S) -> Self {
        Self(storage)
    }
}

impl<S: Storage> Storage for ReadOnly<S> {
    type Reader = S::Reader;
    type Writer = NoWriter;

    fn open_read(
        &self,
        request: &ReadRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Reader, StorageError>> + Send {
        self.0.open_read(request, cx)
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        Err(StorageError::denied("uploads are not allowed"))
    }
}
