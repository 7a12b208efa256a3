//! What an endpoint asks of its caller.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::event::Event;
use crate::Instant;
use crate::transfer::Body;
use crate::wire::Mode;

/// A socket of the caller, by its place in [`EndpointConfig::sockets`](super::EndpointConfig::sockets).
pub type SocketId = usize;

/// One transfer. Never used twice, not even by another endpoint with the same [`Admission`](super::Admission): every one
/// has a new generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl TransferId {
    /// The identifier as one number, for use as a token elsewhere.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The identifier of a number from [`to_u64`](Self::to_u64).
    #[must_use]
    pub const fn from_u64(token: u64) -> Self {
        Self { index: token as u32, generation: (token >> 32) as u32 }
    }
}

/// Where a datagram came from and to which address it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// The socket that received it.
    pub socket: SocketId,
    /// Its source.
    pub peer: SocketAddr,
    /// Its destination address, if the caller knows it: answers leave from there.
    pub local_ip: Option<IpAddr>,
}

/// Datagrams to send: they stand in the first `len` bytes of the buffer given to `poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// The socket to send from.
    pub socket: SocketId,
    /// The destination.
    pub peer: SocketAddr,
    /// The source address to send from, if it matters.
    pub local_ip: Option<IpAddr>,
    /// Bytes to send.
    pub len: usize,
    /// If set, the bytes are a train of datagrams of this size, of which the last may be shorter.
    pub segment_size: Option<usize>,
    /// The transfer that it is of; `None` for an answer to what is of none.
    pub transfer: Option<TransferId>,
    /// If set, only the headers (of 4 bytes each) are in the buffer, one behind the other, and [`Endpoint::body`]
    /// follows them. Only [`Endpoint::poll_vectored`] does that.
    ///
    /// [`Endpoint::body`]: super::Endpoint::body
    /// [`Endpoint::poll_vectored`]: super::Endpoint::poll_vectored
    pub body: Option<Body>,
}

/// The next thing to do.
#[derive(Debug)]
pub enum Action {
    /// Send datagrams.
    Transmit(Transmit),
    /// Run a storage job and answer with [`Endpoint::handle_job`](super::Endpoint::handle_job), exactly once.
    ///
    /// A transfer has one job at a time.
    Job(TransferId, Job),
    /// Something to tell.
    Event(Event),
    /// Nothing more to do until a `handle_*` call, or until this deadline.
    Wait(Option<Instant>),
    /// The endpoint was shut down and everything has ended.
    Finished,
}

/// Work for storage.
///
/// Every `Open*` answered with [`JobResult::Opened`] is followed by exactly one of `Close` (reads), `Commit` or
/// `Abort` (writes). A transfer that the endpoint's owner started itself (a client's) is open from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Open a file for reading. Answer: [`JobResult::Opened`] with its size if known.
    OpenRead(OpenRequest),
    /// Open a file for writing. Answer: [`JobResult::Opened`]; `size` is ignored.
    OpenWrite(OpenRequest),
    /// Read `len` bytes at `offset`. Answer: [`JobResult::Read`] with exactly `len` bytes, fewer only at the end
    /// of the file.
    Read {
        /// Offset in bytes.
        offset: u64,
        /// Length in bytes.
        len: usize,
        /// Nothing before this offset will be asked for again.
        keep: u64,
    },
    /// Write at `offset`, which is where the last write ended. Answer: [`JobResult::Written`].
    Write {
        /// Offset in bytes.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The file is complete: make it appear, whole and durable. Answer: [`JobResult::Committed`].
    Commit,
    /// Throw away what was written. Answer: [`JobResult::Closed`].
    Abort,
    /// No more reads. Answer: [`JobResult::Closed`].
    Close,
}

/// A file to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// The name as the client sent it: any bytes but NUL.
    pub filename: Vec<u8>,
    /// Octet or netascii (already translated by the endpoint).
    pub mode: Mode,
    /// Who asks.
    pub peer: SocketAddr,
    /// Which of our addresses was asked.
    pub local_ip: Option<IpAddr>,
    /// The size that a writer announced, in bytes: a hint. None in netascii, where it counts others than those of the file.
    pub size: Option<u64>,
}

/// The answer to a [`Job`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// The file is open.
    Opened {
        /// Its size in bytes, if known beforehand. A download that ends before it, or goes on behind it, fails as
        /// [`FailureKind::Changed`].
        size: Option<u64>,
    },
    /// The bytes read.
    Read(Bytes),
    /// The bytes are written, or safely on their way.
    Written,
    /// The file is complete and visible.
    Committed,
    /// Closed or aborted.
    Closed,
    /// It did not work.
    Failed(StorageFailure),
}

/// Why storage could not do a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFailure {
    /// Decides what the peer is told.
    pub kind: FailureKind,
    /// For the log of the operator; never sent to a peer.
    pub detail: Box<str>,
}

impl StorageFailure {
    /// A failure with its detail for the log.
    #[must_use]
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into().into_boxed_str() }
    }
}

/// Kinds of storage failures, as far as the protocol can tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// No such file: ERROR 1.
    NotFound,
    /// Not allowed, by policy or by the system: ERROR 2.
    AccessDenied,
    /// A name that cannot be a file's: ERROR 2.
    InvalidName,
    /// The disk is full, or the file is larger than storage takes: ERROR 3.
    Full,
    /// There is room, but by policy not for this: ERROR 3.
    OverQuota,
    /// The file exists and must not be replaced: ERROR 6.
    AlreadyExists,
    /// Another transfer is writing that file. The endpoint may end that transfer and ask again.
    Busy {
        /// The transfer that holds the file, as given by [`TransferId::to_u64`] at its open.
        owner: u64,
    },
    /// The file changed while it was read: ERROR 0.
    Changed,
    /// The server has run out of what opening a file takes, such as descriptors. An open is then dropped in silence, as
    /// at any other limit, because clients repeat an unanswered request; later it is ERROR 0.
    Exhausted,
    /// Anything else: ERROR 0.
    Other,
}
