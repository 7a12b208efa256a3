//! What a client asked for, as storage sees it.

use std::net::{IpAddr, SocketAddr};

/// A request to read a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadRequest {
    /// The name as the client sent it: any bytes, of any character set. Storage decides what they mean.
    ///
    /// It is not canonical: `secret`, `/secret`, `./secret` and `\secret` are one file. Who lets names through or keeps
    /// them back compares [`names::canonical`](super::names::canonical) of them, and
    /// [`names::fold`](super::names::fold) of that where storage ignores case.
    pub name: Vec<u8>,
    /// Who asks.
    pub peer: SocketAddr,
    /// The address of ours that was asked, when known.
    pub local_ip: Option<IpAddr>,
}

impl ReadRequest {
    /// A request for `name` by `peer`.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, peer: SocketAddr) -> Self {
        Self { name: name.into(), peer, local_ip: None }
    }
}

/// A request to write a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WriteRequest {
    /// The name as the client sent it, which is not canonical: see [`ReadRequest::name`].
    pub name: Vec<u8>,
    /// Who asks.
    pub peer: SocketAddr,
    /// The address of ours that was asked, when known.
    pub local_ip: Option<IpAddr>,
    /// How large the file will be, in bytes, says the client. A hint: it may refuse an upload, but it never justifies
    /// an allocation.
    pub size: Option<u64>,
    /// The transfer that writes; comes back in [`StorageError::Busy`](super::StorageError::Busy).
    pub owner: Owner,
}

impl WriteRequest {
    /// A request by `peer` to write `name`, on behalf of the transfer `owner`.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, peer: SocketAddr, owner: Owner) -> Self {
        Self { name: name.into(), peer, local_ip: None, size: None, owner }
    }
}

/// An opaque token of the transfer that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub u64);
