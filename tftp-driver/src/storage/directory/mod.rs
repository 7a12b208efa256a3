//! Files beneath one directory.

mod cache;
mod leftovers;
mod reader;
mod resolve;
mod system;
mod upload;
mod version;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Claims, Context, ReadRequest, Storage, StorageError, WritePolicy, WriteRequest};
pub use reader::DirectoryReader;
pub use resolve::AbsoluteLinks;
use resolve::Root;
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
/// modification tell, as finely as the file system keeps the time. Pages in the page cache are read at once. Readers
/// of one version share one open file and a bounded cache of its content.
///
/// **Writing.** An upload is a temporary file beside its target, under a name that no request reaches
/// (`.tftp-upload-…`), locked while it is alive. The commit syncs it, renames it and syncs the directory. What a
/// killed process left is removed when the directory is opened for writing the next time. Uploads never go through a
/// link or to anything but a regular file, do not replace a file that the process may not write to, and create no
/// directories. A replaced file gets the mode and the owner of a new one.
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
    root: Root,
    versions: Versions,
    claims: Claims<Key>,
    leftovers: usize,
}

/// Settings of a [`Directory`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DirectoryBuilder {
    path: PathBuf,
    readable: bool,
    policy: WritePolicy,
    mode: u32,
    cache_size: usize,
    absolute_links: AbsoluteLinks,
}

impl DirectoryBuilder {
    /// Which uploads to accept. None by default: [`WritePolicy::READ_ONLY`].
    pub fn write_policy(mut self, policy: WritePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Whether files may be read. They may by default; a drop box is `readable(false)`.
    pub fn readable(mut self, readable: bool) -> Self {
        self.readable = readable;
        self
    }

    /// The permissions of uploaded files, less the process's umask. `0o666` by default. Unix only.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode & 0o777;
        self
    }

    /// The most bytes of file content to keep for readers of the same file, and for file systems that cannot say
    /// whether a page is cached. 64 MiB by default.
    pub fn cache_size(mut self, bytes: usize) -> Self {
        self.cache_size = bytes;
        self
    }

    /// What to do with absolute symbolic links. They are refused by default.
    pub fn absolute_links(mut self, links: AbsoluteLinks) -> Self {
        self.absolute_links = links;
        self
    }

    /// Opens the directory, and removes what killed uploads left there if uploads are accepted.
    ///
    /// This blocks, the longer the more files there are.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened, or the system lacks what a setting needs.
    pub fn open(self) -> io::Result<Directory> {
        let root = Root::open(&self.path, self.absolute_links)?;
        let leftovers = if self.policy.is_read_only() { 0 } else { leftovers::remove(root.dir()) };
        let versions = Versions::new(self.cache_size);
        let shared = Shared { root, versions, claims: Claims::new(), leftovers, settings: self };
        Ok(Directory { shared: Arc::new(shared) })
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
        DirectoryBuilder {
            path: path.as_ref().to_owned(),
            readable: true,
            policy: WritePolicy::READ_ONLY,
            mode: 0o666,
            cache_size: 64 << 20,
            absolute_links: AbsoluteLinks::Refuse,
        }
    }

    /// How many uploads that a killed process had left were removed when this directory was opened.
    #[must_use]
    pub fn removed_leftovers(&self) -> usize {
        self.shared.leftovers
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
        let version = cx.run(move || shared.versions.open(shared.root.open_file(&path)?)).await??;
        Ok(DirectoryReader::new(version, cx.clone()))
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<DirectoryWriter, StorageError> {
        let policy = self.shared.settings.policy;
        policy.check_request(request)?;
        let target = resolve::target(&request.name)?;
        let (shared, owner) = (Arc::clone(&self.shared), request.owner);
        let open = move || Upload::begin(&shared.root, &shared.claims, target, owner, policy, shared.settings.mode);
        let upload = cx.run(open).await??;
        Ok(DirectoryWriter::new(upload, policy, cx.clone()))
    }
}
