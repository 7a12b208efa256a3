//! Uploads in a place of their own.

use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// Reads from one storage and writes to another: what is uploaded cannot be read back.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::Split;
///
/// let (boot_files, collected) = (Memory::new(), Memory::new());
/// let files = Split::new(boot_files, collected.clone());
/// # let _ = files;
/// ```
#[derive(Debug, Clone)]
pub struct Split<R, W> {
    reads: R,
    uploads: W,
}

impl<R: Storage, W: Storage> Split<R, W> {
    /// Reads from `reads`; uploads go to `uploads`.
    pub fn new(reads: R, uploads: W) -> Self {
        Self { reads, uploads }
    }
}

impl<R: Storage, W: Storage> Storage for Split<R, W> {
    type Reader = R::Reader;
    type Writer = W::Writer;

    fn open_read(
        &self,
        request: &ReadRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Reader, StorageError>> + Send {
        self.reads.open_read(request, cx)
    }

    fn open_write(
        &self,
        request: &WriteRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Writer, StorageError>> + Send {
        self.uploads.open_write(request, cx)
    }
}
