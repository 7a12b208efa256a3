//! The client in tokio's traits.

use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tftp_driver::adapter::{self, Adapter, Reads};
use tokio::io::{AsyncRead, ReadBuf};

use crate::Tokio;

/// A TFTP client on tokio. See [`tftp_driver::adapter::Client`].
pub type Client = adapter::Client<Tokio>;

/// Settings of a [`Client`]. See [`tftp_driver::client::ClientBuilder`].
pub type ClientBuilder = adapter::ClientBuilder<Tokio>;

/// An upload, to be awaited. See [`tftp_driver::client::Put`].
pub type Put<'a, T> = tftp_driver::client::Put<'a, Tokio, adapter::Input<Tokio, T>>;

/// A file on its way from a server: a reader, and what [`tftp_driver::client::Download`] can tell of it.
///
/// Errors of reading hold an [`Error`](crate::Error).
#[derive(Debug)]
pub struct Download(tftp_driver::client::Download<Tokio>);

impl Adapter for Tokio {
    type Download = Download;
}

impl From<tftp_driver::client::Download<Tokio>> for Download {
    fn from(download: tftp_driver::client::Download<Tokio>) -> Self {
        Self(download)
    }
}

impl Deref for Download {
    type Target = tftp_driver::client::Download<Tokio>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Download {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl AsyncRead for Download {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled = ready!(self.0.poll_read(cx, buffer.initialize_unfilled()))?;
        buffer.advance(filled);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> Reads<T> for Tokio {
    fn poll_read(reader: &mut T, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(reader).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}
