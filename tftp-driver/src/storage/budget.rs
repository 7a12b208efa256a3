//! How many bytes may be held, and by whom they are.
//!
//! For back ends that keep content in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

/// A number of bytes that reservations share. Clones share it, too.
///
/// ```
/// use tftp_driver::storage::Budget;
///
/// let budget = Budget::new(100);
/// let mut reservation = budget.reservation();
/// assert!(reservation.grow(5));
/// let data = reservation.attach(*b"hello");
/// assert_eq!(budget.used(), 5);
/// drop(data);
/// assert_eq!(budget.used(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: u64,
    used: AtomicU64,
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    bytes: u64,
}

impl Budget {
    /// Nothing of `limit` bytes is in use.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self(Arc::new(Account { limit, used: AtomicU64::new(0) }))
    }

    /// The bytes in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// A reservation of nothing, yet.
    #[must_use]
    pub fn reservation(&self) -> Reservation {
        Reservation { account: Arc::clone(&self.0), bytes: 0 }
    }
}

impl Reservation {
    /// The bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `bytes` more, all or nothing, and says whether it did.
    #[must_use]
    pub fn grow(&mut self, bytes: u64) -> bool {
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
    pub fn shrink_to(&mut self, bytes: u64) {
        let excess = self.bytes.saturating_sub(bytes);
        self.account.used.fetch_sub(excess, Ordering::Relaxed);
        self.bytes -= excess;
    }

    /// The data, holding this reservation until its last clone and slice are gone.
    #[must_use]
    pub fn attach(self, data: impl AsRef<[u8]> + Send + 'static) -> Bytes {
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
