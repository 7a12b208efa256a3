//! What readers, writers and the storage itself share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::ObjectStore;
use tftp_driver::storage::{Claims, WritePolicy};
use tokio::sync::Semaphore;

use crate::chunks::Chunks;
use crate::executor::Executor;
use crate::heads::Heads;
use crate::keys::Keys;
use crate::run::Run;
use crate::stats::Counters;
use crate::stores::Stores;

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) readable: bool,
    pub(crate) policy: WritePolicy,
    pub(crate) cache_bytes: u64,
    pub(crate) read_buffers: u64,
    pub(crate) write_buffers: u64,
    pub(crate) fresh_for: Duration,
    pub(crate) leftovers_after: Duration,
}

pub(crate) struct Shared {
    pub(crate) executor: Executor,
    pub(crate) stores: Stores,
    pub(crate) keys: Keys,
    pub(crate) settings: Settings,
    pub(crate) run: Run,
    pub(crate) heads: Heads,
    pub(crate) chunks: Chunks,
    /// Permits for whole parts of uploads.
    pub(crate) parts: Arc<Semaphore>,
    /// By key.
    pub(crate) claims: Claims<String>,
    pub(crate) counters: Arc<Counters>,
    /// Which of the ways to copy without replacing the store honours.
    pub(crate) honoured: OnceLock<usize>,
}

impl Shared {
    /// The client that copies without replacing.
    pub(crate) fn create_copy(&self) -> &Arc<dyn ObjectStore> {
        let honoured = self.honoured.get().copied().unwrap_or(0);
        self.stores.copies.get(honoured).unwrap_or(&self.stores.patient)
    }
}
