//! The client in the traits of futures-io.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;
use tftp_driver::client::Source;

use crate::{ClientConfig, Error, Parameters, Report, Smol, Target};

/// Gets and puts files. Cheap to clone; holds settings, no connection.
#[derive(Debug, Clone, Default)]
pub struct Client(tftp_driver::client::Client<Smol>);

/// Settings of a [`Client`].
pub type ClientBuilder = tftp_driver::client::ClientBuilder<Client>;

/// An upload, to be awaited. See [`tftp_driver::client::Put`].
pub type Put<'a, T> = tftp_driver::client::Put<'a, Smol, Input<T>>;

impl Client {
    /// A client with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A client with other settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        self.0.config()
    }

    /// Asks for a file. The answer comes with the server's first packet, when the size (if the server tells it) and
    /// the parameters are known; the bytes are then to be read from the [`Download`].
    ///
    /// # Errors
    ///
    /// An [`Error`] by whose fault it is. Dropping the future tells the server, if it has answered.
    pub async fn get(&self, server: impl Into<Target>, name: impl AsRef<[u8]>) -> Result<Download, Error> {
        self.0.get(server, name).await.map(Download)
    }

    /// Sends a file: everything that `reader` gives until its end. `size` is its size in bytes if it is known: a hint
    /// for the server and for progress. Nothing happens before the [`Put`] is awaited.
    pub fn put<'a, T>(
        &self,
        server: impl Into<Target>,
        name: impl AsRef<[u8]>,
        reader: T,
        size: Option<u64>,
    ) -> Put<'a, T>
    where
        T: AsyncRead + Send + Unpin + 'a,
    {
        self.0.put(server, name, Input(reader), size)
    }
}

impl From<ClientConfig> for Client {
    fn from(config: ClientConfig) -> Self {
        Self(tftp_driver::client::Client::new(Smol, config))
    }
}

/// A file on its way from a server, to be read to its end. See [`tftp_driver::client::Download`].
///
/// Errors of reading hold an [`Error`].
pub struct Download(tftp_driver::client::Download<Smol>);

impl Download {
    /// The size of the file in bytes, if the server told it (RFC 2349). What it says is not checked.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.0.size()
    }

    /// What was agreed with the server.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        self.0.parameters()
    }

    /// Bytes received so far, read or not.
    #[must_use]
    pub fn transferred(&self) -> u64 {
        self.0.transferred()
    }

    /// The story of the transfer, once it has ended.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.0.report()
    }

    /// Makes sure that the server knows of the end: repeats the last acknowledgement if the server asks for it, for one
    /// retransmission interval at most. To be called after the end of the file was read.
    ///
    /// # Errors
    ///
    /// What ended the transfer, or [`Error::Unread`] if there was more to read.
    pub async fn finish(self) -> Result<Report, Error> {
        self.0.finish().await
    }
}

impl AsyncRead for Download {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer).map_err(Into::into)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reader of futures-io as the driver sees it.
#[derive(Debug)]
pub struct Input<T>(T);

impl<T: AsyncRead + Send + Unpin> Source for Input<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}
