//! What can go wrong before a server serves.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Why a server could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// An address to listen on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says. `PermissionDenied` is usual for ports below 1024, `AddrInUse` where another server
        /// runs.
        source: io::Error,
    },
    /// A socket that was given to [`listen_on`](super::ServerBuilder::listen_on).
    #[error("cannot listen on a socket that was passed: {0}")]
    Passed(#[source] io::Error),
    /// The ports for transfers.
    #[error("cannot bind a port for transfers on {ip}: {source}")]
    TransferPorts {
        /// The address.
        ip: IpAddr,
        /// What the system says about the last port tried.
        source: io::Error,
    },
    /// The runtime cannot watch the sockets, or is not running.
    #[error("the runtime refused a socket: {0}")]
    Runtime(#[source] io::Error),
}

impl BindError {
    /// The kind of the system's error.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Listen { source, .. } | Self::TransferPorts { source, .. } => source.kind(),
            Self::Passed(source) | Self::Runtime(source) => source.kind(),
        }
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// What an operator should know although it keeps nothing from working.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The system granted a listening socket less room than asked.
    ReceiveBuffer {
        /// The socket.
        address: SocketAddr,
        /// Bytes asked.
        wanted: usize,
        /// Bytes granted.
        granted: usize,
    },
    /// A default address that this host does not have was left out.
    Skipped {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
    },
    /// One event loop does the work of several.
    OneLoop {
        /// So many were wanted.
        wanted: usize,
        /// Why they cannot share their ports.
        reason: &'static str,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReceiveBuffer { address, wanted, granted } => {
                write!(
                    f,
                    "the receive buffer of {address} is {granted} bytes instead of {wanted}; requests may be lost \
                     when many clients start at once"
                )?;
                match RECEIVE_BUFFER_SETTING {
                    Some(setting) => write!(f, " (to raise the limit: sysctl {setting}={wanted})"),
                    None => Ok(()),
                }
            }
            Self::Skipped { address, reason } => write!(f, "not listening on {address}: {reason}"),
            Self::OneLoop { wanted, reason } => write!(f, "one event loop instead of {wanted}: {reason}"),
        }
    }
}

/// What limits receive buffers on this system.
const RECEIVE_BUFFER_SETTING: Option<&str> = if cfg!(any(target_os = "linux", target_os = "android")) {
    Some("net.core.rmem_max")
} else if cfg!(any(target_vendor = "apple", target_os = "freebsd", target_os = "openbsd", target_os = "netbsd")) {
    Some("kern.ipc.maxsockbuf")
} else {
    None
};
