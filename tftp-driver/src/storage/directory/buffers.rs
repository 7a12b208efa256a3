//! Buffers for chunks, used again and again: fresh memory costs the system about as much as reading into it does.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// As many wait to be used again, at most.
const SPARE: usize = 16;

/// Spare buffers of one size.
#[derive(Debug)]
pub(super) struct Buffers {
    size: usize,
    spare: Mutex<Vec<Box<[u8]>>>,
}

/// A buffer that returns to where it came from.
pub(super) struct Buffer {
    /// At least `len`, with whatever was read before behind it.
    bytes: Box<[u8]>,
    len: usize,
    home: Option<Arc<Buffers>>,
}

impl Buffers {
    pub(super) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { size, spare: Mutex::default() })
    }

    /// A buffer of `len` bytes, whose content is not to be looked at.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        // Little in a large buffer would waste the rest.
        if len > self.size || len < self.size / 2 {
            return Buffer { bytes: vec![0; len].into(), len, home: None };
        }
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; self.size].into());
        Buffer { bytes, len, home: Some(Arc::clone(self)) }
    }

    fn put(&self, bytes: Box<[u8]>) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE {
            spare.push(bytes);
        }
    }
}

impl Buffer {
    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// What is in it, all of which must have been written.
    pub(super) fn freeze(mut self) -> Bytes {
        match self.home {
            Some(_) => Bytes::from_owner(self),
            None => std::mem::take(&mut self.bytes).into(),
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &Arc<Buffers>, len: usize, with: u8) -> Bytes {
        let mut buffer = buffers.take(len);
        buffer.as_mut().fill(with);
        buffer.freeze()
    }

    fn spare(buffers: &Buffers) -> usize {
        buffers.spare.lock().unwrap().len()
    }

    #[test]
    fn a_buffer_comes_back_with_its_last_reader_and_is_used_again() {
        let buffers = Buffers::new(100);
        let first = filled(&buffers, 100, 1);
        let slice = first.slice(10..20);
        drop(first);
        assert_eq!(spare(&buffers), 0);
        assert_eq!(slice, [1; 10][..]);
        drop(slice);
        assert_eq!(spare(&buffers), 1);
        let second = filled(&buffers, 60, 2);
        assert_eq!((spare(&buffers), &second[..]), (0, &[2; 60][..]));
        // Given up half-way, as by a read that failed.
        drop(buffers.take(100));
        drop(second);
        assert_eq!(spare(&buffers), 2);
    }

    #[test]
    fn neither_small_nor_large_ones_are_kept_nor_too_many() {
        let buffers = Buffers::new(100);
        for len in [0, 1, 49, 101, 1000] {
            assert_eq!(filled(&buffers, len, 3), vec![3; len]);
        }
        assert_eq!(spare(&buffers), 0);
        let many: Vec<Bytes> = (0..2 * SPARE).map(|_| filled(&buffers, 100, 4)).collect();
        drop(many);
        assert_eq!(spare(&buffers), SPARE);
    }
}
