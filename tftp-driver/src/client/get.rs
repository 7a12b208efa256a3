//! Downloads.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tftp_proto::endpoint::{FailureKind, JobResult, Report, StorageFailure};
use tftp_proto::negotiate::Parameters;
use tftp_proto::wire::Direction;

use super::session::{Request, Session};
use super::sink::Sink;
use super::{ClientConfig, Error, Target};
use crate::runtime::Runtime;

/// A file on its way from a server, to be read to its end.
///
/// The transfer moves only while it is read: a reader that pauses stalls it, and the server gives up after a while. No
/// more than about two windows and a chunk ([`ClientConfig::chunk_size`]) are buffered. The last packet is acknowledged
/// when the last byte has been read.
///
/// Dropped before the end, it tells the server so, once.
pub struct Download<R: Runtime> {
    session: Session<R, Sink>,
    parameters: Parameters,
}

impl<R: Runtime> Download<R> {
    pub(super) async fn open(
        runtime: R,
        config: Arc<ClientConfig>,
        server: Target,
        name: Vec<u8>,
    ) -> Result<Self, Error> {
        let request = Request { server, name, direction: Direction::Read, size: None };
        let mut session = Session::open(runtime, &config, request, Sink::new()).await?;
        poll_fn(|cx| session.poll_answered(cx)).await?;
        if let Some(Err(error)) = session.result(None) {
            return Err(error);
        }
        let parameters = session.parameters().copied().unwrap_or(Parameters::without_options(config.mode));
        let window = usize::from(parameters.block_size) * usize::from(parameters.window_size);
        session.handler_mut().set_window(window, config.chunk_size);
        Ok(Self { session, parameters })
    }

    /// The size of the file in bytes, if the server told it (RFC 2349). What it says is not checked.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.parameters.transfer_size
    }

    /// What was agreed with the server.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Bytes received so far, read or not.
    #[must_use]
    pub fn transferred(&self) -> u64 {
        self.session.transferred()
    }

    /// The story of the transfer, once it has ended.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        self.session.report()
    }

    /// Reads into `buffer`, and drives the transfer. 0 bytes are the end of the file, which then has been acknowledged.
    ///
    /// # Errors
    ///
    /// What ended the transfer, after everything that was handed on before ([`ClientConfig::chunk_size`]) has been read.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize, Error>> {
        if buffer.is_empty() || !ready!(self.poll_more(cx))? {
            return Poll::Ready(Ok(0));
        }
        let filled = self.session.handler_mut().read(buffer);
        self.commit_if_read(cx);
        Poll::Ready(Ok(filled))
    }

    /// What comes next of the file, without a copy of it; `None` is its end, which then has been acknowledged. How much
    /// that is depends on the server, on the network, and on [`chunk_size`](super::ClientBuilder::chunk_size).
    ///
    /// # Errors
    ///
    /// What ended the transfer, after everything that was handed on before.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// As [`chunk`](Self::chunk).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if !ready!(self.poll_more(cx))? {
            return Poll::Ready(Ok(None));
        }
        let chunk = self.session.handler_mut().pop();
        self.commit_if_read(cx);
        Poll::Ready(Ok(chunk))
    }

    /// A reader that knows the size may never come back after the last byte.
    fn commit_if_read(&mut self, cx: &mut Context<'_>) {
        if self.session.handler_mut().release_commit() {
            // An error will show again when it does.
            let _ = self.session.poll(cx);
        }
    }

    /// Ready once there is something to read (true), or the transfer has ended.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        loop {
            if !self.session.handler().is_empty() {
                return Poll::Ready(Ok(true));
            }
            if let Some(result) = self.session.result(None) {
                return Poll::Ready(result.map(|_| false));
            }
            self.session.poll(cx)?;
            if self.session.handler().is_empty() && self.session.report().is_none() {
                return Poll::Pending;
            }
        }
    }

    /// Makes sure that the server knows of the end: repeats the last acknowledgement if the server asks for it, for one
    /// retransmission interval at most, and for a few milliseconds where the server is near and nothing was lost. To be
    /// called after the end of the file was read.
    ///
    /// # Errors
    ///
    /// What ended the transfer, or [`Error::Unread`] if there is more to read; it still can be read then.
    pub async fn finish(&mut self) -> Result<Report, Error> {
        let unread = poll_fn(|cx| self.poll_more(cx)).await?;
        let Some(result) = self.session.result(None).filter(|_| !unread) else { return Err(Error::Unread) };
        self.session.shut_down();
        poll_fn(|cx| self.session.poll_dally(cx)).await?;
        result
    }
}

impl<R: Runtime> Drop for Download<R> {
    fn drop(&mut self) {
        // Nothing else stops a commit.
        if self.session.handler().is_committing() {
            self.session.answer(JobResult::Failed(StorageFailure::new(FailureKind::Other, "not read to its end")));
        }
    }
}

impl<R: Runtime> fmt::Debug for Download<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("parameters", &self.parameters)
            .field("transferred", &self.transferred())
            .finish_non_exhaustive()
    }
}
