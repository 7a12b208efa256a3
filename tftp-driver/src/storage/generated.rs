//! Content made for each request.

use std::fmt;
use std::future::Future;

use bytes::Bytes;

use super::{BytesReader, Context, NoWriter, ReadRequest, Storage, StorageError, WriteRequest};

/// Storage whose content a closure makes, by name and by client. It takes no uploads.
///
/// The closure is called once for each file that is opened, and what it gives is held in memory until the transfer
/// ends; give clones of one [`Bytes`] where clients may share.
///
/// ```
/// use tftp_driver::storage::{Generated, ReadRequest, StorageError};
///
/// let storage = Generated::new(|request: &ReadRequest| match &request.name[..] {
///     b"whoami" => Ok(request.peer.to_string().into()),
///     _ => Err(StorageError::NotFound),
/// });
/// # let _ = storage;
/// ```
#[derive(Clone)]
pub struct Generated<F> {
    make: F,
}

impl<F> Generated<F>
where
    F: Fn(&ReadRequest) -> Result<Bytes, StorageError> + Send + Sync + 'static,
{
    /// Content from `make`, which is called on the loop's thread and must not block.
    pub fn new(make: F) -> Self {
        Self { make }
    }
}

impl<F> Storage for Generated<F>
where
    F: Fn(&ReadRequest) -> Result<Bytes, StorageError> + Send + Sync + 'static,
{
    type Reader = BytesReader;
    type Writer = NoWriter;

    async fn open_read(&self, request: &ReadRequest, _: &Context) -> Result<BytesReader, StorageError> {
        (self.make)(request).map(BytesReader::new)
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        Err(refused())
    }
}

impl<F> fmt::Debug for Generated<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generated").finish_non_exhaustive()
    }
}

/// As [`Generated`], where making the content takes a while.
///
/// ```
/// use tftp_driver::storage::{Context, GeneratedAsync, ReadRequest};
///
/// let storage = GeneratedAsync::new(|request: ReadRequest, cx: Context| async move {
///     let template = cx.run(|| std::fs::read_to_string("boot.template")).await??;
///     Ok(template.replace("{client}", &request.peer.ip().to_string()).into())
/// });
/// # let _ = storage;
/// ```
#[derive(Clone)]
pub struct GeneratedAsync<F> {
    make: F,
}

impl<F, R> GeneratedAsync<F>
where
    F: Fn(ReadRequest, Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Bytes, StorageError>> + Send,
{
    /// Content from the future that `make` gives. Blocking work belongs on the [`Context`].
    pub fn new(make: F) -> Self {
        Self { make }
    }
}

impl<F, R> Storage for GeneratedAsync<F>
where
    F: Fn(ReadRequest, Context) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Bytes, StorageError>> + Send,
{
    type Reader = BytesReader;
    type Writer = NoWriter;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<BytesReader, StorageError> {
        (self.make)(request.clone(), cx.clone()).await.map(BytesReader::new)
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        Err(refused())
    }
}

impl<F> fmt::Debug for GeneratedAsync<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedAsync").finish_non_exhaustive()
    }
}

fn refused() -> StorageError {
    StorageError::denied("generated content takes no uploads")
}
