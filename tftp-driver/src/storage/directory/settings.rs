//! Settings of a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ownership::Ownership;
use super::resolve::{AbsoluteLinks, Root};
use super::version::Versions;
use super::{Directory, Shared, leftovers, system};
use crate::storage::{Claims, WritePolicy};

/// Settings of a [`Directory`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DirectoryBuilder {
    path: PathBuf,
    pub(super) readable: bool,
    pub(super) policy: WritePolicy,
    pub(super) ownership: Ownership,
    pub(super) create_directories: bool,
    pub(super) min_free: u64,
    pub(super) ignore_case: bool,
    cache_size: usize,
    absolute_links: AbsoluteLinks,
}

impl DirectoryBuilder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            readable: true,
            policy: WritePolicy::READ_ONLY,
            ownership: Ownership::default(),
            create_directories: false,
            min_free: 0,
            ignore_case: false,
            cache_size: 64 << 20,
            absolute_links: AbsoluteLinks::Refuse,
        }
    }

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

    /// The permissions of uploaded files, whatever the process's umask. By default `0o666` less the umask. Directories
    /// made for uploads may be searched by whoever may read. Unix only.
    pub fn mode(mut self, mode: u32) -> Self {
        self.ownership.mode = Some(mode & 0o777);
        self
    }

    /// The user and the group of uploaded files, by their numbers; `None` leaves that of the process. Giving files to
    /// another user takes a privilege (`CAP_CHOWN`), which [`open`](Self::open) checks. Unix only.
    pub fn owner(mut self, user: Option<u32>, group: Option<u32>) -> Self {
        self.ownership.user = user;
        self.ownership.group = group;
        self
    }

    /// Whether an upload makes the directories in its name that are missing, 16 at most. It does not by default. Those
    /// made for an upload that fails go with it, as far as they are empty.
    pub fn create_directories(mut self, create: bool) -> Self {
        self.create_directories = create;
        self
    }

    /// The bytes of the file system that uploads must leave free for others: one that is announced larger than what is
    /// above that is refused with [`QuotaExceeded`](crate::storage::StorageError::QuotaExceeded), and so is one that
    /// comes so far, give or take 512 KiB for each upload under way. 0 by default. Unix only.
    pub fn min_free(mut self, bytes: u64) -> Self {
        self.min_free = bytes;
        self
    }

    /// Whether a name that is not there as it is spelled may be one that differs in case. It may not by default.
    ///
    /// Each component is looked for exactly first. Of several that differ in case the first counts, in the order of
    /// their bytes (`README` before `Readme`). Uploads follow the same rule, so that one of `CONFIG` replaces, or is
    /// refused for, a file `config`. A name that is not there costs a listing of its directory.
    pub fn ignore_case(mut self, ignore: bool) -> Self {
        self.ignore_case = ignore;
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

    pub(super) const fn makes_directories(&self) -> bool {
        self.create_directories && self.policy.create
    }

    /// Opens the directory, and removes what killed uploads left there if uploads are accepted.
    ///
    /// This blocks, the longer the more files there are.
    ///
    /// # Errors
    ///
    /// When the directory cannot be opened, or the system lacks what a setting needs, or the process the privilege. The
    /// message names the directory.
    pub fn open(self) -> io::Result<Directory> {
        let path = self.path.clone();
        self.open_it().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    fn open_it(self) -> io::Result<Directory> {
        let root = Root::open(&self.path, self.absolute_links)?;
        if self.min_free > 0 && system::available(root.dir()).is_none() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the system does not say how much room is free"));
        }
        let leftovers = if self.policy.is_read_only() {
            0
        } else {
            self.ownership.probe(root.dir())?;
            leftovers::remove(root.dir())
        };
        let versions = Versions::new(self.cache_size);
        let shared = Shared { root: Arc::new(root), versions, claims: Claims::new(), leftovers, settings: self };
        Ok(Directory { shared: Arc::new(shared) })
    }
}
