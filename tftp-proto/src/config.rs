//! Settings shared by every layer.

use core::time::Duration;

use crate::wire::{MAX_BLOCK_SIZE, OptionKind};

/// When to send again and when to give up (RFC 1123 §4.2.3.2).
///
/// The interval follows the measured round trip (RFC 6298), doubles with every retransmission, and starts again once a round
/// trip was measured on what was sent once (Karn): progress alone may be the answer to an earlier copy. Where no interval was
/// negotiated a sender asks before that what has become of a window: its last block leaves once more after about two round
/// trips, and 10 ms at least, while the round trip is known and below 20 ms, and the window leaves in one train.
///
/// The three intervals are at least 1 ms each, whatever is set.
///
/// While a crowd waits in one queue, an `Endpoint` lets an interval double without sending anything again, up to 5 s, or 1 s
/// as long as nobody is answered; a negotiated one it keeps. U-Boot gives up after ten intervals of its own timer and
/// asks for just that one: it is repeated to (of a window the last block) after the measured one, where that is shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing {
    /// The first interval, before a round trip was measured. Default 1 s.
    pub initial_timeout: Duration,
    /// The shortest interval once a round trip was measured. Default 60 ms: in lock-step every loss costs it.
    pub min_timeout: Duration,
    /// The longest interval that doubling leads to. Default 5.5 s: for so long a peer is left alone that has not answered
    /// six copies, because some ask by themselves only after 5 s of silence. A longer negotiated timeout stands above it.
    pub max_timeout: Duration,
    /// A peer that has answered is given up after this long without progress. Default 30 s; at least three times
    /// a negotiated timeout.
    pub give_up_after: Duration,
    /// Retransmissions without progress before giving up. Default `None`: only the silence counts.
    pub max_retries: Option<u32>,
    /// Retransmissions to a peer that has never answered, fewer if they take longer than 30 s. Default 4: little, because
    /// its address may be forged.
    pub unproved_retries: u32,
    /// How long the final ACK is repeated for a peer that did not get it (RFC 1350 §6). Default 12 s: tftp-hpa and
    /// atftp ask again after 5 s, curl after 6 s.
    pub dally: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            initial_timeout: Duration::from_secs(1),
            min_timeout: Duration::from_millis(60),
            max_timeout: Duration::from_millis(5500),
            give_up_after: Duration::from_secs(30),
            max_retries: None,
            unproved_retries: 4,
            dally: Duration::from_secs(12),
        }
    }
}

/// How windows are sent to receivers that may be weaker than the network.
///
/// A boot ROM with room for 32 frames that asks for a window of 64 loses the end of every window that leaves at once
/// (U-Boot never receives again after that, and is granted less). So a window leaves in trains of datagrams with pauses
/// between them, short ones at first. They grow with every acknowledgement until a whole window is one train, which costs
/// nothing from then on, or until it shows how much the receiver takes.
///
/// A window is never held back for an acknowledgement (RFC 7440), and one of `first_train` blocks or fewer is never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pacing {
    /// Whether windows are cut into trains at all. Default `true`.
    pub enabled: bool,
    /// Blocks in each of the first trains, at least 1. Default 8.
    pub first_train: u16,
    /// The pause between the first trains, in whole milliseconds (rounded up), 1 ms to 1 s. Default 1 ms.
    pub first_pause: Duration,
}

impl Pacing {
    /// Every window leaves at once.
    pub const OFF: Self = Self { enabled: false, ..Self::DEFAULT };

    pub(crate) const DEFAULT: Self = Self { enabled: true, first_train: 8, first_pause: Duration::from_millis(1) };
}

impl Default for Pacing {
    fn default() -> Self {
        Self::DEFAULT
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

    /// The set with one more kind.
    ///
    /// ```
    /// use tftp_proto::config::{OptionPolicy, OptionSet};
    /// use tftp_proto::wire::OptionKind;
    ///
    /// const SINGLE_BLOCKS: OptionSet = OptionSet::NONE.with(OptionKind::WindowSize);
    /// let policy = OptionPolicy { disabled: SINGLE_BLOCKS, ..OptionPolicy::default() };
    /// # assert!(policy.disabled.contains(OptionKind::WindowSize) && !policy.disabled.contains(OptionKind::BlockSize));
    /// ```
    #[must_use]
    pub const fn with(self, kind: OptionKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Adds a kind.
    pub fn insert(&mut self, kind: OptionKind) {
        *self = self.with(kind);
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
    /// The largest block size granted, bytes; less than 8 counts as 8, the least there is. Default 65,464.
    pub max_block_size: u16,
    /// The largest window granted, blocks; 0 counts as 1. Default 64, never above [`MAX_WINDOW`].
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
