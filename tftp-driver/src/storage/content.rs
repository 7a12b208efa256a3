//! A reader of bytes that are in memory already.

use bytes::Bytes;

use super::{Reader, StorageError};

/// Reads from shared bytes, always at once: every read is a slice of the same memory.
#[derive(Debug, Clone)]
pub struct BytesReader {
    data: Bytes,
}

impl BytesReader {
    /// Reads `data`.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self { data: data.into() }
    }

    fn slice(&self, offset: u64, len: usize) -> Bytes {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.data.len());
        let end = start.saturating_add(len).min(self.data.len());
        self.data.slice(start..end)
    }
}

impl Reader for BytesReader {
    fn size(&self) -> Option<u64> {
        Some(self.data.len() as u64)
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        Some(Ok(self.slice(offset, len)))
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        Ok(self.slice(offset, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_end_at_the_end() {
        let mut reader = BytesReader::new(&b"0123456789"[..]);
        let mut read = |offset, len| reader.try_read_at(offset, len).unwrap().unwrap();
        assert_eq!(read(0, 4), "0123");
        assert_eq!(read(8, 4), "89");
        assert_eq!(read(10, 4), "");
        assert_eq!(read(u64::MAX, usize::MAX), "");
        assert_eq!(read(3, usize::MAX), "3456789");
    }
}
