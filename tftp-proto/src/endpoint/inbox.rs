//! Received bytes on their way to storage.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::negotiate::Parameters;
use crate::netascii::Decoder;
use crate::wire::Mode;

/// How many bytes a write has at least, but for the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gather {
    /// As a server likes it; the peer may send ahead while storage is busy.
    Ahead,
    /// So many, and the peer waits while storage is busy: it is a reader that pauses as it likes.
    UpTo(usize),
}

/// Writes are gathered up to this size on a server, in bytes.
const GATHER: usize = 32 << 10;
/// What may come on a server while storage is busy with a write, before the peer has to wait, in bytes.
const AHEAD: usize = 128 << 10;

/// Gathers blocks into writes, decodes netascii, and says when the peer has to wait.
#[derive(Debug)]
pub(super) struct Inbox {
    decoder: Option<Decoder>,
    buffer: Vec<u8>,
    /// Bytes handed to storage, answered or not.
    written: u64,
    /// Bytes of the write that is under way.
    in_flight: usize,
    /// The last block has come.
    complete: bool,
    /// The largest file accepted, in bytes.
    limit: u64,
    /// A write is worth a job from this size on.
    threshold: usize,
    /// What is at hand anyway: with up to this much the peer never has to wait.
    least: usize,
    /// The peer need not wait with more at hand either, as far as the budget for all goes.
    ahead: bool,
    /// What a write comes to when storage keeps up, at most: room for so much is made beforehand.
    usual: usize,
}

/// The file is larger than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Inbox {
    pub(super) fn new(parameters: &Parameters, limit: u64, gather: Gather) -> Self {
        let window = usize::from(parameters.block_size) * usize::from(parameters.window_size);
        let threshold = match gather {
            Gather::Ahead => GATHER,
            Gather::UpTo(bytes) => bytes.max(1),
        };
        let usual = (threshold - 1).saturating_add(window);
        Self {
            //= rfc1123#section-4.2.4
            //# octet and netascii MUST both work
            decoder: (parameters.mode == Mode::Netascii).then(Decoder::default),
            buffer: Vec::new(),
            written: 0,
            in_flight: 0,
            complete: false,
            limit,
            threshold,
            least: match gather {
                Gather::Ahead => window.max(threshold),
                // The last window before a write is acknowledged as those before it are.
                Gather::UpTo(_) => usual,
            },
            ahead: gather == Gather::Ahead,
            usual,
        }
    }

    /// Takes the payload of the next block.
    pub(super) fn push(&mut self, payload: &[u8], last: bool) -> Result<(), TooLarge> {
        let buffer = &mut self.buffer;
        match &mut self.decoder {
            //= rfc1350#section-5
            //# If a host receives a octet file and then returns it, the returned file must be identical to the
            //# original.
            None => buffer.extend_from_slice(payload),
            Some(decoder) => {
                decoder.decode(payload, |bytes| buffer.extend_from_slice(bytes));
                if last {
                    decoder.finish(|bytes| buffer.extend_from_slice(bytes));
                }
            }
        }
        self.complete |= last;
        if self.received() > self.limit { Err(TooLarge) } else { Ok(()) }
    }

    /// The next write, if one is due: its offset and bytes. Storage must be free.
    pub(super) fn next_write(&mut self) -> Option<(u64, Bytes)> {
        if self.buffer.is_empty() || (self.buffer.len() < self.threshold && !self.complete) {
            return None;
        }
        let capacity = self.buffer.len().min(self.usual);
        let next = if self.complete { Vec::new() } else { Vec::with_capacity(capacity) };
        let bytes = Bytes::from(core::mem::replace(&mut self.buffer, next));
        let offset = self.written;
        self.written += bytes.len() as u64;
        self.in_flight = bytes.len();
        Some((offset, bytes))
    }

    /// The write under way was answered.
    pub(super) fn write_done(&mut self) {
        self.in_flight = 0;
    }

    /// Whether another window fits. `share`: the bytes that a transfer may hold by the budget for all; half of it is for the
    /// window that is asked for then.
    pub(super) fn has_room(&self, share: usize) -> bool {
        let most = if self.ahead { self.least.max(AHEAD.min(share / 2)) } else { self.least };
        self.buffer.len() + self.in_flight <= most
    }

    /// Whether everything has come and was handed to storage.
    pub(super) fn is_drained(&self) -> bool {
        self.complete && self.buffer.is_empty()
    }

    /// Bytes that have come, after decoding.
    pub(super) fn received(&self) -> u64 {
        self.written.saturating_add(self.buffer.len() as u64)
    }

    /// Bytes handed to storage.
    pub(super) const fn bytes(&self) -> u64 {
        self.written
    }
}
