//! The client in the traits of futures-io.

use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_lite::AsyncRead;
use tftp_driver::adapter::{self, Adapter, Reads};

use crate::Smol;

/// A TFTP client on async-io. See [`tftp_driver::adapter::Client`].
pub type Client = adapter::Client<Smol>;

/// Settings of a [`Client`]. See [`tftp_driver::client::ClientBuilder`].
pub type ClientBuilder = adapter::ClientBuilder<Smol>;

/// An upload, to be awaited. See [`tftp_driver::client::Put`].
pub type Put<'a, T> = tftp_driver::client::Put<'a, Smol, adapter::Input<Smol, T>>;

/// A file on its way from a server: a reader, and what [`tftp_driver::client::Download`] can tell of it.
///
/// Errors of reading hold an [`Error`](crate::Error).
#[derive(Debug)]
pub struct Download(tftp_driver::client::Download<Smol>);

impl Adapter for Smol {
    type Download = Download;
}

impl From<tftp_driver::client::Download<Smol>> for Download {
    fn from(download: tftp_driver::client::Download<Smol>) -> Self {
        Self(download)
    }
}

impl Deref for Download {
    type Target = tftp_driver::client::Download<Smol>;

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
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer).map_err(Into::into)
    }
}

impl<T: AsyncRead + Unpin> Reads<T> for Smol {
    fn poll_read(reader: &mut T, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(reader).poll_read(cx, buffer)
    }
}
