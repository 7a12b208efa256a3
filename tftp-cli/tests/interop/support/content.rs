//! Files that differ from each other everywhere.

use std::path::Path;

use super::process::eventually;

/// `len` bytes that depend on `seed`, and repeat in no block size.
pub(crate) fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Whether a file holds exactly these bytes; says where it does not. Stricter than comparing hashes.
pub(crate) fn same(file: &Path, expected: &[u8]) -> Result<(), String> {
    let found = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    if found == expected {
        return Ok(());
    }
    let at = found.iter().zip(expected).position(|(left, right)| left != right);
    Err(format!("{}: {} bytes instead of {}, first difference at {at:?}", file.display(), found.len(), expected.len()))
}

/// Waits until a file holds these bytes, for servers that acknowledge the last block before they have written it all.
pub(crate) fn same_soon(file: &Path, expected: &[u8]) {
    eventually(&format!("{} as it was sent", file.display()), || same(file, expected).ok());
}
