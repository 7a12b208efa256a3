//! One of two readers, or of two writers.

use bytes::Bytes;

use crate::storage::{Reader, StorageError, Writer};

/// What a layer over two storages opens: a reader, or a writer, of either.
#[derive(Debug)]
pub enum Either<A, B> {
    /// Of the first storage.
    First(A),
    /// Of the second.
    Second(B),
}

impl<A: Reader, B: Reader> Reader for Either<A, B> {
    fn size(&self) -> Option<u64> {
        match self {
            Self::First(reader) => reader.size(),
            Self::Second(reader) => reader.size(),
        }
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        match self {
            Self::First(reader) => reader.try_read_at(offset, len),
            Self::Second(reader) => reader.try_read_at(offset, len),
        }
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        match self {
            Self::First(reader) => reader.read_at(offset, len).await,
            Self::Second(reader) => reader.read_at(offset, len).await,
        }
    }
}

impl<A: Writer, B: Writer> Writer for Either<A, B> {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        match self {
            Self::First(writer) => writer.try_write_at(offset, bytes),
            Self::Second(writer) => writer.try_write_at(offset, bytes),
        }
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        match self {
            Self::First(writer) => writer.write_at(offset, bytes).await,
            Self::Second(writer) => writer.write_at(offset, bytes).await,
        }
    }

    async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::First(writer) => writer.commit().await,
            Self::Second(writer) => writer.commit().await,
        }
    }

    async fn abort(self) {
        match self {
            Self::First(writer) => writer.abort().await,
            Self::Second(writer) => writer.abort().await,
        }
    }
}
