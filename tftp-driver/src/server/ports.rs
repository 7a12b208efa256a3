//! The ports that transfers run on.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use crate::udp::{BindOptions, BoundSocket, bind};

/// Sockets bound of a range, at most. They are shared by any number of transfers, so more would gain nothing.
const MAX_OF_RANGE: usize = 16;

/// The ports that a server's transfers run on. Each address that the server listens on has its own.
///
/// Transfers share a few sockets: a transfer is known by its socket and its peer's address and port together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferPorts {
    /// This many ports that the system chooses. 0 is the same as [`Single`](Self::Single).
    Random(u16),
    /// Ports out of this range: at most 16, from a random place on. Those in use by others are skipped.
    Range(RangeInclusive<u16>),
    /// The port that the request was sent to, for networks that lose answers from any other.
    Single,
}

impl Default for TransferPorts {
    /// Two ports that the system chooses, for successive transfers of one client must not share a port. The more there
    /// are, the fewer datagrams of a crowd come with one system call.
    fn default() -> Self {
        Self::Random(2)
    }
}

impl TransferPorts {
    /// Binds the sockets beside `listener`, on its address. Of a range, `share` event loops each get their part.
    pub(super) fn bind(
        &self,
        listener: SocketAddr,
        random: u64,
        share: usize,
        options: &BindOptions,
    ) -> io::Result<Vec<BoundSocket>> {
        let bind = |port| bind(with_port(listener, port), options);
        match self {
            Self::Single => Ok(Vec::new()),
            Self::Random(count) => (0..*count).map(|_| bind(0)).collect(),
            Self::Range(range) => {
                // Port 0 would be one outside the range.
                let first = u64::from(*range.start()).max(1);
                let count = (u64::from(*range.end()) + 1).saturating_sub(first);
                let most = usize::try_from(count).unwrap_or(MAX_OF_RANGE).min(MAX_OF_RANGE) / share.max(1);
                if count > 0 && most == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("{count} ports are not enough for {share} event loops"),
                    ));
                }
                let mut bound = Vec::new();
                let mut last_error = None;
                for place in 0..count {
                    let port = first + (random % count + place) % count;
                    match bind(u16::try_from(port).unwrap_or(u16::MAX)) {
                        Ok(socket) => bound.push(socket),
                        Err(error) if is_of_this_port_only(&error) => last_error = Some(error),
                        Err(error) => return Err(error),
                    }
                    if bound.len() == most {
                        break;
                    }
                }
                if bound.is_empty() {
                    return Err(last_error.unwrap_or_else(|| {
                        io::Error::new(io::ErrorKind::InvalidInput, "the range of ports is empty")
                    }));
                }
                Ok(bound)
            }
        }
    }
}

fn is_of_this_port_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// The same address, scope included, with another port.
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Addresses that share transfer ports: the same IP, on the same link.
pub(super) fn is_same_host(a: SocketAddr, b: SocketAddr) -> bool {
    with_port(a, 0) == with_port(b, 0)
}
