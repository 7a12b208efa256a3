//! What an upload reads.

use std::path::Path;

use tokio::io::{AsyncRead, BufReader};

use super::target::{local, show};
use super::unchanged::Unchanged;
use crate::exit::Failure;

/// Bytes read at once of what is not a file: a hop to the blocking pool for every block would be most of the work.
const READ_AHEAD: usize = 256 << 10;

/// An open source.
pub(crate) struct Source {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    /// In bytes; unknown for pipes.
    pub(crate) size: Option<u64>,
    /// For people.
    pub(crate) display: String,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self {
                reader: Box::new(BufReader::with_capacity(READ_AHEAD, tokio::io::stdin())),
                size: None,
                display: "standard input".into(),
            });
        }
        let open = || {
            let file = std::fs::File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(std::io::ErrorKind::IsADirectory.into());
            }
            Ok((file, metadata))
        };
        let (file, metadata) = open().map_err(|error| local(path, "read", &error))?;
        let display = show(path);
        let reader: Box<dyn AsyncRead + Send + Unpin> = if metadata.is_file() {
            Box::new(Unchanged::new(file, &metadata, display.clone()))
        } else {
            Box::new(BufReader::with_capacity(READ_AHEAD, tokio::fs::File::from_std(file)))
        };
        Ok(Self { reader, size: metadata.is_file().then_some(metadata.len()), display })
    }
}

/// The last component of a local path, as a name on the server.
pub(crate) fn name(path: &Path) -> Option<&[u8]> {
    if path == Path::new("-") { None } else { path.file_name().map(std::ffi::OsStr::as_encoded_bytes) }
}
