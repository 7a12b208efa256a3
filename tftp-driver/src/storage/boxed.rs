//! The object-safe twin of the traits, so that a program can choose its storage at run time and layers can compose.
//!
//! A future is boxed for each operation that is not ready; `try_read_at` and `try_write_at` pass straight through.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::{Context, ReadRequest, Reader, Storage, StorageError, WriteRequest, Writer};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Any [`Storage`] behind one type. Cloning is cheap and shares the storage.
#[derive(Clone)]
pub struct BoxStorage(Arc<dyn DynStorage>);

/// Any [`Reader`] behind one type.
pub struct BoxReader(Box<dyn DynReader>);

/// Any [`Writer`] behind one type.
pub struct BoxWriter(Box<dyn DynWriter>);

impl BoxStorage {
    /// Wraps `storage`.
    pub fn new<S: Storage>(storage: S) -> Self {
        Self(Arc::new(storage))
    }
}

impl BoxReader {
    /// Wraps `reader`.
    pub fn new<R: Reader>(reader: R) -> Self {
        Self(Box::new(reader))
    }
}

impl BoxWriter {
    /// Wraps `writer`.
    pub fn new<W: Writer>(writer: W) -> Self {
        Self(Box::new(writer))
    }
}

trait DynStorage: Send + Sync {
    fn open_read<'a>(
        &'a self,
        request: &'a ReadRequest,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<BoxReader, StorageError>>;
    fn open_write<'a>(
        &'a self,
        request: &'a WriteRequest,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<BoxWriter, StorageError>>;
}

trait DynReader: Send {
    fn size(&self) -> Option<u64>;
    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>>;
    fn read_at(&mut self, offset: u64, len: usize) -> BoxFuture<'_, Result<Bytes, StorageError>>;
}

trait DynWriter: Send {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>>;
    fn write_at(&mut self, offset: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), StorageError>>;
    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), StorageError>>;
    fn abort(self: Box<Self>) -> BoxFuture<'static, ()>;
}

impl<S: Storage> DynStorage for S {
    fn open_read<'a>(
        &'a self,
        request: &'a ReadRequest,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<BoxReader, StorageError>> {
        Box::pin(async move { Storage::open_read(self, request, cx).await.map(BoxReader::new) })
    }

    fn open_write<'a>(
        &'a self,
        request: &'a WriteRequest,
        cx: &'a Context,
    ) -> BoxFuture<'a, Result<BoxWriter, StorageError>> {
        Box::pin(async move { Storage::open_write(self, request, cx).await.map(BoxWriter::new) })
    }
}

impl<R: Reader> DynReader for R {
    fn size(&self) -> Option<u64> {
        Reader::size(self)
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        Reader::try_read_at(self, offset, len)
    }

    fn read_at(&mut self, offset: u64, len: usize) -> BoxFuture<'_, Result<Bytes, StorageError>> {
        Box::pin(Reader::read_at(self, offset, len))
    }
}

impl<W: Writer> DynWriter for W {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        Writer::try_write_at(self, offset, bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: Bytes) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(Writer::write_at(self, offset, bytes))
    }

    fn commit(self: Box<Self>) -> BoxFuture<'static, Result<(), StorageError>> {
        Box::pin(Writer::commit(*self))
    }

    fn abort(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(Writer::abort(*self))
    }
}

impl Storage for BoxStorage {
    type Reader = BoxReader;
    type Writer = BoxWriter;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<BoxReader, StorageError> {
        self.0.open_read(request, cx).await
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<BoxWriter, StorageError> {
        self.0.open_write(request, cx).await
    }
}

impl Reader for BoxReader {
    fn size(&self) -> Option<u64> {
        self.0.size()
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        self.0.try_read_at(offset, len)
    }

    fn read_at(&mut self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes, StorageError>> + Send {
        self.0.read_at(offset, len)
    }
}

impl Writer for BoxWriter {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        self.0.try_write_at(offset, bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: Bytes) -> impl Future<Output = Result<(), StorageError>> + Send {
        self.0.write_at(offset, bytes)
    }

    fn commit(self) -> impl Future<Output = Result<(), StorageError>> + Send {
        self.0.commit()
    }

    fn abort(self) -> impl Future<Output = ()> + Send {
        self.0.abort()
    }
}

impl fmt::Debug for BoxStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxStorage").finish_non_exhaustive()
    }
}

impl fmt::Debug for BoxReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxReader").field("size", &self.0.size()).finish_non_exhaustive()
    }
}

impl fmt::Debug for BoxWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxWriter").finish_non_exhaustive()
    }
}
