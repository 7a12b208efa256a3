//! Regular files, without a hop to another thread.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A regular file that is read and written where it is polled. That takes microseconds, for the system reads ahead and
/// writes behind; handing it to another thread takes longer, and the transfer has to wait for it either way. Not for
/// what may keep us waiting for somebody else, such as FIFOs.
#[derive(Debug)]
pub(crate) struct Regular(pub(crate) File);

impl AsyncRead for Regular {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let count = uninterrupted(|| self.0.read(buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Regular {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(uninterrupted(|| self.0.write(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_was_written_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = vec![7; 300_000];
        let mut writer = Regular(file.reopen().unwrap());
        writer.write_all(&bytes).await.unwrap();
        writer.shutdown().await.unwrap();
        let mut read = Vec::new();
        Regular(file.reopen().unwrap()).read_to_end(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }
}
