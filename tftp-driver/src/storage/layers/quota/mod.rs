//! A limit to what is kept.

mod account;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::storage::{Context, ReadRequest, Reader, Storage, StorageError, Usage, WriteRequest, Writer};
use account::{Account, Reservation};

/// Limits how many bytes and files are kept in any storage.
///
/// **What counts** is what was there when the layer was made, as its maker says, and what was uploaded through it since;
/// for a file that is replaced, the difference, if it can be read: put [`WriteOnly`](super::WriteOnly) over the layer rather
/// than limit storage that gives no downloads. An upload reserves what it needs while it goes on, so that many at once
/// cannot exceed the limits together, and gives it back if it fails. What others add to the storage or remove from it
/// counts once it is [measured](Self::measure) anew, which happens before an upload is refused, but not more often than
/// every ten seconds.
///
/// An upload that does not fit is refused with [`QuotaExceeded`](StorageError::QuotaExceeded): when it begins, if it
/// announces its size or is one file too many, or else when it has come so far.
///
/// ```no_run
/// use tftp_driver::storage::layers::Quota;
/// use tftp_driver::storage::{Directory, WritePolicy};
///
/// let directory = Directory::builder("/srv/backup").write_policy(WritePolicy::CREATE).open()?;
/// let measured = directory.clone();
/// let files = Quota::new(directory.clone(), directory.usage())
///     .max_bytes(10 << 30)
///     .max_files(10_000)
///     .measure(move || measured.usage());
/// # std::io::Result::Ok(())
/// ```
pub struct Quota<S> {
    storage: Arc<S>,
    account: Arc<Account>,
}

impl<S: Storage> Quota<S> {
    /// Storage that holds `used` already. There is no limit yet.
    pub fn new(storage: S, used: Usage) -> Self {
        Self { storage: Arc::new(storage), account: Arc::new(Account::new(used)) }
    }

    /// The most bytes to keep.
    #[must_use]
    pub fn max_bytes(self, bytes: u64) -> Self {
        self.account.limit(|limits| limits.bytes = bytes);
        self
    }

    /// The most files to keep.
    #[must_use]
    pub fn max_files(self, files: u64) -> Self {
        self.account.limit(|limits| limits.files = files);
        self
    }

    /// How to find out what is there, without uploads in progress. It may block.
    #[must_use]
    pub fn measure(self, measure: impl Fn() -> Usage + Send + Sync + 'static) -> Self {
        self.account.measure_by(Arc::new(measure));
        self
    }

    /// What is kept, as far as the layer knows, and what uploads in progress have reserved.
    #[must_use]
    pub fn used(&self) -> Usage {
        self.account.used()
    }

    /// The size of the file that an upload would replace, as far as it can be read.
    async fn existing(&self, request: &WriteRequest, cx: &Context) -> Option<u64> {
        let request = ReadRequest { name: request.name.clone(), peer: request.peer, local_ip: request.local_ip };
        let reader = self.storage.open_read(&request, cx).await.ok()?;
        Some(reader.size().unwrap_or(0))
    }

    async fn reserve(&self, request: &WriteRequest, cx: &Context) -> Result<Reservation, StorageError> {
        let existing = self.existing(request, cx).await;
        let announced = request.size.unwrap_or(0);
        if let Some(reservation) = self.account.reserve(existing, announced) {
            return Ok(reservation);
        }
        self.account.measure(cx).await;
        let reservation = self.account.reserve(existing, announced);
        reservation.ok_or_else(|| self.account.exceeded(Account::needed(existing, announced)))
    }
}

impl<S: Storage> Storage for Quota<S> {
    type Reader = S::Reader;
    type Writer = QuotaWriter<S::Writer>;

    fn open_read(
        &self,
        request: &ReadRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Reader, StorageError>> + Send {
        self.storage.open_read(request, cx)
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<Self::Writer, StorageError> {
        // First of all the name, which is then nobody else's.
        let writer = self.storage.open_write(request, cx).await?;
        match self.reserve(request, cx).await {
            Ok(reservation) => Ok(QuotaWriter { writer, reservation, cx: cx.clone() }),
            Err(error) => {
                writer.abort().await;
                Err(error)
            }
        }
    }
}

impl<S> Clone for Quota<S> {
    fn clone(&self) -> Self {
        Self { storage: Arc::clone(&self.storage), account: Arc::clone(&self.account) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Quota<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota").field("storage", &self.storage).field("used", &self.account.used()).finish()
    }
}

/// An upload that a [`Quota`] watches.
pub struct QuotaWriter<W> {
    // In this order they are dropped: what is reserved is free when nothing of the upload is left.
    writer: W,
    reservation: Reservation,
    cx: Context,
}

impl<W: Writer> Writer for QuotaWriter<W> {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        // What was reserved stays so if the answer takes longer.
        if self.reservation.grow_to(offset.saturating_add(bytes.len() as u64)) {
            self.writer.try_write_at(offset, bytes)
        } else {
            None
        }
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if !self.reservation.grow_to(end) {
            self.reservation.account().measure(&self.cx).await;
            if !self.reservation.grow_to(end) {
                return Err(self.reservation.exceeded(end));
            }
        }
        self.writer.write_at(offset, bytes).await
    }

    async fn commit(self) -> Result<(), StorageError> {
        // Dropped half-way, it counts as kept: nobody knows whether it is.
        let committing = self.reservation.commit();
        let result = self.writer.commit().await;
        committing.ended(result.is_ok());
        result
    }

    async fn abort(self) {
        self.writer.abort().await;
    }
}

impl<W> fmt::Debug for QuotaWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaWriter").field("reservation", &self.reservation).finish_non_exhaustive()
    }
}
