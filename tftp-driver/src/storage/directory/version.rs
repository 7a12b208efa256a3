//! One version of a file: opened once, however many read it.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bytes::{Bytes, BytesMut};

use super::buffers::Buffers;
use super::cache::ChunkCache;
use super::system::{self, NotNow, Stamp};
use crate::storage::StorageError;

/// The largest size of the chunks that readers share, in bytes.
const CHUNK: u64 = 64 * 1024;

/// The versions that are being read.
pub(super) struct Versions {
    table: Arc<Table>,
}

struct Table {
    cache: ChunkCache,
    buffers: Arc<Buffers>,
    next_id: AtomicU64,
    open: Mutex<HashMap<Key, Weak<Version>>>,
}

type Key = ((u64, u64), Stamp);

/// A regular file as it was when it was opened.
pub(super) struct Version {
    file: File,
    stamp: Stamp,
    /// Never used twice, unlike an inode's number.
    id: u64,
    key: Option<Key>,
    table: Arc<Table>,
    /// Known once the file system has refused to say what is in memory: whether all of it is.
    in_memory: OnceLock<bool>,
    /// The size of this version's chunks in bytes: a multiple of what the first who shared them asked for. Reads of those
    /// who ask alike, as the clients of a storm do, then lie within one chunk and need no copy.
    chunk: OnceLock<u64>,
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Never,
    AsLongAsItTakes,
}

impl Versions {
    pub(super) fn new(cache_size: usize) -> Self {
        let table = Table {
            cache: ChunkCache::new(cache_size),
            buffers: Buffers::new(CHUNK as usize),
            next_id: AtomicU64::new(0),
            open: Mutex::default(),
        };
        Self { table: Arc::new(table) }
    }

    /// The version that `file` is of, which may be open already: then `file` is closed again.
    pub(super) fn open(&self, file: File) -> Result<Arc<Version>, StorageError> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(StorageError::denied("not a regular file"));
        }
        let stamp = Stamp::of(&metadata);
        // Readers of a version that cannot be told from its successor must not share what they read.
        let identity = system::identity(&metadata).filter(|_| !stamp.is_fresh());
        let key = identity.map(|identity| (identity, stamp));
        let make = || {
            Arc::new(Version {
                file,
                stamp,
                id: self.table.next_id.fetch_add(1, Ordering::Relaxed),
                key,
                table: Arc::clone(&self.table),
                in_memory: OnceLock::new(),
                chunk: OnceLock::new(),
            })
        };
        let Some(key) = key else { return Ok(make()) };
        let mut open = self.table.open();
        // An inode's number cannot be given to another file while the version holds the inode open.
        if let Some(version) = open.get(&key).and_then(Weak::upgrade) {
            // Its `Drop` locks the table, should this be the last reference by the time it is dropped.
            drop(open);
            return Ok(version);
        }
        let version = make();
        open.insert(key, Arc::downgrade(&version));
        Ok(version)
    }
}

impl Table {
    fn open(&self) -> MutexGuard<'_, HashMap<Key, Weak<Version>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            let mut open = self.table.open();
            // A successor may have taken the place since the last reference went.
            if open.get(key).is_some_and(|version| version.strong_count() == 0) {
                open.remove(key);
            }
        }
        if self.chunk.get().is_some() {
            self.table.cache.forget(self.id);
        }
    }
}

impl Version {
    pub(super) fn size(&self) -> u64 {
        self.stamp.size
    }

    /// Reads `len` bytes at `offset`, fewer at the end. `None` if that would have to wait, and may not.
    pub(super) fn read(self: &Arc<Self>, offset: u64, len: usize, wait: Wait) -> Option<Result<Bytes, StorageError>> {
        let asked = len as u64;
        let len = self.stamp.size.saturating_sub(offset).min(asked);
        if len == 0 {
            return Some(Ok(Bytes::new()));
        }
        // Chunks cost a copy of more than was asked: worth it where others want them too, or where each read of the
        // file costs a thread.
        let chunks = wait == Wait::AsLongAsItTakes || Arc::strong_count(self) > 1 || self.chunk.get().is_some();
        if asked > CHUNK || !chunks {
            return self.read_file(offset, len, wait);
        }
        let size = *self.chunk.get_or_init(|| CHUNK / asked * asked);
        if len <= size { self.read_chunks(offset, len, size, wait) } else { self.read_file(offset, len, wait) }
    }

    /// Reads by whole chunks, of which at most two are touched.
    fn read_chunks(&self, offset: u64, len: u64, size: u64, wait: Wait) -> Option<Result<Bytes, StorageError>> {
        let (index, start) = (offset / size, offset % size);
        let first = match self.chunk(index, size, wait)? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        // Both are less than two chunks.
        let (start, end) = (start as usize, (start + len) as usize);
        if end <= first.len() {
            return Some(Ok(first.slice(start..end)));
        }
        let second = match self.chunk(index + 1, size, wait)? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        let mut joined = BytesMut::with_capacity(end - start);
        joined.extend_from_slice(&first[start..]);
        joined.extend_from_slice(&second[..end - first.len()]);
        Some(Ok(joined.freeze()))
    }

    fn chunk(&self, index: u64, size: u64, wait: Wait) -> Option<Result<Bytes, StorageError>> {
        let cache = &self.table.cache;
        if let Some(chunk) = cache.get((self.id, index)) {
            return Some(Ok(chunk));
        }
        let offset = index * size;
        let result = self.read_file(offset, size.min(self.stamp.size - offset), wait)?;
        if let Ok(chunk) = &result {
            cache.insert((self.id, index), chunk.clone());
        }
        Some(result)
    }

    /// Reads exactly `len` bytes, which are there unless the file has changed.
    fn read_file(&self, offset: u64, len: u64, wait: Wait) -> Option<Result<Bytes, StorageError>> {
        let wait = match (wait, self.in_memory.get()) {
            (Wait::Never, Some(true)) => Wait::AsLongAsItTakes,
            (Wait::Never, Some(false)) => return None,
            (wait, _) => wait,
        };
        let Ok(len) = usize::try_from(len) else {
            return Some(Err(StorageError::Other(format!("{len} bytes are too many to read at once"))));
        };
        let mut buffer = self.table.buffers.take(len);
        let mut filled = 0;
        while filled < len {
            let (rest, at) = (&mut buffer.as_mut()[filled..], offset + filled as u64);
            let count = match wait {
                Wait::AsLongAsItTakes => match system::read_at(&self.file, rest, at) {
                    Ok(count) => count,
                    Err(error) => return Some(Err(error.into())),
                },
                Wait::Never => match system::read_now(&self.file, rest, at) {
                    Ok(count) => count,
                    Err(NotNow::Cold) => return None,
                    Err(NotNow::Unsupported) => {
                        self.in_memory.get_or_init(|| system::is_in_memory(&self.file));
                        drop(buffer);
                        return self.read_file(offset, len as u64, wait);
                    }
                },
            };
            if count == 0 {
                return Some(Err(StorageError::Changed));
            }
            filled += count;
        }
        // After the read: a change before it shows, one after it does no harm.
        Some(match self.file.metadata() {
            Ok(metadata) if Stamp::of(&metadata) == self.stamp => Ok(buffer.freeze()),
            Ok(_) => Err(StorageError::Changed),
            Err(error) => Err(error.into()),
        })
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    /// Of a kind that does not say what is in memory, as one on tmpfs does not.
    #[test]
    fn a_file_that_lives_in_memory_is_read_at_once() {
        let file = File::from(memfd_create("file", MemfdFlags::CLOEXEC).unwrap());
        file.write_all_at(&[7; 100_000], 0).unwrap();
        let version = Versions::new(1 << 20).open(file).unwrap();
        for offset in [0, 1000, 99_000] {
            let read = version.read(offset, 1000, Wait::Never).unwrap().unwrap();
            assert_eq!(read[..], [7; 1000]);
        }
        version.file.set_len(5).unwrap();
        assert!(matches!(version.read(0, 1000, Wait::Never), Some(Err(StorageError::Changed))));
    }
}
