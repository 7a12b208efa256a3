//! Files in memory.

mod growing;
#[cfg(target_os = "linux")]
mod pages;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::names::{canonical, fold};
use super::{
    Budget, BytesReader, Claims, Context, ReadRequest, Storage, StorageError, Usage, WritePolicy, WriteRequest,
};
pub use writer::MemoryWriter;

/// Bounded storage in memory, gone when the last clone is. Clones share the files.
///
/// Names have no meaning beyond their canonical spelling: leading `/` are dropped, `\` is `/`, `./a//b` is `a/b`, and
/// `..` is refused.
///
/// ```
/// use tftp_driver::storage::{Memory, WritePolicy};
///
/// let memory = Memory::builder().max_bytes(64 << 20).write_policy(WritePolicy::ANY).build();
/// memory.insert("boot/menu", "default linux\n").unwrap();
/// assert_eq!(memory.get("/boot/menu").unwrap(), "default linux\n");
/// ```
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    settings: MemoryBuilder,
    budget: Budget,
    /// What is set aside for uploads on the strength of their announcements.
    places: Budget,
    claims: Claims<Vec<u8>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<Vec<u8>, Bytes>,
    /// Uploads in progress of names that did not exist when they began: each will be one more file.
    arriving: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No change to the state can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of a client's request, as it is spelled here if it is here.
    fn resolve(&self, name: &[u8]) -> Result<Vec<u8>, StorageError> {
        let name = canonical(name)?;
        if !self.settings.ignore_case {
            return Ok(name);
        }
        let state = self.state();
        if state.files.contains_key(&name) {
            return Ok(name);
        }
        let folded = fold(&name);
        let found = state.files.keys().find(|other| fold(other) == folded);
        Ok(found.unwrap_or(&name).clone())
    }

    /// What two uploads must not share: all spellings of a name where their case is not minded.
    fn claimed(&self, name: &[u8]) -> Vec<u8> {
        if self.settings.ignore_case { fold(name) } else { name.to_vec() }
    }
}

/// Settings of a [`Memory`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MemoryBuilder {
    max_bytes: u64,
    max_files: usize,
    readable: bool,
    policy: WritePolicy,
    ignore_case: bool,
}

impl MemoryBuilder {
    /// The most bytes to hold: files, uploads in progress, and old versions that are still being read. 256 MiB by
    /// default.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The most files to hold, uploads in progress included. 4096 by default.
    pub fn max_files(mut self, files: usize) -> Self {
        self.max_files = files;
        self
    }

    /// Which uploads to accept. New files only by default: [`WritePolicy::CREATE`].
    pub fn write_policy(mut self, policy: WritePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Whether files may be read. They may by default; a drop box is `readable(false)`.
    pub fn readable(mut self, readable: bool) -> Self {
        self.readable = readable;
        self
    }

    /// Whether a name that is not there as it is spelled may be one that differs in case: of several the first in the
    /// order of their bytes. It may not by default. Uploads follow the same rule.
    pub fn ignore_case(mut self, ignore: bool) -> Self {
        self.ignore_case = ignore;
        self
    }

    /// Empty storage with these settings.
    #[must_use]
    pub fn build(self) -> Memory {
        let shared = Shared {
            budget: Budget::new(self.max_bytes),
            places: Budget::new(self.max_bytes),
            claims: Claims::new(),
            state: Mutex::default(),
            settings: self,
        };
        Memory { shared: Arc::new(shared) }
    }
}

impl Memory {
    /// Empty storage with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings to build one from.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder {
            max_bytes: 256 << 20,
            max_files: 4096,
            readable: true,
            policy: WritePolicy::CREATE,
            ignore_case: false,
        }
    }

    /// Puts a file there, replacing one of that name. The write policy is for clients and does not apply.
    ///
    /// # Errors
    ///
    /// [`StorageError::Full`] and [`StorageError::InvalidName`].
    pub fn insert(&self, name: impl AsRef<[u8]>, data: impl Into<Bytes>) -> Result<(), StorageError> {
        let name = canonical(name.as_ref())?;
        let data = data.into();
        let mut reservation = self.shared.budget.reservation();
        if !reservation.grow(data.len() as u64) {
            return Err(StorageError::Full);
        }
        let data = reservation.attach(data);
        let mut state = self.shared.state();
        if !state.files.contains_key(&name) && state.files.len() + state.arriving >= self.shared.settings.max_files {
            return Err(StorageError::Full);
        }
        let old = state.files.insert(name, data);
        drop(state);
        drop(old); // Freeing a large file needs no lock.
        Ok(())
    }

    /// The content of a file. What is returned counts against the limit until it is dropped.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<Bytes> {
        let name = canonical(name.as_ref()).ok()?;
        self.shared.state().files.get(&name).cloned()
    }

    /// Takes a file out. Transfers that read it go on.
    #[allow(clippy::must_use_candidate)]
    pub fn remove(&self, name: impl AsRef<[u8]>) -> Option<Bytes> {
        let name = canonical(name.as_ref()).ok()?;
        self.shared.state().files.remove(&name)
    }

    /// The canonical names in order, with the sizes in bytes.
    #[must_use]
    pub fn list(&self) -> Vec<(Vec<u8>, u64)> {
        self.shared.state().files.iter().map(|(name, data)| (name.clone(), data.len() as u64)).collect()
    }

    /// The files that are there: what a [`Quota`](super::layers::Quota) counts.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let state = self.shared.state();
        let bytes = state.files.values().map(|data| data.len() as u64).sum();
        Usage { bytes, files: state.files.len() as u64 }
    }

    /// The bytes in use: files, uploads in progress, and old versions that are still being read.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.budget.used()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("settings", &self.shared.settings)
            .field("used_bytes", &self.used_bytes())
            .finish_non_exhaustive()
    }
}

impl Storage for Memory {
    type Reader = BytesReader;
    type Writer = MemoryWriter;

    async fn open_read(&self, request: &ReadRequest, _: &Context) -> Result<BytesReader, StorageError> {
        if !self.shared.settings.readable {
            return Err(StorageError::denied("reading is not allowed"));
        }
        let name = self.shared.resolve(&request.name)?;
        self.shared.state().files.get(&name).cloned().map(BytesReader::new).ok_or(StorageError::NotFound)
    }

    async fn open_write(&self, request: &WriteRequest, _: &Context) -> Result<MemoryWriter, StorageError> {
        let settings = &self.shared.settings;
        settings.policy.check_request(request)?;
        if request.size.is_some_and(|size| size > settings.max_bytes) {
            return Err(StorageError::Full);
        }
        // Claimed before it is resolved: what an upload is about to make must not be missed.
        let claim = self.shared.claims.take(self.shared.claimed(&canonical(&request.name)?), request.owner)?;
        let name = self.shared.resolve(&request.name)?;
        MemoryWriter::open(Arc::clone(&self.shared), name, request.size, claim)
    }
}
