//! A file that has to stay as it is while it is read.

use std::fs::{File, Metadata};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::io::{AsyncRead, ReadBuf};

use super::regular::Regular;

/// A regular file that is read as [`Regular`] reads it, and whose end is an error unless the file is still what it was when
/// it was opened: half of it, or a mixture of two versions, must not arrive as if it were the file.
#[derive(Debug)]
pub(crate) struct Unchanged {
    file: Regular,
    size: u64,
    modified: Option<SystemTime>,
    read: u64,
    /// For people.
    display: String,
}

impl Unchanged {
    /// `metadata` is that of `file`, from before the first byte is read.
    pub(crate) fn new(file: File, metadata: &Metadata, display: String) -> Self {
        Self { file: Regular(file), size: metadata.len(), modified: metadata.modified().ok(), read: 0, display }
    }

    fn check(&self, at_end: bool) -> io::Result<()> {
        // What has no size in advance, as in /proc, says 0, and what has less than it says, as in /sys, a page.
        let is_longer = self.size > 0 && self.read > self.size;
        if !is_longer && !at_end {
            return Ok(());
        }
        let now = self.file.0.metadata()?;
        if is_longer || now.len() != self.size || now.modified().ok() != self.modified {
            let Self { display, .. } = self;
            return Err(io::Error::other(format!(
                "{display} changed while it was read: put a copy that stays as it is"
            )));
        }
        Ok(())
    }
}

impl AsyncRead for Unchanged {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.file).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = polled {
            let count = buffer.filled().len() - before;
            self.read += count as u64;
            // A buffer without room says nothing of the end.
            self.check(count == 0 && buffer.remaining() > 0).inspect_err(|_| buffer.set_filled(before))?;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Reads one byte of a file of four, lets somebody change it, and reads the rest.
    async fn read_while(change: impl FnOnce(&mut File)) -> io::Result<Vec<u8>> {
        let named = tempfile::NamedTempFile::new()?;
        std::fs::write(&named, b"four")?;
        let file = named.reopen()?;
        // A clock of the file system may be as coarse as a second.
        file.set_modified(SystemTime::UNIX_EPOCH)?;
        let mut reader = Unchanged::new(file.try_clone()?, &file.metadata()?, "the file".into());
        let mut bytes = vec![reader.read_u8().await?];
        change(&mut File::options().append(true).open(&named)?);
        reader.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    #[tokio::test]
    async fn the_end_of_a_file_that_stayed_as_it_was_is_its_end() {
        assert_eq!(read_while(|_| ()).await.unwrap(), b"four");
        let named = tempfile::NamedTempFile::new().unwrap();
        let mut empty = Unchanged::new(named.reopen().unwrap(), &named.as_file().metadata().unwrap(), String::new());
        assert_eq!(empty.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_end_of_a_file_that_changed_is_an_error() {
        let shorter = read_while(|file| file.set_len(2).unwrap()).await.unwrap_err();
        assert_eq!(shorter.to_string(), "the file changed while it was read: put a copy that stays as it is");
        read_while(|file| file.write_all(b"more").unwrap()).await.unwrap_err();
        // Every byte may have been read before they were written over: only the time tells.
        read_while(|file| file.set_modified(SystemTime::now()).unwrap()).await.unwrap_err();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn files_of_the_kernel_are_read_whatever_size_they_say() {
        for (path, size) in [("/proc/self/status", 0), ("/sys/class/net/lo/mtu", 4096)] {
            let file = File::open(path).unwrap();
            let metadata = file.metadata().unwrap();
            let mut bytes = Vec::new();
            Unchanged::new(file, &metadata, String::new()).read_to_end(&mut bytes).await.unwrap();
            assert_eq!(metadata.len(), size, "{path}");
            assert!(!bytes.is_empty() && bytes.len() as u64 != size, "{path}");
        }
    }
}
