//! One writer per name.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Owner, StorageError};

/// The names that are being written, and by whom. Each storage holds one instance; clones share it.
///
/// A key is a *resolved* name, whatever identifies the file however it was spelled.
#[derive(Debug)]
pub struct Claims<K: Eq + Hash> {
    held: Arc<Mutex<HashMap<K, Owner>>>,
}

impl<K: Eq + Hash + Clone> Claims<K> {
    /// No name is claimed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Claims `key` for `owner` until the claim is dropped.
    ///
    /// # Errors
    ///
    /// [`StorageError::Busy`] with the owner that has it. Asking twice for the same owner is `Busy` too.
    pub fn take(&self, key: K, owner: Owner) -> Result<Claim<K>, StorageError> {
        match lock(&self.held).entry(key.clone()) {
            Entry::Occupied(held) => Err(StorageError::Busy { owner: *held.get() }),
            Entry::Vacant(free) => {
                free.insert(owner);
                Ok(Claim { key, held: Arc::clone(&self.held) })
            }
        }
    }

    /// How many names are claimed.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.held).len()
    }

    /// Whether no name is claimed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash> Default for Claims<K> {
    fn default() -> Self {
        Self { held: Arc::new(Mutex::new(HashMap::new())) }
    }
}

impl<K: Eq + Hash> Clone for Claims<K> {
    fn clone(&self) -> Self {
        Self { held: Arc::clone(&self.held) }
    }
}

/// The right to write one name; dropping it gives the name back.
#[derive(Debug)]
pub struct Claim<K: Eq + Hash> {
    key: K,
    held: Arc<Mutex<HashMap<K, Owner>>>,
}

impl<K: Eq + Hash> Claim<K> {
    /// The name that is claimed.
    pub fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash> Drop for Claim<K> {
    fn drop(&mut self) {
        lock(&self.held).remove(&self.key);
    }
}

/// The map is never left half-changed, so a panic elsewhere while it was locked does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_writer_is_told_the_first_owner() {
        let claims = Claims::new();
        let first = claims.take("a", Owner(1)).unwrap();
        assert_eq!(*first.key(), "a");
        assert!(matches!(claims.take("a", Owner(2)), Err(StorageError::Busy { owner: Owner(1) })));
        assert!(matches!(claims.take("a", Owner(1)), Err(StorageError::Busy { owner: Owner(1) })));
        assert!(claims.take("b", Owner(2)).is_ok());
        drop(first);
        assert!(claims.take("a", Owner(2)).is_ok());
        assert!(claims.is_empty());
    }

    #[test]
    fn clones_share_the_claims() {
        let claims = Claims::new();
        let _held = claims.clone().take(7, Owner(1)).unwrap();
        assert_eq!(claims.len(), 1);
        assert!(claims.take(7, Owner(2)).is_err());
    }

    #[test]
    fn of_many_threads_one_wins_at_a_time() {
        let claims = Claims::new();
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for owner in 0..4 {
                let (claims, inside) = (&claims, &inside);
                scope.spawn(move || {
                    for _ in 0..1000 {
                        if let Ok(_claim) = claims.take((), Owner(owner)) {
                            use std::sync::atomic::Ordering::SeqCst;
                            assert_eq!(inside.fetch_add(1, SeqCst), 0);
                            inside.fetch_sub(1, SeqCst);
                        }
                    }
                });
            }
        });
        assert!(claims.is_empty());
    }
}
