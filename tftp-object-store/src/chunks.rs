//! Pieces of objects, shared by everybody who reads them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tftp_driver::storage::Budget;

use crate::disk::DiskCache;
use crate::failure::Failure;
use crate::object::{Object, Versions};
use crate::stats::Counters;

/// How large a chunk is, in bytes. One request for each: large enough to hide its latency, small enough to come soon.
pub(crate) const CHUNK: u64 = 1 << 20;

/// What an entry of the cache weighs beside its content, roughly.
const OVERHEAD: u64 = 512;

/// A chunk of one version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ChunkKey {
    pub(crate) object: Arc<Object>,
    pub(crate) index: u64,
}

impl ChunkKey {
    pub(crate) fn range(&self) -> Range<u64> {
        let start = self.index.saturating_mul(CHUNK);
        self.object.clamp(start..start.saturating_add(CHUNK))
    }
}

/// A cache on disk, and what tells this store's objects from another's in it.
pub(crate) struct Disk {
    pub(crate) cache: DiskCache,
    pub(crate) store: String,
}

impl Disk {
    /// `None`: not to be kept.
    fn identity(&self, key: &ChunkKey) -> Option<Arc<[u8]>> {
        let mut identity = key.object.identity()?;
        identity.extend_from_slice(&key.index.to_le_bytes());
        identity.extend_from_slice(self.store.as_bytes());
        Some(identity.into())
    }
}

type Entry = Result<Bytes, Failure>;

#[derive(Clone)]
struct ByBytes;

impl Weighter<ChunkKey, Entry> for ByBytes {
    fn weight(&self, _: &ChunkKey, entry: &Entry) -> u64 {
        entry.as_ref().map_or(0, |bytes| bytes.len() as u64) + OVERHEAD
    }
}

type Memory = Cache<ChunkKey, Entry, ByBytes, DefaultHashBuilder, DefaultLifecycle<ChunkKey, Entry>>;

/// Fetches chunks, and keeps what there is room for.
pub(crate) struct Chunks {
    /// `None`: nothing is kept, and every reader fetches for itself.
    memory: Option<Memory>,
    disk: Option<Disk>,
    /// All chunks there are: in the cache, in readers' hands, and on their way.
    budget: Budget,
    limit: u64,
    versions: Versions,
    counters: Arc<Counters>,
}

impl Chunks {
    /// Keeps at most `cache` bytes. Chunks that are being read may take `buffers` bytes more.
    pub(crate) fn new(cache: u64, buffers: u64, disk: Option<Disk>, counters: Arc<Counters>) -> Self {
        let limit = cache.saturating_add(buffers);
        Self { memory: memory(cache), disk, budget: Budget::new(limit), limit, versions: Versions::default(), counters }
    }

    pub(crate) fn disk(&self) -> Option<&DiskCache> {
        self.disk.as_ref().map(|disk| &disk.cache)
    }

    /// The bytes of all chunks there are.
    pub(crate) fn used(&self) -> u64 {
        self.budget.used()
    }

    /// Whether there is room enough to fetch what is not needed yet.
    pub(crate) fn is_roomy(&self) -> bool {
        self.budget.used() < self.limit / 4 * 3
    }

    /// A chunk that is in memory.
    pub(crate) fn get(&self, key: &ChunkKey) -> Option<Bytes> {
        let bytes = self.memory.as_ref()?.get(key)?.ok()?;
        self.counters.chunks_from_memory.add(1);
        Some(bytes)
    }

    /// A chunk from wherever it is. Those who ask at the same time share one request.
    ///
    /// # Errors
    ///
    /// [`Failure::NoRoom`] if no more chunks may be in memory: read less then, with [`read_part`](Self::read_part).
    pub(crate) async fn fetch(&self, store: &dyn ObjectStore, key: &ChunkKey) -> Result<Bytes, Failure> {
        let Some(memory) = &self.memory else { return self.load(store, key).await };
        match memory.get_value_or_guard_async(key).await {
            Ok(entry) => {
                self.counters.chunks_from_memory.add(1);
                entry
            }
            Err(guard) => {
                let entry = self.load(store, key).await;
                let failed = entry.is_err();
                let _ = guard.insert(entry.clone());
                if failed {
                    // For those alone who have waited for it.
                    memory.remove_if(key, Result::is_err);
                }
                entry
            }
        }
    }

    async fn load(&self, store: &dyn ObjectStore, key: &ChunkKey) -> Result<Bytes, Failure> {
        let range = key.range();
        let mut reservation = self.budget.reservation();
        if !reservation.grow(range.end - range.start) {
            return Err(Failure::NoRoom);
        }
        let disk = self.on_disk(key);
        if let Some((cache, identity)) = &disk
            && let Some(bytes) = cache.get(identity, len(&range), 0..len(&range)).await
        {
            self.counters.chunks_from_disk.add(1);
            return Ok(reservation.attach(bytes));
        }
        self.counters.chunks_fetched.add(1);
        let bytes = reservation.attach(self.read(store, &key.object, range).await?);
        if let Some((cache, identity)) = disk {
            cache.keep(identity, bytes.clone());
        }
        Ok(bytes)
    }

    /// Where a chunk is on disk, or would be.
    fn on_disk(&self, key: &ChunkKey) -> Option<(&DiskCache, Arc<[u8]>)> {
        self.disk.as_ref().and_then(|disk| Some((&disk.cache, disk.identity(key)?)))
    }

    /// Reads a part of a chunk for one reader alone, past the cache in memory.
    pub(crate) async fn read_part(
        &self,
        store: &dyn ObjectStore,
        key: &ChunkKey,
        part: Range<u64>,
    ) -> Result<Vec<u8>, Failure> {
        if let Some((cache, identity)) = self.on_disk(key) {
            let chunk = key.range();
            let inside = len(&(chunk.start..part.start))..len(&(chunk.start..part.end));
            if let Some(bytes) = cache.get(&identity, len(&chunk), inside).await {
                return Ok(bytes);
            }
        }
        self.read(store, &key.object, part).await
    }

    async fn read(&self, store: &dyn ObjectStore, object: &Object, range: Range<u64>) -> Result<Vec<u8>, Failure> {
        let bytes = object.read(store, range, &self.versions).await?;
        self.counters.bytes_fetched.add(bytes.len() as u64);
        Ok(bytes)
    }
}

fn len(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

fn memory(bytes: u64) -> Option<Memory> {
    if bytes == 0 {
        return None;
    }
    let items = usize::try_from(bytes / CHUNK).unwrap_or(usize::MAX).clamp(16, 1 << 20);
    // One shard: the capacity of each is a part of the whole, and a large file could miss a cache it would fit into.
    let options =
        OptionsBuilder::new().shards(1).estimated_items_capacity(items).weight_capacity(bytes).build().ok()?;
    Some(Cache::with_options(options, ByBytes, DefaultHashBuilder::default(), DefaultLifecycle::default()))
}
