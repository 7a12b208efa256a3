//! Uploads, wrongly.

use std::sync::Arc;

use bytes::Bytes;
use tftp_driver::storage::{StorageError, Writer};

use crate::fault::Fault;
use crate::storage::Shared;

pub(crate) struct FaultyWriter {
    pub(crate) fault: Fault,
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Vec<u8>,
    pub(crate) claim: Vec<u8>,
    /// What it replaces.
    pub(crate) old: Option<Bytes>,
    pub(crate) limit: Option<u64>,
    pub(crate) hint: Option<u64>,
    pub(crate) content: Vec<u8>,
    pub(crate) writes: u64,
    pub(crate) ended: bool,
}

impl FaultyWriter {
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let end = self.content.len() as u64;
        self.writes += 1;
        match self.fault {
            Fault::GapsAreFilled if offset != end => {
                let offset = usize::try_from(offset.min(1 << 20)).unwrap();
                self.content.resize(offset.max(self.content.len()), 0);
                self.content.truncate(offset);
            }
            Fault::PositionIsIgnored => {}
            _ if offset != end => return Err(StorageError::Other(format!("at {offset}, but {end} is due"))),
            _ => {}
        }
        match self.limit {
            Some(limit) if end + bytes.len() as u64 > limit => return Err(StorageError::TooLarge { limit }),
            _ => {}
        }
        match self.fault {
            Fault::TenthWriteIsLost if self.writes == 10 => self.content.resize(self.content.len() + bytes.len(), 0),
            Fault::LargeWritesAreCut => self.content.extend_from_slice(&bytes[..bytes.len().min(65_536)]),
            _ => self.content.extend_from_slice(bytes),
        }
        if self.fault == Fault::PartIsVisible {
            self.shared.set(&self.name, &self.content);
        }
        Ok(())
    }

    fn keep(&mut self) {
        let mut content = std::mem::take(&mut self.content);
        let old = self.old.clone().unwrap_or_default();
        match (self.fault, self.hint) {
            (Fault::CommitIsLost, _) => return,
            (Fault::CommitOfNothingMakesNothing, _) if content.is_empty() => return,
            (Fault::CommitLosesTheLastBlock, _) => content.truncate(content.len() / 512 * 512),
            (Fault::CommitAppends, _) => content = [&old, &*content].concat(),
            (Fault::OldTailIsKept, _) if old.len() > content.len() => content.extend_from_slice(&old[content.len()..]),
            (Fault::HintCuts, Some(hint)) => content.truncate(usize::try_from(hint).unwrap_or(usize::MAX)),
            (Fault::HintFills, Some(hint)) if hint > 0 => {
                content.resize(usize::try_from(hint.min(1 << 20)).unwrap(), 0);
            }
            (Fault::FilesShareTheirContent, _) => {
                for (name, _) in self.shared.memory.list() {
                    self.shared.set(&name, &content);
                }
            }
            _ => {}
        }
        self.shared.set(&self.name, &content);
    }

    fn end(&mut self, keeps_claim: Fault) {
        self.ended = true;
        if self.fault != keeps_claim {
            self.shared.claims.lock().unwrap().remove(&self.claim);
        }
    }
}

impl Writer for FaultyWriter {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        match self.fault {
            Fault::AtOnceWriteIsLost => Some(self.take(offset, &vec![0; bytes.len()])),
            Fault::AtOnceWriteHasAnEffect => {
                let _ = self.take(offset, bytes);
                None
            }
            _ => Some(self.take(offset, bytes)),
        }
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        self.take(offset, &bytes)
    }

    async fn commit(mut self) -> Result<(), StorageError> {
        self.keep();
        self.end(Fault::CommitKeepsTheClaim);
        Ok(())
    }

    async fn abort(mut self) {
        match self.fault {
            Fault::AbortLeavesThePart if self.old.is_none() => self.shared.set(&self.name, &self.content),
            Fault::AbortRemovesTheOld => self.shared.remove(&self.name),
            Fault::AbortCommits => self.keep(),
            _ => {}
        }
        self.end(Fault::AbortKeepsTheClaim);
    }
}

impl Drop for FaultyWriter {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match self.fault {
            Fault::DropLeavesThePart if self.old.is_none() => self.shared.set(&self.name, &self.content),
            Fault::DropCommits => self.keep(),
            _ => {}
        }
        self.end(Fault::DropKeepsTheClaim);
    }
}
