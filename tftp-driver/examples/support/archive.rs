//! A back end of one's own: the files of a tar archive, without unpacking it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tftp_driver::storage::names::canonical;
use tftp_driver::storage::{Context, NoWriter, ReadRequest, Reader, Storage, StorageError, WriteRequest};

/// Serves what is in an archive. It is read once at the start, to learn where each file's content stands; then content
/// comes straight from there, by position, for any number of clients at once.
pub(crate) struct Archive {
    file: Arc<File>,
    /// Where the content of each regular file stands in the archive, by the file's canonical name.
    files: BTreeMap<Vec<u8>, Range<u64>>,
}

impl Archive {
    /// Learns what is in an archive. It blocks: do it before the server starts.
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&file).entries_with_seek()? {
            let entry = entry?;
            // Links, directories and devices are not served, and neither is a name that no client could ask for.
            let Ok(name) = canonical(&entry.path_bytes()) else { continue };
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let start = entry.raw_file_position();
            let end = start.checked_add(entry.size()).filter(|end| *end <= len);
            let end = end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"))?;
            // Of two files of one name the later counts, as when they are unpacked.
            files.insert(name, start..end);
        }
        Ok(Self { file: Arc::new(file), files })
    }
}

impl Storage for Archive {
    type Reader = Member;
    // It takes no uploads.
    type Writer = NoWriter;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<Member, StorageError> {
        // The client's name as all back ends understand it: no leading `/`, no `\`, never upwards.
        let name = canonical(&request.name)?;
        let range = self.files.get(&name).cloned().ok_or(StorageError::NotFound)?;
        Ok(Member { file: Arc::clone(&self.file), range, cx: cx.clone() })
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        Err(StorageError::AccessDenied("an archive takes no uploads".into()))
    }
}

/// One file of the archive, open.
pub(crate) struct Member {
    file: Arc<File>,
    range: Range<u64>,
    cx: Context,
}

impl Reader for Member {
    fn size(&self) -> Option<u64> {
        Some(self.range.end - self.range.start)
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        // Exactly what is asked for, less at the end of the file, and nothing past it.
        let start = self.range.start.saturating_add(offset).min(self.range.end);
        let len = (self.range.end - start).min(len as u64) as usize;
        let file = Arc::clone(&self.file);
        // A disk blocks, so this runs where that does no harm.
        let read = move || {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, start).map(|()| bytes)
        };
        match self.cx.run(read).await? {
            Ok(bytes) => Ok(bytes.into()),
            // Somebody has cut the archive off since.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(StorageError::Changed),
            Err(error) => Err(error.into()),
        }
    }
}
