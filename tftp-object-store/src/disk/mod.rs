//! The cache on disk, behind the one in memory.

mod directory;
mod file;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;

use crate::chunks::CHUNK;
use crate::stats::Counter;
use directory::Directory;
use file::Found;

/// So many chunks may wait to be written. When the disk is that far behind, the next ones are not kept.
const QUEUE: usize = 16;

/// What file systems give out at a time, in bytes.
const UNIT: u64 = 4096;

/// Content of object stores in files, for one server that finds it again after a restart. Clones share it, and so may
/// several storages of one process.
///
/// Files are named for what they hold: a megabyte of one version of one object. They have checksums, and what does not
/// match its own is fetched again. Which of them stay when there is no more room is `quick_cache`'s decision, as it is in memory.
#[derive(Clone)]
pub struct DiskCache(Arc<Inner>);

struct Inner {
    directory: Directory,
    /// The files there are, or are about to be.
    index: Index,
    /// Who changes files or the index.
    changing: Mutex<()>,
    queue: Arc<Semaphore>,
    failures: Counter,
}

type Index = Cache<u128, u64, ByBytes, DefaultHashBuilder, Evictions>;

#[derive(Clone)]
struct ByBytes;

impl Weighter<u128, u64> for ByBytes {
    fn weight(&self, _: &u128, bytes: &u64) -> u64 {
        bytes.next_multiple_of(UNIT).max(UNIT)
    }
}

/// Collects what has to go.
#[derive(Clone)]
struct Evictions;

impl Lifecycle<u128, u64> for Evictions {
    type RequestState = Vec<u128>;

    fn on_evict(&self, evicted: &mut Vec<u128>, name: u128, _: u64) {
        evicted.push(name);
    }
}

impl DiskCache {
    /// Opens a cache in `directory`, which is made if it does not exist, with at most `bytes` in files. Blocks while it
    /// looks at what an earlier run has left there.
    ///
    /// # Errors
    ///
    /// What the system says; [`WouldBlock`](io::ErrorKind::WouldBlock) if another server uses the directory, and
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) also if other users may write to it.
    pub fn open(directory: impl AsRef<Path>, bytes: u64) -> io::Result<Self> {
        let directory = Directory::open(directory.as_ref())?;
        let items = usize::try_from(bytes / CHUNK).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        // One shard, as in memory: each has a part of the room.
        let options = OptionsBuilder::new().shards(1).estimated_items_capacity(items).weight_capacity(bytes).build();
        let options = options.map_err(io::Error::other)?;
        let index = Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), Evictions);
        let cache = Inner {
            directory,
            index,
            changing: Mutex::new(()),
            queue: Arc::new(Semaphore::new(QUEUE)),
            failures: Counter::default(),
        };
        for entry in cache.directory.clean()? {
            cache.admit(entry.name, entry.len)?;
        }
        Ok(Self(Arc::new(cache)))
    }

    /// The bytes in files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.index.weight()
    }

    /// How often a file could not be written or read. The content came from the store then.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.get()
    }

    /// Part of a chunk of `len` bytes, if that is there and whole. Must be called within tokio.
    pub(crate) async fn get(&self, identity: &Arc<[u8]>, len: usize, part: Range<usize>) -> Option<Vec<u8>> {
        let name = file::hash(identity);
        self.0.index.get(&name)?;
        let (inner, identity) = (Arc::clone(&self.0), Arc::clone(identity));
        tokio::task::spawn_blocking(move || inner.read(name, &identity, len, &part)).await.ok().flatten()
    }

    /// Keeps a chunk, in the background. Must be called within tokio.
    pub(crate) fn keep(&self, identity: Arc<[u8]>, content: Bytes) {
        let Ok(place) = Arc::clone(&self.0.queue).try_acquire_owned() else { return };
        let inner = Arc::clone(&self.0);
        drop(tokio::task::spawn_blocking(move || {
            inner.write(&identity, &content);
            drop((content, place));
        }));
    }
}

impl Inner {
    /// Makes room for a file in the index, and on disk. Says whether it may be there.
    fn admit(&self, name: u128, len: u64) -> io::Result<bool> {
        let mut evicted = Vec::new();
        self.index.insert_with_lifecycle(name, len, &mut evicted);
        // What is too large for the whole cache is among them. One that stays does not keep the others.
        let removed = evicted.into_iter().map(|name| self.directory.remove(name));
        removed.fold(Ok(()), io::Result::and)?;
        Ok(self.index.contains_key(&name))
    }

    fn read(&self, name: u128, identity: &[u8], len: usize, part: &Range<usize>) -> Option<Vec<u8>> {
        match self.directory.read(name).and_then(|file| file::read(file, identity, len, part)) {
            Ok(Found::Content(content)) => return Some(content),
            Ok(Found::Another) => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
                // It may have been about to be written.
                if !self.directory.exists(name) {
                    self.index.remove(&name);
                }
            }
            Ok(Found::Damaged) | Err(_) => {
                self.failures.add(1);
                let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
                if self.directory.remove(name).is_ok() {
                    self.index.remove(&name);
                }
            }
        }
        None
    }

    fn write(&self, identity: &[u8], content: &[u8]) {
        let name = file::hash(identity);
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.index.contains_key(&name) {
            return;
        }
        let admitted = self.admit(name, file::len(identity, content.len() as u64));
        let written = match admitted {
            Ok(true) => self.directory.write(name, |file| file::write(file, identity, content)),
            Ok(false) => return,
            Err(error) => Err(error),
        };
        if written.is_err() {
            self.index.remove(&name);
            self.failures.add(1);
        }
    }
}

impl fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskCache").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}
