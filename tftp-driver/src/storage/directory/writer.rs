//! An upload into a directory.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use bytes::Bytes;

use super::system::{check_room, write_all_at};
use super::upload::Upload;
use crate::storage::{Context, StorageError, Writer};

/// How many bytes are collected before a thread writes them.
const BUFFER: usize = 64 * 1024;

/// How many bytes are written before they are sent on to the disk, so that the commit has little left to do.
const FLUSH: u64 = 8 << 20;

/// An upload into a [`Directory`](super::Directory): small writes are collected and answered at once.
pub struct DirectoryWriter {
    buffer: Vec<u8>,
    /// The bytes that went into the file; `buffer` follows them.
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
    // The kernel reports a failed write-back once for each open file, so that the commit would not see it again. Held
    // while flushing, so that the commit waits for it.
    error: Mutex<Option<io::Error>>,
}

impl Flush {
    /// Flushes, unless that is under way already.
    fn run(&self, file: &File) {
        let mut error = match self.error.try_lock() {
            Ok(error) => error,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if let Err(failed) = file.sync_data() {
            error.get_or_insert(failed);
        }
    }

    /// Waits until nothing is under way, and gives the error there was.
    fn finish(&self) -> io::Result<()> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

impl DirectoryWriter {
    pub(super) fn new(upload: Upload, cx: Context) -> Self {
        Self { buffer: Vec::new(), written: 0, unflushed: 0, broken: false, flush: Arc::default(), cx, upload }
    }

    fn check(&self, offset: u64, len: usize) -> Result<(), StorageError> {
        if self.broken {
            return Err(broken());
        }
        let due = self.written + self.buffer.len() as u64;
        if offset != due {
            return Err(StorageError::Other(format!("write at {offset}, where {due} was due")));
        }
        self.upload.settings().policy.check_size(due + len as u64)
    }

    fn fits(&self, len: usize) -> bool {
        self.buffer.len() + len <= BUFFER
    }

    /// Moves the buffer to the file.
    async fn write_buffer(&mut self) -> Result<(), StorageError> {
        let (file, at) = (Arc::clone(self.upload.file()), self.written);
        let mut buffer = std::mem::take(&mut self.buffer);
        // Until the thread has answered.
        self.broken = true;
        let min_free = self.upload.settings().min_free;
        let write = move || {
            check_room(&*file, min_free, buffer.len() as u64)?;
            write_all_at(&file, &buffer, at)?;
            Ok::<_, StorageError>(buffer)
        };
        buffer = self.cx.run(write).await??;
        self.broken = false;
        self.written += buffer.len() as u64;
        self.unflushed += buffer.len() as u64;
        buffer.clear();
        self.buffer = buffer;
        if self.unflushed >= FLUSH {
            self.unflushed = 0;
            let (flush, file) = (Arc::clone(&self.flush), Arc::clone(self.upload.file()));
            self.cx.spawn(move || flush.run(&file));
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
        self.buffer.extend_from_slice(bytes);
        Some(Ok(()))
    }

    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        self.check(offset, bytes.len())?;
        let mut rest = &bytes[..];
        while !self.fits(rest.len()) {
            let (head, tail) = rest.split_at(BUFFER - self.buffer.len());
            self.buffer.extend_from_slice(head);
            rest = tail;
            self.write_buffer().await?;
        }
        self.buffer.extend_from_slice(rest);
        Ok(())
    }

    async fn commit(self) -> Result<(), StorageError> {
        let Self { buffer, written, broken: is_broken, flush, upload, cx, .. } = self;
        // From here to the end on one thread: nobody can drop it half-way.
        cx.run(move || {
            if is_broken {
                return Err(broken());
            }
            check_room(&**upload.file(), upload.settings().min_free, buffer.len() as u64)?;
            write_all_at(upload.file(), &buffer, written)?;
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
        f.debug_struct("DirectoryWriter")
            .field("len", &(self.written + self.buffer.len() as u64))
            .finish_non_exhaustive()
    }
}

fn broken() -> StorageError {
    StorageError::Other("an earlier write of this upload failed or was dropped".to_owned())
}
