//! Pieces of objects, shared by everybody who reads them.

use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tftp_driver::storage::Budget;

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
    pub(crate) fn range(&self) -> std::ops::Range<u64> {
        let start = self.index.saturating_mul(CHUNK);
        self.object.clamp(start..start.saturating_add(CHUNK))
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
    /// All chunks there are: in the cache, in readers' hands, and on their way.
    budget: Budget,
    limit: u64,
    versions: Versions,
    counters: Arc<Counters>,
}

impl Chunks {
    /// Keeps at most `cache` bytes. Chunks that are being read may take `buffers` bytes more.
    pub(crate) fn new(cache: u64, buffers: u64, counters: Arc<Counters>) -> Self {
        let limit = cache.saturating_add(buffers);
        Self { memory: memory(cache), budget: Budget::new(limit), limit, versions: Versions::default(), counters }
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
    /// [`Failure::NoRoom`] if no more chunks may be in memory: read less then, with [`read`](Self::read).
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
        self.counters.chunks_fetched.add(1);
        self.read(store, &key.object, range).await.map(|bytes| reservation.attach(bytes))
    }

    /// Reads a range past the cache.
    pub(crate) async fn read(
        &self,
        store: &dyn ObjectStore,
        object: &Object,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, Failure> {
        let bytes = object.read(store, range, &self.versions).await?;
        self.counters.bytes_fetched.add(bytes.len() as u64);
        Ok(bytes)
    }
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
