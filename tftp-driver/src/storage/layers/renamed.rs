//! Other names than clients ask for.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A download.
    Read,
    /// An upload.
    Write,
}

/// A name, and who asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameRequest<'a> {
    /// The name as the client sent it, or as a layer above has made it. Not canonical: see [`ReadRequest::name`].
    pub name: &'a [u8],
    /// The client's address; an IPv4 address is never mapped into IPv6.
    pub client: IpAddr,
    /// What for.
    pub operation: Operation,
}

impl<'a> NameRequest<'a> {
    /// A request of `client` for `name`.
    #[must_use]
    pub fn new(name: &'a [u8], client: IpAddr, operation: Operation) -> Self {
        Self { name, client: client.to_canonical(), operation }
    }
}

/// A rule that turns the names clients ask for into those of files.
///
/// Closures are mappings, too. Whatever a mapping gives is a client's name to the storage below: no mapping can lead
/// out of a directory.
pub trait NameMapping: Send + Sync + 'static {
    /// The name to open. Must not block.
    ///
    /// # Errors
    ///
    /// Any [`StorageError`] to refuse the request; [`AccessDenied`](StorageError::AccessDenied) with a reason for the
    /// log is the one to use for a policy.
    fn map(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError>;
}

impl<F> NameMapping for F
where
    F: Fn(&NameRequest<'_>) -> Result<Vec<u8>, StorageError> + Send + Sync + 'static,
{
    fn map(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
        self(request)
    }
}

impl<M: NameMapping + ?Sized> NameMapping for Arc<M> {
    fn map(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
        M::map(self, request)
    }
}

type OnChange = Arc<dyn Fn(&NameRequest<'_>, &[u8]) + Send + Sync>;

/// Opens other names than clients ask for, as a [`NameMapping`] says.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::{NameRequest, Renamed};
///
/// // Old firmware that asks for its own name with a serial number before it.
/// let without_prefix = |request: &NameRequest<'_>| match request.name.split_first_chunk::<9>() {
///     Some((_serial, rest)) => Ok(rest.to_vec()),
///     None => Ok(request.name.to_vec()),
/// };
/// let files = Renamed::new(Memory::new(), without_prefix);
/// # let _ = files;
/// ```
#[derive(Clone)]
pub struct Renamed<S, M> {
    storage: S,
    mapping: M,
    on_change: Option<OnChange>,
}

impl<S: Storage, M: NameMapping> Renamed<S, M> {
    /// Opens in `storage` what `mapping` makes of a name.
    pub fn new(storage: S, mapping: M) -> Self {
        Self { storage, mapping, on_change: None }
    }

    /// Is told each time that a name was changed, with the new one. Must not block.
    #[must_use]
    pub fn on_change(mut self, tell: impl Fn(&NameRequest<'_>, &[u8]) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Arc::new(tell));
        self
    }

    fn map(&self, name: &[u8], client: IpAddr, operation: Operation) -> Result<Vec<u8>, StorageError> {
        let request = NameRequest::new(name, client, operation);
        let mapped = self.mapping.map(&request)?;
        if let Some(tell) = self.on_change.as_ref().filter(|_| mapped != name) {
            tell(&request, &mapped);
        }
        Ok(mapped)
    }
}

impl<S: Storage, M: NameMapping> Storage for Renamed<S, M> {
    type Reader = S::Reader;
    type Writer = S::Writer;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<S::Reader, StorageError> {
        let name = self.map(&request.name, request.peer.ip(), Operation::Read)?;
        self.storage.open_read(&ReadRequest { name, ..*request }, cx).await
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<S::Writer, StorageError> {
        let name = self.map(&request.name, request.peer.ip(), Operation::Write)?;
        self.storage.open_write(&WriteRequest { name, ..*request }, cx).await
    }
}

impl<S: fmt::Debug, M: fmt::Debug> fmt::Debug for Renamed<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renamed")
            .field("storage", &self.storage)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

/// A mapping that can be exchanged while it is in use: rules that are read again. Clones share it.
#[derive(Debug)]
pub struct Exchangeable<M>(Arc<RwLock<Arc<M>>>);

impl<M> Exchangeable<M> {
    /// Begins with `mapping`.
    pub fn new(mapping: M) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(mapping))))
    }

    /// Exchanges it. Requests that are being mapped are not disturbed.
    pub fn set(&self, mapping: M) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(mapping);
    }

    /// The present one.
    #[must_use]
    pub fn get(&self) -> Arc<M> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<M> Clone for Exchangeable<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: NameMapping> NameMapping for Exchangeable<M> {
    fn map(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
        self.get().map(request)
    }
}
