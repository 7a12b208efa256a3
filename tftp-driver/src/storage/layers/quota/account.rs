//! What is kept, and what is reserved of the rest.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::lock::Mutex as AsyncMutex;

use crate::storage::{Context, StorageError, Usage};

/// How long a measurement counts: uploads that are refused must not keep the disk busy.
const FRESH: Duration = Duration::from_secs(10);

type Measure = Arc<dyn Fn() -> Usage + Send + Sync>;

/// The accounts of all uploads of one layer.
pub(super) struct Account {
    state: Mutex<State>,
    /// Held while measuring; when that was done the last time.
    measured: AsyncMutex<Option<Instant>>,
}

struct State {
    limits: Usage,
    used: Usage,
    reserved: Usage,
    measure: Option<Measure>,
    /// Counts the beginnings and the ends of measurements.
    generation: u64,
    /// What was added since a measurement began that is going on: it may have missed it.
    added: Usage,
}

impl Account {
    pub(super) fn new(used: Usage) -> Self {
        let limits = Usage { bytes: u64::MAX, files: u64::MAX };
        let (reserved, added) = (Usage::default(), Usage::default());
        let state = State { limits, used, reserved, measure: None, generation: 0, added };
        Self { state: Mutex::new(state), measured: AsyncMutex::new(None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change to the state can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limit(&self, set: impl FnOnce(&mut Usage)) {
        set(&mut self.state().limits);
    }

    pub(super) fn measure_by(&self, measure: Measure) {
        self.state().measure = Some(measure);
    }

    pub(super) fn used(&self) -> Usage {
        let state = self.state();
        Usage {
            bytes: state.used.bytes.saturating_add(state.reserved.bytes),
            files: state.used.files.saturating_add(state.reserved.files),
        }
    }

    /// Which limit is in the way of what an upload needs more.
    pub(super) fn exceeded(&self, needs: Usage) -> StorageError {
        let state = self.state();
        let (limits, used) = (state.limits, state.used);
        let needs = match (needs.bytes, needs.files) {
            (1, 0) => "1 byte".to_owned(),
            (bytes, 0) => format!("{bytes} bytes"),
            (0, _) => "a file".to_owned(),
            (1, _) => "1 byte and a file".to_owned(),
            (bytes, _) => format!("{bytes} bytes and a file"),
        };
        StorageError::QuotaExceeded(
            format!(
                "{} of {} bytes and {} of {} files are kept, and it needs {needs} more",
                used.bytes,
                shown(limits.bytes),
                used.files,
                shown(limits.files)
            )
            .into(),
        )
    }

    /// What an upload of `size` bytes adds to what is kept.
    pub(super) fn needed(existing: Option<u64>, size: u64) -> Usage {
        Usage { bytes: size.saturating_sub(existing.unwrap_or(0)), files: u64::from(existing.is_none()) }
    }

    /// Makes room for an upload that announces `size` bytes, or 0. `existing` is the size of what it replaces.
    pub(super) fn reserve(self: &Arc<Self>, existing: Option<u64>, size: u64) -> Option<Reservation> {
        let mut state = self.state();
        let Usage { bytes, files } = Self::needed(existing, size);
        if !state.fits(bytes, files) {
            return None;
        }
        state.reserved.files += files;
        // The size is a promise that need not be kept: bytes are reserved as they come.
        Some(Reservation { account: Arc::clone(self), existing: existing.unwrap_or(0), files, bytes: 0, end: 0 })
    }

    /// Finds out what is there, unless that was done just now.
    pub(super) async fn measure(&self, cx: &Context) {
        let Some(measure) = self.state().measure.clone() else { return };
        let mut measured = self.measured.lock().await;
        if measured.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        {
            let mut state = self.state();
            state.generation += 1;
            state.added = Usage::default();
        }
        let result = cx.run(move || measure()).await;
        let mut state = self.state();
        state.generation += 1;
        if let Ok(found) = result {
            state.used = Usage {
                bytes: found.bytes.saturating_add(state.added.bytes),
                files: found.files.saturating_add(state.added.files),
            };
        }
        *measured = Some(Instant::now());
    }
}

impl State {
    fn fits(&self, bytes: u64, files: u64) -> bool {
        let within = |used: u64, reserved: u64, wanted: u64, limit: u64| {
            // Nothing more always fits: what is there may be above the limit already.
            wanted == 0 || used.saturating_add(reserved).checked_add(wanted).is_some_and(|sum| sum <= limit)
        };
        within(self.used.bytes, self.reserved.bytes, bytes, self.limits.bytes)
            && within(self.used.files, self.reserved.files, files, self.limits.files)
    }
}

fn shown(limit: u64) -> String {
    if limit == u64::MAX { "any number of".to_owned() } else { limit.to_string() }
}

/// What an upload in progress needs. Given back on drop.
pub(super) struct Reservation {
    account: Arc<Account>,
    /// The size of what it replaces.
    existing: u64,
    files: u64,
    /// Reserved: what it is larger than `existing`.
    bytes: u64,
    end: u64,
}

impl Reservation {
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Why there is no room for an upload of `end` bytes in all.
    pub(super) fn exceeded(&self, end: u64) -> StorageError {
        self.account.exceeded(Usage { bytes: end.saturating_sub(self.existing), files: self.files })
    }

    /// Makes room for an upload of `end` bytes in all; true if there is.
    pub(super) fn grow_to(&mut self, end: u64) -> bool {
        let wanted = end.saturating_sub(self.existing).saturating_sub(self.bytes);
        if wanted > 0 {
            let mut state = self.account.state();
            if !state.fits(wanted, 0) {
                return false;
            }
            state.reserved.bytes += wanted;
            self.bytes += wanted;
        }
        self.end = self.end.max(end);
        true
    }

    /// The upload is being committed. Unless it is said to have failed, it counts as kept from now on.
    pub(super) fn commit(self) -> Committing {
        let generation = self.account.state().generation;
        Committing { reservation: self, generation, failed: false }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.account.state();
        state.reserved.bytes -= self.bytes;
        state.reserved.files -= self.files;
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).field("files", &self.files).finish_non_exhaustive()
    }
}

/// An upload that is becoming a file.
pub(super) struct Committing {
    reservation: Reservation,
    generation: u64,
    failed: bool,
}

impl Committing {
    pub(super) fn ended(mut self, kept: bool) {
        self.failed = !kept;
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        let Reservation { account, existing, files, bytes, end } = &self.reservation;
        if self.failed {
            return;
        }
        let mut state = account.state();
        // Measured in between, it may be counted already, or what it replaced still: never too little.
        let freed = if state.generation == self.generation { existing.saturating_sub(*end) } else { 0 };
        state.used.bytes = state.used.bytes.saturating_add(*bytes).saturating_sub(freed);
        state.used.files = state.used.files.saturating_add(*files);
        state.added.bytes = state.added.bytes.saturating_add(*bytes);
        state.added.files = state.added.files.saturating_add(*files);
    }
}
