//! An upload into a directory.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use bytes::Bytes;

use super::system::{check_room, start_writing_back, write_all_at};
use super::upload::Upload;
use crate::storage::{Context, StorageError, Writer};

/// How many bytes are collected before a thread writes them: handing them over costs as much as writing some 64 KiB.
const GATHERED: usize = 512 << 10;

/// As many at least, also when there are very many uploads.
const MIN_GATHERED: usize = 16 << 10;

/// Nor more pieces than this, however small they are.
const MAX_PIECES: usize = 1024;

/// What all uploads into a directory may have collected together, in bytes, where more than the least is collected.
const ALL_GATHERED: usize = 32 << 20;

/// How many bytes are written before they are sent on to the disk, so that the commit has little left to do.
const FLUSH: u64 = 2 << 20;

/// An upload into a [`Directory`](super::Directory): small writes are collected and answered at once.
pub struct DirectoryWriter {
    /// As they came: the system gathers them, so that nothing is copied on the way.
    pieces: Vec<Bytes>,
    /// The bytes in `pieces`.
    gathered: usize,
    /// The bytes that went into the file; `pieces` follow them.
    written: u64,
    /// The bytes that went into the file since it was last flushed.
    unflushed: u64,
    /// A write failed, or was dropped half-way: what is in the file is unknown.
    broken: bool,
    flush: Arc<Flush>,
    cx: Context,
    upload: Upload,
}

/// Sends what was written on to the disk, in the background.
#[derive(Default)]
struct Flush {
    // Held while flushing, so that the commit waits for it.
    state: Mutex<Flushed>,
}

#[derive(Default)]
struct Flushed {
    /// The bytes from the start of the file that were sent on.
    to: u64,
    // Where it waits for the disk, the kernel tells a failure here, and not again to the commit.
    error: Option<io::Error>,
}

impl Flush {
    /// Flushes up to there, unless that is under way already.
    fn run(&self, file: &File, to: u64) {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if to <= state.to {
            return;
        }
        if let Err(failed) = start_writing_back(file, state.to, to) {
            state.error.get_or_insert(failed);
        }
        state.to = to;
    }

    /// Waits until nothing is under way, and gives the error there was.
    fn finish(&self) -> io::Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).error.take().map_or(Ok(()), Err)
    }
}

impl DirectoryWriter {
    pub(super) fn new(upload: Upload, cx: Context) -> Self {
        Self {
            pieces: Vec::new(),
            gathered: 0,
            written: 0,
            unflushed: 0,
            broken: false,
            flush: Arc::default(),
            cx,
            upload,
        }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), StorageError> {
        if self.broken {
            return Err(broken());
        }
        let due = self.written + self.gathered as u64;
        if offset != due {
            return Err(StorageError::Other(format!("write at {offset}, where {due} was due")));
        }
        self.upload.settings().policy.check_size(due + len as u64)
    }

    fn fits(&self, len: usize) -> bool {
        let share = ALL_GATHERED / self.upload.among().max(1);
        self.pieces.len() < MAX_PIECES && self.gathered + len <= share.clamp(MIN_GATHERED, GATHERED)
    }

    fn gather(&mut self, bytes: Bytes) {
        self.gathered += bytes.len();
        self.pieces.push(bytes);
    }

    /// Moves what was gathered to the file.
    async fn write_gathered(&mut self) -> Result<(), StorageError> {
        let (file, at) = (Arc::clone(self.upload.file()), self.written);
        let (mut pieces, len) = (std::mem::take(&mut self.pieces), std::mem::take(&mut self.gathered));
        // Until the thread has answered.
        self.broken = true;
        let min_free = self.upload.settings().min_free;
        let write = move || {
            check_room(&*file, min_free, len as u64)?;
            write_all_at(&file, &pieces, at)?;
            pieces.clear();
            Ok::<_, StorageError>(pieces)
        };
        self.pieces = self.cx.run(write).await??;
        self.broken = false;
        self.written += len as u64;
        self.unflushed += len as u64;
        if self.unflushed >= FLUSH {
            self.unflushed = 0;
            let (flush, file, to) = (Arc::clone(&self.flush), Arc::clone(self.upload.file()), self.written);
            self.cx.spawn(move || flush.run(&file, to));
        }
        Ok(())
    }
}

impl Writer for DirectoryWriter {
    fn try_write_at(&mut self, offset: u64, bytes: &Bytes) -> Option<Result<(), StorageError>> {
        if let Err(error) = self.check(offset, bytes.len()) {
            return Some(Err(error));
        }
        if !self.fits(bytes.len()) {
            return None;
        }
        self.gather(bytes.clone());
        Some(Ok(()))
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        self.check(offset, bytes.len())?;
        self.gather(bytes);
        if self.fits(0) { Ok(()) } else { self.write_gathered().await }
    }

    async fn commit(self) -> Result<(), StorageError> {
        let Self { pieces, gathered, written, broken: is_broken, flush, upload, cx, .. } = self;
        // From here to the end on one thread: nobody can drop it half-way.
        cx.run(move || {
            if is_broken {
                return Err(broken());
            }
            check_room(&**upload.file(), upload.settings().min_free, gathered as u64)?;
            write_all_at(upload.file(), &pieces, written)?;
            flush.finish()?;
            upload.publish()
        })
        .await?
    }

    async fn abort(self) {
        let Self { upload, cx, .. } = self;
        // Dropping removes the file, here or, if the pool is gone, when the work is dropped.
        let _ = cx.run(move || drop(upload)).await;
    }
}

impl fmt::Debug for DirectoryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryWriter").field("len", &(self.written + self.gathered as u64)).finish_non_exhaustive()
    }
}

fn broken() -> StorageError {
    StorageError::Other("an earlier write of this upload failed or was dropped".to_owned())
}
