//! An endpoint's settings.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::admission::Admission;
use crate::config::{OptionPolicy, Pacing, Timing};

/// What a socket is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketRole {
    /// Requests arrive here. In single-port mode everything else does, too.
    Listener {
        /// Listeners and transfer sockets of one group serve together: the same local address.
        group: usize,
    },
    /// Server transfers run here, under transfer identifiers of their own.
    Transfer {
        /// The group whose requests are served here.
        group: usize,
    },
    /// Transfers that this endpoint starts as a client, one at a time.
    Client,
}

/// An endpoint's settings. [`Default`] serves nothing: sockets must be given.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EndpointConfig {
    /// The caller's sockets, in the order of their [`SocketId`](super::SocketId)s. A listener whose group has no
    /// transfer socket answers from its own port (single-port mode).
    pub sockets: Vec<SocketRole>,
    /// Retransmission as a server.
    pub timing: Timing,
    /// Options granted as a server.
    pub options: OptionPolicy,
    /// How windows are sent as a server. What is learned about a host is remembered for its next transfer, and now and then
    /// tried again, for its next program may take more.
    pub pacing: Pacing,
    /// Limits shared with other endpoints.
    pub admission: Arc<Admission>,
    /// The largest upload accepted, in bytes after decoding. Default 2⁶³−1.
    pub max_upload: u64,
    /// Whether requests to a broadcast or multicast address are answered (RFC 1123 §4.2.3.5 says they SHOULD NOT).
    /// IPv4 directed broadcasts are told apart by the caller, who leaves `local_ip` empty there.
    pub answer_broadcasts: bool,
    /// Storage that does not answer an open, a read or a write within this time fails the transfer. Default 60 s.
    ///
    /// A commit is never given up: its result is the outcome, however long it takes, and the client keeps asking. One that
    /// never ends keeps its place among the transfers, and a graceful shutdown from its end.
    pub storage_timeout: Duration,
    /// Bytes that all transfers together may hold in chunks and write buffers, roughly. Default 256 MiB; each
    /// transfer may always hold two blocks. Less than that for each, as with 0, leaves lock-step in blocks of 1468 bytes at
    /// most.
    ///
    /// A sixteenth of it is for what downloads hold while they wait for an ACK. Where so many share that that a download
    /// would hold more, it reads nothing ahead and holds nothing that was sent: what is lost is read again. Each may
    /// hold 4 KiB in any case.
    pub buffer_budget: usize,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            sockets: Vec::new(),
            timing: Timing::default(),
            options: OptionPolicy::default(),
            pacing: Pacing::default(),
            admission: Arc::new(Admission::default()),
            max_upload: i64::MAX as u64,
            answer_broadcasts: false,
            storage_timeout: Duration::from_secs(60),
            buffer_budget: 256 << 20,
        }
    }
}
