//! Chunks of files that several readers want.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Which file version, and which chunk of it.
pub(super) type ChunkKey = (u64, u64);

/// A cache bounded by bytes. The oldest chunk goes first, unless it was used since it was last considered.
#[derive(Debug)]
pub(super) struct ChunkCache {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: HashMap<ChunkKey, Chunk>,
    /// The keys of `chunks`, each once, in the order they are considered for removal.
    order: VecDeque<ChunkKey>,
    bytes: usize,
}

#[derive(Debug)]
struct Chunk {
    data: Bytes,
    used: bool,
}

impl ChunkCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default() }
    }

    pub(super) fn get(&self, key: ChunkKey) -> Option<Bytes> {
        self.state().chunks.get_mut(&key).map(|chunk| {
            chunk.used = true;
            chunk.data.clone()
        })
    }

    pub(super) fn insert(&self, key: ChunkKey, data: Bytes) {
        if data.len() > self.capacity {
            return;
        }
        let mut state = self.state();
        // Two readers may have read the same chunk at the same time.
        if let Entry::Vacant(place) = state.chunks.entry(key) {
            let len = data.len();
            place.insert(Chunk { data, used: false });
            state.order.push_back(key);
            state.bytes += len;
            state.evict(self.capacity);
        }
    }

    /// Drops every chunk of a version.
    pub(super) fn forget(&self, version: u64) {
        let mut state = self.state();
        let State { chunks, order, bytes } = &mut *state;
        order.retain(|key| key.0 != version);
        chunks.retain(|key, chunk| {
            let keep = key.0 != version;
            if !keep {
                *bytes -= chunk.data.len();
            }
            keep
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn evict(&mut self, capacity: usize) {
        while self.bytes > capacity {
            let Some(key) = self.order.pop_front() else { return };
            let Entry::Occupied(mut entry) = self.chunks.entry(key) else { continue };
            if std::mem::take(&mut entry.get_mut().used) {
                self.order.push_back(key);
            } else {
                self.bytes -= entry.remove().data.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(len: usize) -> Bytes {
        vec![0; len].into()
    }

    #[test]
    fn bounded_and_kind_to_what_is_used() {
        let cache = ChunkCache::new(30);
        for index in 0..3 {
            cache.insert((1, index), chunk(10));
        }
        assert!(cache.get((1, 0)).is_some());
        cache.insert((1, 3), chunk(10));
        assert!(cache.get((1, 0)).is_some(), "used");
        assert!(cache.get((1, 1)).is_none(), "the oldest that was not used");
        assert!(cache.state().bytes <= 30);
    }

    #[test]
    fn all_used_still_evicts() {
        let cache = ChunkCache::new(20);
        for index in 0..100 {
            cache.insert((1, index), chunk(10));
            cache.get((1, index));
            let state = cache.state();
            assert!(state.bytes <= 20);
            assert_eq!(state.order.len(), state.chunks.len());
        }
    }

    #[test]
    fn too_large_is_not_kept_and_twice_counts_once() {
        let cache = ChunkCache::new(20);
        cache.insert((1, 0), chunk(21));
        assert!(cache.get((1, 0)).is_none());
        cache.insert((1, 1), chunk(10));
        cache.insert((1, 1), chunk(10));
        assert_eq!(cache.state().bytes, 10);
        ChunkCache::new(0).insert((1, 1), chunk(1));
    }

    #[test]
    fn forgetting_a_version_leaves_the_others() {
        let cache = ChunkCache::new(100);
        cache.insert((1, 0), chunk(10));
        cache.insert((2, 0), chunk(10));
        cache.forget(1);
        assert!(cache.get((1, 0)).is_none());
        assert!(cache.get((2, 0)).is_some());
        let state = cache.state();
        assert_eq!((state.bytes, state.order.len()), (10, 1));
    }
}
