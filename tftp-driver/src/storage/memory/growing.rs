//! The bytes of an upload as they come, and the room that was made for more.

use bytes::Bytes;

#[cfg(target_os = "linux")]
use super::pages::Pages;
use crate::storage::{Budget, Reservation, StorageError};

/// The least room an upload grows by, in bytes, while there is room.
const STEP: u64 = 16 * 1024;

/// Bytes that grow at their end, with a reservation for whatever memory they take.
pub(super) struct Growing {
    bytes: Held,
    /// Stands for the room that was made, not for the length.
    reservation: Reservation,
    /// The size of the place that is to be made for it, and what it counts against.
    #[cfg(target_os = "linux")]
    place: Option<(usize, Budget)>,
}

enum Held {
    Heap(Vec<u8>),
    #[cfg(target_os = "linux")]
    Pages(Pages),
}

impl Growing {
    /// Nothing yet. `announced`: how many bytes will come, if somebody said so; it need not be true. `places` bounds what
    /// is set aside on the strength of that.
    #[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
    pub(super) fn new(reservation: Reservation, announced: Option<u64>, places: &Budget) -> Self {
        Self {
            bytes: Held::Heap(Vec::new()),
            reservation,
            #[cfg(target_os = "linux")]
            place: announced.and_then(Pages::worth).map(|size| (size, places.clone())),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.bytes {
            Held::Heap(heap) => heap.len(),
            #[cfg(target_os = "linux")]
            Held::Pages(pages) => pages.len(),
        }
    }

    /// Puts `more` at the end. After a failure nothing has changed but the room there is.
    pub(super) fn append(&mut self, more: &[u8]) -> Result<(), StorageError> {
        self.make_room(self.len() + more.len())?;
        match &mut self.bytes {
            Held::Heap(heap) => heap.extend_from_slice(more),
            #[cfg(target_os = "linux")]
            Held::Pages(pages) => pages.append(more),
        }
        Ok(())
    }

    /// Room for `end` bytes in all, reserved before it is made.
    fn make_room(&mut self, end: usize) -> Result<(), StorageError> {
        let have = self.reservation.bytes();
        if end as u64 <= have {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        self.choose(end)?;
        let needed = end as u64 - have;
        let generous = match &self.bytes {
            // By half, so that a large upload is moved seldom.
            Held::Heap(_) => (have / 2).max(STEP).max(needed),
            #[cfg(target_os = "linux")]
            Held::Pages(pages) => pages.best(end) as u64 - have,
        };
        // By what is needed where the room is tight.
        if !self.reservation.grow(generous) && !self.reservation.grow(needed) {
            return Err(StorageError::Full);
        }
        let room = usize::try_from(self.reservation.bytes()).map_err(|_| StorageError::Full)?;
        match &mut self.bytes {
            Held::Heap(heap) => heap.try_reserve_exact(room - heap.len()).map_err(|_| StorageError::Full),
            #[cfg(target_os = "linux")]
            Held::Pages(pages) => {
                pages.take(have as usize, room);
                Ok(())
            }
        }
    }

    /// From the heap into a place of its own once enough has come, and back if more comes than was announced.
    #[cfg(target_os = "linux")]
    fn choose(&mut self, end: usize) -> Result<(), StorageError> {
        match &self.bytes {
            Held::Heap(heap) if end > Pages::FROM => {
                let place = self.place.take().filter(|&(size, _)| end <= size);
                if let Some(mut pages) = place.and_then(|(size, places)| Pages::new(size, &places)) {
                    pages.take(0, heap.len());
                    pages.append(heap);
                    self.bytes = Held::Pages(pages);
                }
            }
            Held::Pages(pages) if end > pages.capacity() => {
                let mut heap = Vec::new();
                heap.try_reserve_exact(end).map_err(|_| StorageError::Full)?;
                heap.extend_from_slice(pages.as_ref());
                self.bytes = Held::Heap(heap);
            }
            Held::Heap(_) | Held::Pages(_) => {}
        }
        Ok(())
    }

    /// What has come, with the reservation for it.
    pub(super) fn finish(mut self) -> Bytes {
        match self.bytes {
            Held::Heap(mut heap) => {
                heap.shrink_to_fit();
                self.reservation.shrink_to(heap.len() as u64);
                self.reservation.attach(heap)
            }
            #[cfg(target_os = "linux")]
            Held::Pages(pages) => {
                // Of a file that is shorter than announced, all is there that was taken.
                let taken = pages.best(pages.len()) as u64;
                self.reservation.shrink_to(taken);
                self.reservation.attach(pages)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Appends `len` bytes in pieces as writes come, and gives what became of them.
    fn grow(budget: &Budget, announced: Option<u64>, len: u64) -> Result<Bytes, StorageError> {
        let places = Budget::new(9 * MIB);
        let mut growing = Growing::new(budget.reservation(), announced, &places);
        let content: Vec<u8> = (0..len).map(|at| (at / 1000) as u8).collect();
        for piece in content.chunks(65_464) {
            growing.append(piece)?;
            assert!(growing.reservation.bytes() >= growing.len() as u64);
        }
        #[cfg(target_os = "linux")]
        assert_eq!(places.used(), if let Held::Pages(pages) = &growing.bytes { pages.capacity() as u64 } else { 0 });
        let bytes = growing.finish();
        assert!(bytes == content);
        Ok(bytes)
    }

    #[test]
    fn whatever_was_announced_the_bytes_are_those_that_came() {
        let budget = Budget::new(64 * MIB);
        for len in [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 3] {
            for announced in [None, Some(0), Some(len), Some(2 * len), Some(len / 2), Some(len + 1), Some(u64::MAX)] {
                let bytes = grow(&budget, announced, len).unwrap();
                let wasted = budget.used() - len;
                // No more than was taken at once, and nothing where the truth was told.
                assert!(wasted < MIB / 4, "{wasted} of {len} bytes, announced as {announced:?}");
                if announced.is_none_or(|announced| announced == len) {
                    assert_eq!(wasted, 0);
                }
                drop(bytes);
                assert_eq!(budget.used(), 0);
            }
        }
    }

    #[test]
    fn a_file_fits_that_fills_the_budget_to_the_last_byte() {
        let budget = Budget::new(7 * MIB);
        for announced in [None, Some(7 * MIB), Some(9 * MIB)] {
            assert_eq!(grow(&budget, announced, 7 * MIB).unwrap().len() as u64, 7 * MIB);
            assert!(matches!(grow(&budget, announced, 7 * MIB + 1), Err(StorageError::Full)));
            assert_eq!(budget.used(), 0);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_more_is_set_aside_than_there_may_be_however_much_is_announced() {
        let (budget, places) = (Budget::new(64 * MIB), Budget::new(9 * MIB));
        let mut first = Growing::new(budget.reservation(), Some(8 * MIB), &places);
        let mut second = Growing::new(budget.reservation(), Some(8 * MIB), &places);
        for _ in 0..2 * MIB / 65_536 {
            first.append(&[1; 65_536]).unwrap();
            second.append(&[2; 65_536]).unwrap();
        }
        assert!(matches!((&first.bytes, &second.bytes), (Held::Pages(_), Held::Heap(_))));
        assert_eq!(places.used(), 8 * MIB);
        assert!(second.finish() == vec![2; 2 << 20]);
        drop(first.finish());
        assert_eq!((places.used(), budget.used()), (0, 0));
    }
}
