//! What is searched: one file, one way of asking, and how bad the network may be.

use std::time::Duration;

use tftp_proto::client::Asking;
use tftp_proto::config::{OptionPolicy, Pacing, Timing};
use tftp_proto::wire::{DEFAULT_BLOCK_SIZE, Direction, Mode, Options};

/// In which order datagrams may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Datagrams of one sender and one receiver stay in order.
    Kept,
    /// Any datagram under way may be the next.
    Any,
}

/// When storage answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Before anything else happens.
    Prompt,
    /// At any time: reads, commits, and room for the next block.
    Late,
}

/// How much may go wrong on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Datagrams lost. [`Faults::UNLIMITED`]: any.
    pub losses: u8,
    /// Datagrams that arrive once more.
    pub copies: u8,
    /// Timers that run out although nothing was lost: a datagram or an answer of storage is still under way, the other
    /// side's clock is slower, or somebody still needs the dallying side.
    pub early: u8,
    /// Transfers ended by their owner.
    pub cancels: u8,
}

impl Faults {
    /// No bound but the patience of the two sides.
    pub const UNLIMITED: u8 = u8::MAX;
    /// A perfect network.
    pub const NONE: Self = Self { losses: 0, copies: 0, early: 0, cancels: 0 };
}

/// One search: a client that gets or puts one file from or to a server that has nothing else to do.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Get or put.
    pub direction: Direction,
    /// What the client asks.
    pub options: Options,
    /// Whether the server answers a request that holds options with ERROR 8, as old servers do.
    pub refuses_options: bool,
    /// Bytes in the file.
    pub size: usize,
    /// Retransmissions without progress before a side gives up.
    pub retries: u32,
    /// Whether both sides have the patience of real ones, and there is one clock for all (see [`run`](super::run)).
    pub real_time: bool,
    /// How the sender cuts windows into trains.
    pub pacing: Pacing,
    /// The order of datagrams.
    pub order: Order,
    /// The speed of storage.
    pub storage: Storage,
    /// Whether the sender holds nothing of what was sent, and reads again what was lost.
    pub forgetful: bool,
    /// How much may go wrong.
    pub faults: Faults,
}

impl Scenario {
    /// Bytes in a full block.
    #[must_use]
    pub fn block_size(&self) -> usize {
        let asked = if self.refuses_options { None } else { self.options.block_size };
        usize::from(asked.unwrap_or(DEFAULT_BLOCK_SIZE))
    }

    /// Blocks in a window.
    #[must_use]
    pub fn window(&self) -> u16 {
        let asked = if self.refuses_options { None } else { self.options.window_size };
        asked.unwrap_or(1)
    }

    /// DATA packets that the file takes, the short one at its end included.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.size / self.block_size() + 1
    }

    /// Whether so little may go wrong that both sides have to succeed.
    ///
    /// A window whose blocks overtake each other time after time may use up any number of retries.
    #[must_use]
    pub fn must_complete(&self) -> bool {
        let Faults { losses, early, cancels, .. } = self.faults;
        let in_order = self.order == Order::Kept || self.window() == 1;
        in_order && early == 0 && cancels == 0 && u32::from(losses) <= self.retries
    }

    /// Both sides' patience. Intervals are so short that they have no jitter, and silence alone never ends a transfer:
    /// what is left of time is the order of events, and the search tries all of them.
    pub(super) fn timing(&self) -> Timing {
        if self.real_time {
            return Timing::default();
        }
        Timing {
            initial_timeout: Duration::from_micros(1),
            min_timeout: Duration::from_micros(1),
            max_timeout: Duration::from_micros(8),
            give_up_after: Duration::from_secs(1_000_000),
            max_retries: Some(self.retries),
            unproved_retries: self.retries,
            dally: Duration::from_micros(16),
        }
    }

    pub(super) fn policy(&self) -> OptionPolicy {
        OptionPolicy::default()
    }

    pub(super) fn asking(&self) -> Asking {
        let Self { direction, options, .. } = *self;
        Asking { direction, mode: Mode::Octet, options, fall_back: true, timing: self.timing() }
    }
}
