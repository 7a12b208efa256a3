//! Uploads.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tftp_proto::endpoint::Report;
use tftp_proto::wire::Direction;

use super::feed::{Feed, Source};
use super::session::{Request, Session};
use super::{ClientConfig, Error, Target};
use crate::runtime::Runtime;

type Progress<'a> = Box<dyn FnMut(u64, Option<u64>) + Send + 'a>;

/// An upload, to be awaited. Ends when the server has confirmed the whole file.
///
/// It is no future yet, but becomes one: to spawn it, pin it, or give it to `select!`, call `.into_future()`.
///
/// Dropped before that, it tells the server so, once.
#[must_use = "nothing is sent before it is awaited"]
pub struct Put<'a, R, S> {
    runtime: R,
    config: Arc<ClientConfig>,
    request: Request,
    source: S,
    progress: Option<Progress<'a>>,
}

impl<'a, R, S> Put<'a, R, S> {
    pub(super) fn new(
        runtime: R,
        config: Arc<ClientConfig>,
        server: Target,
        name: Vec<u8>,
        source: S,
        size: Option<u64>,
    ) -> Self {
        let request = Request { server, name, direction: Direction::Write, size };
        Self { runtime, config, request, source, progress: None }
    }

    /// Is told how many bytes the server has acknowledged, and the size if it is known, whenever that has changed.
    pub fn progress(mut self, progress: impl FnMut(u64, Option<u64>) + Send + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }
}

impl<'a, R: Runtime, S: Source + Unpin + 'a> IntoFuture for Put<'a, R, S> {
    type Output = Result<Report, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { runtime, config, request, source, progress } = self;
            let size = request.size;
            let session = Session::open(runtime, &config, request, Feed::new(source)).await?;
            let mut upload = Upload { session, size, progress, told: None };
            poll_fn(|cx| upload.poll(cx)).await
        })
    }
}

impl<R, S> fmt::Debug for Put<'_, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").field("config", &self.config).finish_non_exhaustive()
    }
}

struct Upload<'a, R: Runtime, S: Source + Unpin> {
    session: Session<R, Feed<S>>,
    size: Option<u64>,
    progress: Option<Progress<'a>>,
    told: Option<u64>,
}

impl<R: Runtime, S: Source + Unpin> Upload<'_, R, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Report, Error>> {
        self.session.poll(cx)?;
        self.tell_progress();
        if self.session.report().is_none() {
            return Poll::Pending;
        }
        let source = self.session.handler_mut().take_error();
        match self.session.result(source) {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }

    fn tell_progress(&mut self) {
        let transferred = self.session.transferred();
        if let Some(progress) = &mut self.progress
            && self.told != Some(transferred)
        {
            self.told = Some(transferred);
            progress(transferred, self.size);
        }
    }
}
