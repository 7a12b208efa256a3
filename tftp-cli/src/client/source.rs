//! What an upload reads.

use std::path::Path;

use tokio::io::{AsyncRead, BufReader};

use super::regular::Regular;
use super::target::{local, show};
use crate::exit::Failure;

/// Bytes read at once of what is not a file: a hop to the blocking pool for every block would be most of the work.
const READ_AHEAD: usize = 256 << 10;

/// Bytes read at once of a file, unless more is asked for.
const BUFFER: usize = 32 << 10;

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
            Ok((file, metadata.is_file().then_some(metadata.len())))
        };
        let (file, size) = open().map_err(|error| local(path, "read", &error))?;
        let reader: Box<dyn AsyncRead + Send + Unpin> = match size {
            Some(_) => Box::new(BufReader::with_capacity(BUFFER, Regular(file))),
            None => Box::new(BufReader::with_capacity(READ_AHEAD, tokio::fs::File::from_std(file))),
        };
        Ok(Self { reader, size, display: show(path) })
    }
}

/// The last component of a local path, as a name on the server.
pub(crate) fn name(path: &Path) -> Option<&[u8]> {
    if path == Path::new("-") { None } else { path.file_name().map(std::ffi::OsStr::as_encoded_bytes) }
}
