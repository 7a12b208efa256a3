//! Memory that is taken many pages at a time: the system is entered once for each new page otherwise, which costs about
//! as much as filling it.

use memmap2::{Advice, MmapMut};

use crate::storage::{Budget, Reservation};

/// As much is taken at a time, in bytes. Twice as much is hardly faster, and the event loop waits meanwhile.
const STEP: usize = 256 << 10;

/// Bytes in a place of their own that is as large as they will be. Only what was taken is memory.
pub(super) struct Pages {
    map: MmapMut,
    len: usize,
    // Stands for all of the place: systems that promise no more memory than they have count it.
    _place: Reservation,
}

impl Pages {
    /// How much has to have come before a place is made for the rest, for an announcement alone is worth nothing.
    pub(super) const FROM: usize = 2 * STEP;

    /// The size, if a place of its own is of use for that much.
    pub(super) fn worth(size: u64) -> Option<usize> {
        usize::try_from(size).ok().filter(|&size| size >= 2 * Self::FROM)
    }

    /// A place for as many bytes, if there is one. No memory is taken yet.
    pub(super) fn new(capacity: usize, places: &Budget) -> Option<Self> {
        let mut place = places.reservation();
        let map = if place.grow(capacity as u64) { MmapMut::map_anon(capacity).ok()? } else { return None };
        Some(Self { map, len: 0, _place: place })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn capacity(&self) -> usize {
        self.map.len()
    }

    /// How much is best taken for the first `end` bytes.
    pub(super) fn best(&self, end: usize) -> usize {
        end.next_multiple_of(STEP).min(self.capacity())
    }

    /// Takes the memory `from..to` now. Otherwise it is taken page by page when it is filled.
    pub(super) fn take(&self, from: usize, to: usize) {
        // Linux knows this since 5.14.
        let _ = self.map.advise_range(Advice::PopulateWrite, from, to.saturating_sub(from));
    }

    /// Puts `more` at the end, which there must be room for.
    pub(super) fn append(&mut self, more: &[u8]) {
        let end = self.len + more.len();
        self.map[self.len..end].copy_from_slice(more);
        self.len = end;
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        &self.map[..self.len]
    }
}
