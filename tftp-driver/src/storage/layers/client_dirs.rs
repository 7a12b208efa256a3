//! A directory for each client.

use std::net::IpAddr;

use crate::storage::names::canonical;
use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// Gives each client the directory that is named after its address: `192.0.2.7/boot.cfg` to the client 192.0.2.7 that
/// asks for `boot.cfg`. Uploads go there, too.
///
/// A client cannot reach another one's directory: `..` is refused, and a name that [falls back](Self::or_shared) must
/// not begin with an address. Where addresses can be forged, they are no protection: see SECURITY.md.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::ClientDirs;
///
/// let files = Memory::new();
/// files.insert("192.0.2.7/boot.cfg", "role = router\n")?;
/// files.insert("boot.cfg", "role = any\n")?;
/// let files = ClientDirs::new(files).or_shared();
/// # Ok::<(), tftp_driver::storage::StorageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientDirs<S> {
    storage: S,
    shared: bool,
}

impl<S: Storage> ClientDirs<S> {
    /// Each client sees its own directory of `storage`, and nothing else.
    pub fn new(storage: S) -> Self {
        Self { storage, shared: false }
    }

    /// What a client's directory does not have is looked up in `storage` itself.
    #[must_use]
    pub fn or_shared(mut self) -> Self {
        self.shared = true;
        self
    }
}

/// The name in the directory of a client.
///
/// # Errors
///
/// [`StorageError::InvalidName`], as of [`canonical`].
pub fn client_dir(client: IpAddr, name: &[u8]) -> Result<Vec<u8>, StorageError> {
    let name = canonical(name)?;
    let directory = client.to_canonical().to_string();
    Ok([directory.as_bytes(), b"/", &name].concat())
}

/// Whether a canonical name is in the directory of any client.
fn is_a_clients(name: &[u8]) -> bool {
    let first = name.split(|&byte| byte == b'/').next().unwrap_or(name);
    std::str::from_utf8(first).is_ok_and(|first| first.parse::<IpAddr>().is_ok())
}

impl<S: Storage> Storage for ClientDirs<S> {
    type Reader = S::Reader;
    type Writer = S::Writer;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<S::Reader, StorageError> {
        let own = ReadRequest { name: client_dir(request.peer.ip(), &request.name)?, ..*request };
        match self.storage.open_read(&own, cx).await {
            Err(StorageError::NotFound) if self.shared => {
                let name = canonical(&request.name)?;
                if is_a_clients(&name) {
                    return Err(StorageError::NotFound);
                }
                self.storage.open_read(&ReadRequest { name, ..*request }, cx).await
            }
            answer => answer,
        }
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<S::Writer, StorageError> {
        let own = WriteRequest { name: client_dir(request.peer.ip(), &request.name)?, ..*request };
        self.storage.open_write(&own, cx).await
    }
}
