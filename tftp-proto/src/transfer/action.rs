//! What a transfer says to its owner.

use super::sender::Body;
use crate::Instant;
use crate::negotiate::Refusal;
use crate::wire::{ErrorCode, Options};

/// How a transfer ended, as far as the protocol sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The file is whole at the receiver and both sides know it.
    Completed,
    /// Everything was sent to a peer that had answered; only the last ACK is missing.
    DeliveredUnconfirmed,
    /// The client of a read took the size from the OACK and left with an ERROR (EDK2), but not ERROR 3: then the file was
    /// too large for it.
    SizeProbe,
    /// The peer sent an ERROR.
    PeerError(ErrorCode),
    /// The peer fell silent.
    TimedOut,
    /// The peer broke the protocol.
    Abandoned(Abandoned),
    /// We refused the server's OACK.
    Refused(Refusal),
    /// The owner ended it with [`Transfer::fail`](super::Transfer::fail), or gave a buffer that is too small.
    Failed,
}

/// Breaches of the protocol that end a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Abandoned {
    /// A block longer than the block size.
    BlockTooLong,
}

/// What a packet brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress<'a> {
    /// The next bytes of the file.
    Data {
        /// As they came; netascii is for the caller to decode, with a [`Decoder`](crate::netascii::Decoder).
        payload: &'a [u8],
        /// Whether the file ends with them. Call [`Transfer::committed`](super::Transfer::committed) when it is safe.
        last: bool,
    },
    /// The transfer moved on: `poll` may have something new.
    Advanced,
    /// Nothing new: a copy, an old packet, or one that does not belong here.
    Ignored,
}

/// What a [`Transfer`](super::Transfer) wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferAction {
    /// Send the request with these options to the server's well-known port.
    Request(Options),
    /// Send the first `len` bytes of the buffer to the peer.
    Transmit {
        /// Bytes.
        len: usize,
        /// If set, a train of datagrams of this size, of which the last may be shorter.
        segment_size: Option<usize>,
        /// If set, only the headers are in the buffer, one behind the other, and [`Transfer::body`](super::Transfer::body) follows them. Only
        /// [`Transfer::poll_vectored`](super::Transfer::poll_vectored) does that.
        body: Option<Body>,
    },
    /// Read from the file, in its local form, and call [`Transfer::handle_chunk`](super::Transfer::handle_chunk): a transfer
    /// encodes netascii itself, but leaves it to its owner to decode ([`Progress::Data`]).
    Read {
        /// Offset in bytes.
        offset: u64,
        /// Length in bytes. Fewer bytes than this mean the end of the file.
        len: usize,
        /// Nothing before this offset will be asked for again.
        keep: u64,
    },
    /// Nothing until a packet, a chunk, a call of the owner, or this moment.
    Wait(Option<Instant>),
    /// It is over.
    Ended(Ending),
}
