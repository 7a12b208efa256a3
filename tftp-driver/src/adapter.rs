//! The client as an adapter offers it: with readers in its runtime's own traits.
//!
//! What an adapter adds is an [`Adapter`] with a reader of its own for downloads, and [`Reads`] for what uploads come
//! from. Everything else stands here, once.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use crate::client::{self, ClientConfig, Download, Error, Put, Source, Target};
use crate::runtime::Runtime;

/// A runtime with traits of its own for reading.
pub trait Adapter: Runtime + Default {
    /// A [`Download`] that can be read by them.
    type Download: From<Download<Self>>;
}

/// How an adapter's runtime reads from a `T`.
pub trait Reads<T>: Adapter {
    /// Reads into `buffer`, which is not empty. 0 bytes are the end.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; nothing is read after it.
    fn poll_read(reader: &mut T, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// Gets and puts files. Cheap to clone; holds settings, no connection.
#[derive(Debug, Clone, Default)]
pub struct Client<A>(client::Client<A>);

/// Settings of a [`Client`].
pub type ClientBuilder<A> = client::ClientBuilder<Client<A>>;

impl<A: Adapter> Client<A> {
    /// A client with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A client with other settings.
    pub fn builder() -> ClientBuilder<A> {
        ClientBuilder::default()
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        self.0.config()
    }

    /// Asks for a file. The answer comes with the server's first packet, when the size (if the server tells it) and
    /// the parameters are known; the bytes are then to be read from the download.
    ///
    /// # Errors
    ///
    /// An [`Error`] by whose fault it is. By default a server that never answers costs about 19 s (five requests at growing
    /// intervals): see [`ClientBuilder::timing`]. Dropping the future tells the server, if it has answered.
    ///
    /// # Panics
    ///
    /// Under tokio, when it is polled in a runtime without its I/O driver (`enable_io`, or `enable_all`).
    pub async fn get(&self, server: impl Into<Target>, name: impl AsRef<[u8]>) -> Result<A::Download, Error> {
        self.0.get(server, name).await.map(A::Download::from)
    }

    /// Sends a file: everything that `reader` gives until its end. `size` is its size in bytes if it is known: a hint
    /// for the server and for progress. Nothing happens before the [`Put`] is awaited.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get), once it is awaited.
    pub fn put<'a, T>(
        &self,
        server: impl Into<Target>,
        name: impl AsRef<[u8]>,
        reader: T,
        size: Option<u64>,
    ) -> Put<'a, A, Input<A, T>>
    where
        A: Reads<T>,
        T: Send + Unpin + 'a,
    {
        self.0.put(server, name, Input { reader, adapter: PhantomData }, size)
    }
}

impl<A: Adapter> From<ClientConfig> for Client<A> {
    fn from(config: ClientConfig) -> Self {
        Self(client::Client::new(A::default(), config))
    }
}

/// A runtime's reader as the client sees it.
pub struct Input<A, T> {
    reader: T,
    adapter: PhantomData<fn() -> A>,
}

impl<A: Reads<T>, T: Send> Source for Input<A, T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        A::poll_read(&mut self.reader, cx, buffer)
    }
}

impl<A, T: fmt::Debug> fmt::Debug for Input<A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Input").field(&self.reader).finish()
    }
}
