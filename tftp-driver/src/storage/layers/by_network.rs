//! Other files for other networks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Either;
use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// A storage for each network of clients, and one for all others.
///
/// Of several networks that an address is in, the smallest counts. Use a [`BoxStorage`](crate::storage::BoxStorage)
/// where the networks' storages are not of one type.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::ByNetwork;
///
/// let (all, rack, lab) = (Memory::new(), Memory::new(), Memory::new());
/// let files = ByNetwork::new(all)
///     .network("10.1.0.0/16".parse()?, rack)
///     .network("2001:db8:7::/48".parse()?, lab);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ByNetwork<D, S> {
    others: D,
    /// The longest prefixes first.
    networks: Vec<(IpNet, S)>,
}

impl<D: Storage, S: Storage> ByNetwork<D, S> {
    /// Serves `others` to clients that are in none of the networks.
    pub fn new(others: D) -> Self {
        Self { others, networks: Vec::new() }
    }

    /// Serves `storage` to the clients of `network`. An IPv4 network holds IPv4 clients however they are connected.
    #[must_use]
    pub fn network(mut self, network: IpNet, storage: S) -> Self {
        let place = self.networks.partition_point(|(other, _)| other.prefix_len() >= network.prefix_len());
        self.networks.insert(place, (network, storage));
        self
    }

    fn of(&self, client: IpAddr) -> Option<&S> {
        let client = client.to_canonical();
        self.networks.iter().find(|(network, _)| network.contains(&client)).map(|(_, storage)| storage)
    }
}

impl<D: Storage, S: Storage> Storage for ByNetwork<D, S> {
    type Reader = Either<D::Reader, S::Reader>;
    type Writer = Either<D::Writer, S::Writer>;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<Self::Reader, StorageError> {
        match self.of(request.peer.ip()) {
            None => self.others.open_read(request, cx).await.map(Either::First),
            Some(storage) => storage.open_read(request, cx).await.map(Either::Second),
        }
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<Self::Writer, StorageError> {
        match self.of(request.peer.ip()) {
            None => self.others.open_write(request, cx).await.map(Either::First),
            Some(storage) => storage.open_write(request, cx).await.map(Either::Second),
        }
    }
}
