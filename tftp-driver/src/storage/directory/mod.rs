//! Files beneath one directory.

mod buffers;
mod cache;
mod fold;
mod leftovers;
mod ownership;
mod parents;
mod reader;
mod resolve;
mod settings;
mod system;
mod temporary;
mod upload;
mod usage;
mod version;
mod walk;
mod writer;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Claims, Context, ReadRequest, Storage, StorageError, Usage, WriteRequest};
pub use reader::DirectoryReader;
pub use resolve::AbsoluteLinks;
use resolve::Root;
pub use settings::DirectoryBuilder;
use upload::{Key, Upload};
use version::Versions;
pub use writer::DirectoryWriter;

/// Files beneath a directory, read-only unless it is told otherwise. Clones share it.
///
/// **Names.** Leading `/` are dropped and `\` is `/`. What remains is resolved beneath the root by the kernel
/// (`openat2` on Linux; where that is missing, component by component, without ever following a link unseen), so
/// neither `..` nor a symbolic link leads out, also not one that is swapped in at the wrong moment. Links that stay
/// inside are followed when reading; for absolute ones see [`AbsoluteLinks`]. Only regular files are served. Control
/// bytes are refused.
///
/// **Reading.** A reader keeps the file it opened when it is replaced by a rename. When a file is modified in place
/// while it is read, reading fails with [`StorageError::Changed`] rather than give a mixture; the size and the time of
/// modification tell, as finely as the file system keeps the time. On Linux what is in the page cache, or on tmpfs
/// (swapped out or not), is read at once; file systems that do not tell, such as overlayfs, are read by the pool. Readers of
/// one version share one open file and a bounded cache of its content.
///
/// **Writing.** An upload is a temporary file beside its target, under a name that no request reaches
/// (`.tftp-upload-…`) and that follows from the target's, locked while it is alive. So a second upload of the file is
/// refused whoever began the first: [`Busy`](StorageError::Busy) within one `Directory`,
/// [`BusyElsewhere`](StorageError::BusyElsewhere) for another one, in this process or in another. Where the file system
/// has no locks (some network file systems), two processes do not see each other; then the first commit wins without
/// `overwrite`, and the last with it. A file is one of the two in any case, and whole.
///
/// The commit syncs the file, renames it and syncs the directory. What a killed process left is removed when the
/// directory is opened for writing the next time, and by the next upload of the same name. Uploads never go through a
/// link or to anything but a regular file, do not replace a file that the process may not write to, and create no
/// directories unless they are told to. A replaced file gets the mode and the owner of a new one.
///
/// ```no_run
/// use tftp_driver::storage::{Directory, WritePolicy};
///
/// let boot_files = Directory::open("/srv/tftp")?;
/// let backups = Directory::builder("/srv/backups")
///     .write_policy(WritePolicy::CREATE.with_max_size(64 << 20))
///     .readable(false)
///     .open()?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Directory {
    shared: Arc<Shared>,
}

struct Shared {
    settings: DirectoryBuilder,
    root: Arc<Root>,
    versions: Versions,
    claims: Claims<Key>,
    leftovers: usize,
}

impl Shared {
    fn open_file(&self, path: &Path) -> Result<File, StorageError> {
        match self.root.open_file(path) {
            Err(StorageError::NotFound) if self.settings.ignore_case => {
                self.root.open_file(&fold::spelled(&self.root, path))
            }
            opened => opened,
        }
    }
}

impl Directory {
    /// Opens a directory, to read from only.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::builder(path).open()
    }

    /// Settings to open one with.
    pub fn builder(path: impl AsRef<Path>) -> DirectoryBuilder {
        DirectoryBuilder::new(path.as_ref())
    }

    /// How many uploads that a killed process had left were removed when this directory was opened.
    #[must_use]
    pub fn removed_leftovers(&self) -> usize {
        self.shared.leftovers
    }

    /// How much the directory holds, without uploads in progress: every regular file beneath it, as far as it can be
    /// listed. This blocks, the longer the more files there are.
    #[must_use]
    pub fn usage(&self) -> Usage {
        usage::measure(self.shared.root.dir())
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Storage for Directory {
    type Reader = DirectoryReader;
    type Writer = DirectoryWriter;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<DirectoryReader, StorageError> {
        if !self.shared.settings.readable {
            return Err(StorageError::denied("reading is not allowed"));
        }
        let path = resolve::path(&request.name)?.ok_or(StorageError::NotFound)?;
        let shared = Arc::clone(&self.shared);
        let version = cx.run(move || shared.versions.open(shared.open_file(&path)?)).await??;
        Ok(DirectoryReader::new(version, cx.clone()))
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<DirectoryWriter, StorageError> {
        let policy = self.shared.settings.policy;
        policy.check_request(request)?;
        let target = resolve::target(&request.name)?;
        let (shared, request) = (Arc::clone(&self.shared), request.clone());
        let upload = cx.run(move || Upload::begin(&shared, &request, &target)).await??;
        Ok(DirectoryWriter::new(upload, cx.clone()))
    }
}
