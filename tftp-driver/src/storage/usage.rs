//! How much is there.

/// How much storage holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The sizes of all files, in bytes.
    pub bytes: u64,
    /// How many files there are.
    pub files: u64,
}
