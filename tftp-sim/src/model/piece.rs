//! The file: no two of its blocks are alike, and a piece of it is known by its place.

use std::fmt;

/// The largest file.
pub(super) const MAX_SIZE: usize = 4 * 512 + 511;

static FILE: [u8; MAX_SIZE] = content();

const fn content() -> [u8; MAX_SIZE] {
    let mut bytes = [0; MAX_SIZE];
    let mut at = 0;
    while at < MAX_SIZE {
        // A full period of 256 within a block of 512 and another start for each: blocks of 8 and of 512 all differ.
        bytes[at] = ((at * 5 + at / 512 * 3 + 1) % 256) as u8;
        at += 1;
    }
    bytes
}

/// The first `size` bytes of the file that every search moves.
pub(super) fn file(size: usize) -> &'static [u8] {
    FILE.get(..size).unwrap_or(&FILE)
}

/// A part of the file. What is shown of it is its place, so that states are compared by that.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Piece {
    start: usize,
    end: usize,
}

impl Piece {
    /// Up to `len` bytes from `offset` of a file of `size` bytes.
    pub(super) fn read(size: usize, offset: u64, len: usize) -> Self {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(size);
        Self { start, end: start.saturating_add(len).min(size) }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        FILE.get(self.start..self.end).unwrap_or_default()
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}
