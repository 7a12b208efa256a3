//! What an endpoint tells its owner.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::action::{FailureKind, TransferId};
use crate::Stats;
use crate::negotiate::{Parameters, Refusal};
use crate::transfer::Abandoned;
use crate::wire::{Direction, ErrorCode, Options};

/// News from an endpoint. `Display` writes a line with what peers sent escaped.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A transfer's parameters are settled: for a server when it answers, for a client when the server has.
    Established {
        /// Which transfer.
        id: TransferId,
        /// What was agreed.
        parameters: Parameters,
    },
    /// A transfer has ended: exactly one of these for every request that was accepted or started.
    Finished(Box<Report>),
    /// Requests were dropped in silence because a limit was reached. At most once a second.
    Saturated {
        /// How many since the last such event.
        dropped: u64,
    },
}

/// Which role this endpoint had in a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It answered a request.
    Server,
    /// It made the request.
    Client,
}

/// The story of one transfer. `Display` writes a line with what peers sent escaped.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// Which transfer.
    pub id: TransferId,
    /// Our role.
    pub role: Role,
    /// RRQ or WRQ.
    pub direction: Direction,
    /// The other side.
    pub peer: SocketAddr,
    /// The file name as it was on the wire. Escape it before it reaches a log.
    pub filename: Vec<u8>,
    /// What was agreed, if it came to that.
    pub parameters: Option<Parameters>,
    /// The options that the server granted in its OACK.
    pub options: Options,
    /// Bytes of the file that were delivered: acknowledged by the receiver, handed to storage, or received by a client.
    pub bytes: u64,
    /// From the first packet to the end.
    pub duration: Duration,
    /// How long storage took to commit an upload.
    pub commit_time: Option<Duration>,
    /// What it cost.
    pub stats: Stats,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole file was delivered and acknowledged.
    Completed,
    /// Everything was sent to a peer that answered, and only the ACK of the last block is missing.
    DeliveredUnconfirmed,
    /// The client asked for the size, got it and left (EDK2's first request, with ERROR 8): a normal end. One that left with
    /// ERROR 3, because the file is too large for it, is a [`PeerError`](Self::PeerError).
    SizeProbe,
    /// The peer ended it with an ERROR packet.
    PeerError {
        /// Its code.
        code: ErrorCode,
        /// Its text: escape it before it reaches a log.
        message: Vec<u8>,
    },
    /// The peer fell silent.
    TimedOut,
    /// We refused or ended it, for a reason that lies with the request or the peer.
    Refused {
        /// The code the peer was told.
        code: ErrorCode,
        /// Why.
        reason: RefusedReason,
    },
    /// Storage failed: the peer was told `code`, the detail is for the log.
    StorageFailed {
        /// What kept it from going on: a policy, or a fault.
        kind: FailureKind,
        /// The code the peer was told.
        code: ErrorCode,
        /// For the log.
        detail: Box<str>,
    },
    /// Our side cancelled it.
    Cancelled,
    /// The endpoint was stopped.
    ShutDown,
    /// The same address and port sent a new request.
    Replaced,
    /// Another client took over the file this one was writing but had fallen silent on.
    Yielded,
    /// It was given up to make room for another request: its peer had never answered.
    Evicted,
}

impl Outcome {
    /// Whether the file is known or believed to be whole at the receiver, or a probe was answered.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Completed | Self::DeliveredUnconfirmed | Self::SizeProbe)
    }
}

/// Why we refused or ended a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedReason {
    /// The obsolete mail mode.
    MailMode,
    /// A request without a file name.
    EmptyName,
    /// A write larger than the size cap, announced or real.
    TooLarge,
    /// A packet that the protocol forbids.
    Illegal(Abandoned),
    /// The server's OACK did not fit the request.
    Oack(Refusal),
}
