//! Limits that several endpoints can share.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Limits on what a server takes on, shared by the endpoints of one server.
///
/// At a limit a request is dropped in silence: boot ROMs give up on an ERROR but repeat an unanswered request.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    transfers: AtomicUsize,
    opening: AtomicUsize,
}

/// The limits of an [`Admission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at once. Default 20,000.
    pub transfers: usize,
    /// Files being opened at once. Default 20,000.
    pub opening: usize,
    /// Transfers at once from one network: an IPv4 address or an IPv6 /64. Default 20,000: a whole site may boot
    /// through one relay.
    pub per_network: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { transfers: 20_000, opening: 20_000, per_network: 20_000 }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Admission {
    /// An admission with these limits and nothing admitted.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, transfers: AtomicUsize::new(0), opening: AtomicUsize::new(0) }
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Transfers admitted now.
    #[must_use]
    pub fn transfers(&self) -> usize {
        self.transfers.load(Ordering::Relaxed)
    }

    pub(super) fn take_transfer(&self) -> bool {
        take(&self.transfers, self.limits.transfers)
    }

    pub(super) fn release_transfer(&self) {
        self.transfers.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn take_opening(&self) -> bool {
        take(&self.opening, self.limits.opening)
    }

    pub(super) fn release_opening(&self) {
        self.opening.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts one up unless the limit is reached.
fn take(count: &AtomicUsize, limit: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < limit).then(|| count + 1)).is_ok()
}
