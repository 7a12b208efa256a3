//! Settings shared by every layer.

use core::time::Duration;

use crate::wire::{MAX_BLOCK_SIZE, OptionKind};

/// When to send again and when to give up (RFC 1123 §4.2.3.2).
///
/// The interval follows the measured round trip (RFC 6298), doubles with every retransmission that brings no
/// progress, and starts again with progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// The first interval, before a round trip was measured. Default 1 s.
    pub initial_timeout: Duration,
    /// The shortest interval. Default 100 ms.
    pub min_timeout: Duration,
    /// The longest interval that doubling leads to. Default 5 s; a longer negotiated timeout stands above it.
    pub max_timeout: Duration,
    /// A peer that has answered is given up after this long without progress. Default 30 s; at least three times
    /// a negotiated timeout.
    pub give_up_after: Duration,
    /// Retransmissions without progress before giving up. Default `None`: only the silence counts.
    pub max_retries: Option<u32>,
    /// Retransmissions to a peer that has never answered. Default 4: little, because its address may be forged.
    pub unproved_retries: u32,
    /// How long the final ACK is repeated for a peer that did not get it (RFC 1350 §6). Default 12 s: tftp-hpa and
    /// atftp ask again after 5 s, curl after 6 s.
    pub dally: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            initial_timeout: Duration::from_secs(1),
            min_timeout: Duration::from_millis(100),
            max_timeout: Duration::from_secs(5),
            give_up_after: Duration::from_secs(30),
            max_retries: None,
            unproved_retries: 4,
            dally: Duration::from_secs(12),
        }
    }
}

/// The largest window either role grants or asks for, in blocks.
///
/// RFC 7440 allows 65,535, but with 16-bit block numbers a window above half of them cannot tell old from new.
pub const MAX_WINDOW: u16 = 32_767;

/// Kinds of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OptionSet(u8);

impl OptionSet {
    /// No option.
    pub const NONE: Self = Self(0);

    /// Adds a kind.
    pub fn insert(&mut self, kind: OptionKind) {
        self.0 |= 1 << kind as u8;
    }

    /// Whether a kind is in the set.
    #[must_use]
    pub const fn contains(self, kind: OptionKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

/// Which options a server grants and up to which values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OptionPolicy {
    /// Options that are left out of every OACK.
    pub disabled: OptionSet,
    /// The largest block size granted, bytes, at least 8. Default 65,464.
    pub max_block_size: u16,
    /// The largest window granted, blocks. Default 64, never above [`MAX_WINDOW`].
    pub max_window: u16,
    /// The shortest timeout granted; a shorter one is left out. Default 10 ms.
    pub min_timeout: Duration,
    /// The longest timeout granted; a longer one is left out. Default 255 s.
    pub max_timeout: Duration,
    /// Whether `tsize` is granted for an empty file. Default `false`: curl takes "0" for a failure.
    pub size_of_empty_files: bool,
}

impl Default for OptionPolicy {
    fn default() -> Self {
        Self {
            disabled: OptionSet::NONE,
            max_block_size: MAX_BLOCK_SIZE,
            max_window: 64,
            min_timeout: Duration::from_millis(10),
            max_timeout: Duration::from_secs(255),
            size_of_empty_files: false,
        }
    }
}
