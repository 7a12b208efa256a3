//! What an endpoint's owner can ask of it.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::action::{SocketId, TransferId};
use crate::config::Timing;
use crate::wire::{Direction, Mode, Options};

/// A transfer to start as a client.
///
/// Its storage is open from the start: for a [`Direction::Read`] the endpoint will issue `Write`s and a `Commit` (or
/// an `Abort`), for a [`Direction::Write`] `Read`s and a `Close`.
#[derive(Debug, Clone)]
pub struct ClientRequest {
    /// The addresses to ask, in order, each with the socket to ask from. The next one is asked when one does not
    /// answer, and after the last the first again, so that a dead address costs one interval. The sockets must have the role [`SocketRole::Client`](super::SocketRole::Client).
    pub servers: Vec<(SocketId, SocketAddr)>,
    /// The local address to send from, if it matters.
    pub local_ip: Option<IpAddr>,
    /// Get ([`Direction::Read`]) or put ([`Direction::Write`]).
    pub direction: Direction,
    /// The file name on the server: any bytes but NUL.
    pub filename: Vec<u8>,
    /// Octet or netascii.
    pub mode: Mode,
    /// The options to ask for. For a put, `transfer_size` is the size of the file if it is known.
    pub options: Options,
    /// Whether to ask again without options after ERROR 8 (RFC 2347).
    pub fall_back: bool,
    /// Whether answers from another IP address than the one asked are accepted.
    pub accept_any_source: bool,
    /// Retransmission. `unproved_retries` counts the repeats of the request at each address.
    pub timing: Timing,
    /// The largest file accepted by a get, in bytes after decoding.
    pub max_size: u64,
    /// Of a get: the bytes that a write to storage has at least, but for the last. With 1 everything is handed on as soon
    /// as storage is free.
    pub gather: usize,
}

/// Why a [`ClientRequest`] cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no address to ask, or a socket that is not a client's, or one in use by another transfer.
    #[error("no server address with a free client socket")]
    NoServer,
    /// The file name holds a NUL byte or is empty.
    #[error("a file name must not be empty nor hold a NUL byte")]
    InvalidName,
    /// The request would be longer than the 512 bytes of RFC 2347.
    #[error("the request would exceed 512 bytes: the file name is too long")]
    NameTooLong,
    /// The mail mode is obsolete.
    #[error("mail mode is obsolete (RFC 1123)")]
    MailMode,
    /// The endpoint is shutting down.
    #[error("the endpoint is shutting down")]
    ShutDown,
}

/// How an endpoint should come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Accept nothing new, let transfers end, repeat last ACKs for one interval at most.
    Graceful,
    /// End every transfer with an ERROR and abort what storage has open.
    Immediate,
}

/// The id of a started transfer, or why it did not start.
pub type Started = Result<TransferId, StartError>;
