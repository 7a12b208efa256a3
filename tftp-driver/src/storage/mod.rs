//! Files by name: the [`Storage`] trait, its errors, and the back ends.
//!
//! Nothing here knows the protocol or the async runtime. A program hands the loop one `Storage`; the loop opens a
//! [`Reader`] or a [`Writer`] for each transfer and asks for bytes by position.
//!
//! * [`Memory`]: bounded, shared, nothing on disk.
//! * [`Directory`]: files beneath one directory, by the kernel's rules.
//! * [`Generated`]: a closure that makes the content for each request.
//! * [`BoxStorage`]: any of them behind one type, chosen at run time.
//! * [`layers`]: what can be put over any of them.
//!
//! Blocking work runs through a [`Context`], which each adapter builds over its runtime's own pool. What a back end of
//! your own must honour can be checked with [`conformance`].

mod boxed;
mod budget;
mod claims;
pub mod conformance;
mod content;
mod context;
#[cfg(any(unix, windows))]
mod directory;
mod error;
mod generated;
pub mod layers;
mod memory;
pub mod names;
mod policy;
mod request;
mod usage;

pub use boxed::{BoxReader, BoxStorage, BoxWriter};
pub use budget::{Budget, Reservation};
pub use claims::{Claim, Claims};
pub use content::BytesReader;
pub use context::Context;
#[cfg(any(unix, windows))]
pub use directory::{AbsoluteLinks, Directory, DirectoryBuilder, DirectoryReader, DirectoryWriter};
pub use error::StorageError;
pub use generated::{Generated, GeneratedAsync};
pub use memory::{Memory, MemoryBuilder, MemoryWriter};
pub use policy::WritePolicy;
pub use request::{Owner, ReadRequest, WriteRequest};
pub use usage::Usage;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

/// A place that files are read from and written to, by name.
///
/// Shared by every transfer, and by every loop if there are several.
pub trait Storage: Send + Sync + 'static {
    /// What [`open_read`](Self::open_read) gives.
    type Reader: Reader;
    /// What [`open_write`](Self::open_write) gives. Storage that takes no uploads uses [`NoWriter`].
    type Writer: Writer;

    /// Opens a file for reading. The reader keeps the version it opened, whatever happens to the name later.
    ///
    /// # Errors
    ///
    /// Any [`StorageError`]; [`NotFound`](StorageError::NotFound) is what a boot client that probes names expects.
    fn open_read(
        &self,
        request: &ReadRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Reader, StorageError>> + Send;

    /// Begins an upload. Nothing can be seen under the name until [`Writer::commit`].
    ///
    /// There is one writer for each resolved name.
    ///
    /// # Errors
    ///
    /// Any [`StorageError`]; [`Busy`](StorageError::Busy) names the owner of the upload that is in the way.
    fn open_write(
        &self,
        request: &WriteRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Writer, StorageError>> + Send;
}

/// An open file, read by position.
pub trait Reader: Send + 'static {
    /// The size in bytes; `None` when it is not known before the end is reached.
    ///
    /// It is a promise: a download whose file ends before it, or goes on behind it, fails as
    /// [`Changed`](StorageError::Changed), whether the client was told the size or not.
    fn size(&self) -> Option<u64>;

    /// The same as [`read_at`](Self::read_at) if that can be answered at once, without blocking and without a thread;
    /// `None` otherwise. `None` has no effect: ask `read_at` then.
    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        let _ = (offset, len);
        None
    }

    /// Reads exactly `len` bytes at `offset`, fewer *only* at the end of the file, none past it.
    ///
    /// The same offset may be asked again. Dropping the future before it is done loses nothing.
    ///
    /// # Errors
    ///
    /// [`Changed`](StorageError::Changed) when the version that was opened is no longer there to be read, and any other
    /// [`StorageError`].
    fn read_at(&mut self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes, StorageError>> + Send;
}

/// An upload that has begun.
///
/// It ends by [`commit`](Self::commit) or [`abort`](Self::abort). Dropping it must abort too, as the last resort.
pub trait Writer: Send + 'static {
    /// The same as [`write_at`](Self::write_at) if that can be done at once, without blocking and without a thread;
    /// `None` otherwise. `None` has no effect: ask `write_at` then.
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        let _ = (offset, bytes);
        None
    }

    /// Writes `bytes` at `offset`, which is where the last write ended: sequential, without a gap, from 0.
    ///
    /// Success means accepted, not durable: an error may be reported by a later write or by the commit. After an
    /// error, or when the future was dropped before it was done, the upload can only be aborted.
    ///
    /// # Errors
    ///
    /// Any [`StorageError`].
    fn write_at(&mut self, offset: u64, bytes: Bytes) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Makes the file appear under its name, whole and durable.
    ///
    /// The point of no return: once polled, dropping the future may not undo it. No timeout applies to it. As long as it
    /// runs the client waits, and so does [`ServerHandle::shutdown`](crate::server::ServerHandle::shutdown): set it a limit
    /// of its own, such as that of the request it makes.
    ///
    /// # Errors
    ///
    /// Any [`StorageError`]. The upload is discarded then.
    fn commit(self) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Discards the upload; nothing of it is left when the future is done. No timeout applies to it, but a server that shuts
    /// down waits 5 s for it at most. Until then the transfer's place is free, the name is not.
    fn abort(self) -> impl Future<Output = ()> + Send;
}

impl<S: Storage> Storage for Arc<S> {
    type Reader = S::Reader;
    type Writer = S::Writer;

    fn open_read(
        &self,
        request: &ReadRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Reader, StorageError>> + Send {
        S::open_read(self, request, cx)
    }

    fn open_write(
        &self,
        request: &WriteRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Writer, StorageError>> + Send {
        S::open_write(self, request, cx)
    }
}

/// The writer of storage that takes no uploads; there is none.
#[derive(Debug)]
pub enum NoWriter {}

impl Writer for NoWriter {
    async fn write_at(&mut self, _: u64, _: Bytes) -> Result<(), StorageError> {
        match *self {}
    }

    async fn commit(self) -> Result<(), StorageError> {
        match self {}
    }

    async fn abort(self) {
        match self {}
    }
}
