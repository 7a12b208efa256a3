//! Reads, wrongly.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tftp_driver::storage::{Reader, StorageError};

use crate::fault::Fault;
use crate::storage::Shared;

pub(crate) struct FaultyReader {
    pub(crate) fault: Fault,
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Vec<u8>,
    pub(crate) content: Bytes,
    /// Where all readers of the file are.
    pub(crate) common: Arc<AtomicU64>,
    /// Where this one believes to be.
    pub(crate) position: u64,
    pub(crate) reads: u64,
    /// It was asked whether it can answer at once, and could not.
    pub(crate) declined: bool,
}

impl FaultyReader {
    fn answer(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        let fault = self.fault;
        self.reads += 1;
        let mut content = self.content.clone();
        let end = content.len() as u64;
        let error = |kind: io::ErrorKind| Err(StorageError::Io(kind.into()));
        let (mut offset, mut len) = (offset, len);
        match fault {
            Fault::ReadsAreOneByteOff => offset = offset.saturating_add(1),
            Fault::OffsetsHave16Bits => offset &= 0xFFFF,
            Fault::LastOffsetWraps if offset == u64::MAX => offset = 0,
            Fault::ReadsOnlyForwards if offset < self.position => offset = end,
            Fault::ReadsFromItsOwnPosition => offset = self.position,
            // It seeks only where it believes to be elsewhere.
            Fault::ReadersShareAPosition if offset == self.position => offset = self.common.load(Ordering::Relaxed),
            Fault::ReadsAreShort => len = len.min(512),
            Fault::LargeReadsAreShort => len = len.min(65_536),
            Fault::ReadsAreLong => len += 1,
            Fault::LastByteIsMissing => content.truncate(content.len().saturating_sub(1)),
            Fault::AByteTooMuchAtTheEnd => content = [&content[..], b"\n"].concat().into(),
            Fault::TheEndIsAnError if offset == end => return error(io::ErrorKind::UnexpectedEof),
            Fault::BeyondTheEndIsAnError if offset > end => return error(io::ErrorKind::UnexpectedEof),
            Fault::NoBytesAreAnError if len == 0 => return error(io::ErrorKind::InvalidInput),
            Fault::EveryOtherReadFails if self.reads.is_multiple_of(2) => return error(io::ErrorKind::Other),
            Fault::AtOnceHasAnEffect if self.declined => offset = end,
            Fault::ReaderSeesTheNewVersion => content = self.shared.file(&self.name).unwrap_or_default(),
            _ => {}
        }
        self.declined = false;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let bytes = content.slice(start..start.saturating_add(len).min(content.len()));
        self.position = offset.saturating_add(bytes.len() as u64);
        self.common.store(self.position, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Reader for FaultyReader {
    fn size(&self) -> Option<u64> {
        let size = self.content.len() as u64;
        Some(match self.fault {
            Fault::SizeIsTooLarge => size + 1,
            Fault::SizeIsTooSmall => size.saturating_sub(1),
            Fault::SizeIsZero => 0,
            _ => size,
        })
    }

    fn try_read_at(&mut self, offset: u64, len: usize) -> Option<Result<Bytes, StorageError>> {
        match self.fault {
            Fault::AtOnceIsWrong => Some(self.answer(offset, len).map(|bytes| vec![0; bytes.len()].into())),
            Fault::AtOnceIsShort => Some(self.answer(offset, len / 2)),
            Fault::AtOnceHasAnEffect => {
                self.declined = true;
                None
            }
            // As back ends that sometimes can.
            _ if self.reads % 3 == 2 => None,
            _ => Some(self.answer(offset, len)),
        }
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        self.answer(offset, len)
    }
}

impl Drop for FaultyReader {
    fn drop(&mut self) {
        self.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
