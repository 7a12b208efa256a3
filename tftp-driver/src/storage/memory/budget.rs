//! How many bytes may be held, and by whom they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// A number of bytes that reservations share.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: u64,
    used: AtomicU64,
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
pub(super) struct Reservation {
    account: Arc<Account>,
    bytes: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self(Arc::new(Account { limit, used: AtomicU64::new(0) }))
    }

    pub(super) fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// A reservation of nothing, yet.
    pub(super) fn reservation(&self) -> Reservation {
        Reservation { account: Arc::clone(&self.0), bytes: 0 }
    }
}

impl Reservation {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `bytes` more, all or nothing.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let Account { limit, ref used } = *self.account;
        let grown = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&used| used <= limit)
        });
        if grown.is_ok() {
            self.bytes += bytes;
        }
        grown.is_ok()
    }

    /// Gives back all but `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        let excess = self.bytes.saturating_sub(bytes);
        self.account.used.fetch_sub(excess, Ordering::Relaxed);
        self.bytes -= excess;
    }

    /// The data, holding this reservation until its last clone and slice are gone.
    pub(super) fn attach(self, data: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held { data, _reservation: self })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

struct Held<D> {
    data: D,
    _reservation: Reservation,
}

impl<D: AsRef<[u8]>> AsRef<[u8]> for Held<D> {
    fn as_ref(&self) -> &[u8] {
        self.data.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_nothing() {
        let budget = Budget::new(10);
        let mut a = budget.reservation();
        let mut b = budget.reservation();
        assert!(a.grow(6));
        assert!(!b.grow(5));
        assert!(!b.grow(u64::MAX));
        assert!(b.grow(4));
        assert_eq!(budget.used(), 10);
        a.shrink_to(1);
        assert_eq!(budget.used(), 5);
        drop((a, b));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn held_until_the_last_slice_is_gone() {
        let budget = Budget::new(10);
        let mut reservation = budget.reservation();
        assert!(reservation.grow(4));
        let data = reservation.attach(vec![1, 2, 3, 4]);
        let slice = data.slice(1..2);
        drop(data);
        assert_eq!(budget.used(), 4);
        drop(slice);
        assert_eq!(budget.used(), 0);
    }
}
