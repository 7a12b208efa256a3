//! A TFTP client: transfers that their owner drives, without a task of their own.
//!
//! [`adapter`](crate::adapter) has the same with the readers of a runtime's own traits; use that of `tftp-tokio` or
//! `tftp-smol`.

mod config;
mod error;
mod feed;
mod get;
mod notes;
mod put;
mod session;
mod sink;
mod target;

pub use config::{ClientBuilder, ClientConfig};
pub use error::Error;
pub use feed::Source;
pub use get::Download;
pub use put::Put;
pub use target::Target;

use std::sync::Arc;

use crate::runtime::Runtime;

/// Gets and puts files. Cheap to clone; holds settings, no connection.
#[derive(Debug, Clone, Default)]
pub struct Client<R> {
    runtime: R,
    config: Arc<ClientConfig>,
}

impl<R: Runtime> Client<R> {
    /// A client on `runtime` with these settings.
    #[must_use]
    pub fn new(runtime: R, config: ClientConfig) -> Self {
        Self { runtime, config: Arc::new(config) }
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Asks for a file. The answer comes with the server's first packet, when the size (if the server tells it) and
    /// the parameters are known; the bytes are then to be read from the [`Download`].
    ///
    /// # Errors
    ///
    /// An [`Error`] by whose fault it is. By default a server that never answers costs about 19 s (five requests at growing
    /// intervals): see [`ClientBuilder::timing`]. Dropping the future tells the server, if it has answered.
    ///
    /// # Panics
    ///
    /// Under tokio, when it is polled in a runtime without its I/O driver (`enable_io`, or `enable_all`).
    pub async fn get(&self, server: impl Into<Target>, name: impl AsRef<[u8]>) -> Result<Download<R>, Error> {
        Download::open(self.runtime.clone(), Arc::clone(&self.config), server.into(), name.as_ref().to_vec()).await
    }

    /// Sends a file: everything that `source` gives until its end. `size` is its size in bytes if it is known: a hint
    /// for the server and for progress. Nothing happens before the [`Put`] is awaited.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get), once it is awaited.
    pub fn put<'a, S>(
        &self,
        server: impl Into<Target>,
        name: impl AsRef<[u8]>,
        source: S,
        size: Option<u64>,
    ) -> Put<'a, R, S>
    where
        S: Source + Unpin + 'a,
    {
        Put::new(self.runtime.clone(), Arc::clone(&self.config), server.into(), name.as_ref().to_vec(), source, size)
    }
}
