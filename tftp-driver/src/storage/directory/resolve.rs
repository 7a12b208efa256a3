//! From a client's name to an open file or directory beneath the root.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use super::system::syncable;
use crate::storage::StorageError;
use crate::storage::names::{is_reserved, relative};

/// What an absolute symbolic link beneath the root means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AbsoluteLinks {
    /// Nothing: it is refused, wherever it leads.
    #[default]
    Refuse,
    /// It is followed as if the root were `/`, as a server confined by `chroot` would. `..` stops at the root then.
    /// Linux only.
    FromRoot,
}

/// The directory that everything is beneath.
pub(super) struct Root {
    dir: Arc<Dir>,
    links: AbsoluteLinks,
}

impl Root {
    pub(super) fn open(path: &Path, links: AbsoluteLinks) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let root = Self { dir: Arc::new(syncable(dir)), links };
        // Fails here, not at the first request, where the system cannot do it.
        root.open_dir(Path::new("."))?;
        Ok(root)
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Opens whatever stands there for reading, without waiting for the other end of a FIFO.
    pub(super) fn open_file(&self, path: &Path) -> Result<File, StorageError> {
        match self.links {
            AbsoluteLinks::Refuse => self.dir.open_with(path, &reading()).map(cap_std::fs::File::into_std),
            AbsoluteLinks::FromRoot => in_root::open_file(&self.dir, path),
        }
        .map_err(open_error)
    }

    /// Opens the directory that an upload goes to. The root itself is shared, which spares a descriptor.
    pub(super) fn open_parent(&self, target: &Target) -> Result<Arc<Dir>, StorageError> {
        match &target.parent {
            None => Ok(Arc::clone(&self.dir)),
            Some(parent) => self.open_dir(parent).map(syncable).map(Arc::new).map_err(open_error),
        }
    }

    pub(super) fn open_dir(&self, path: &Path) -> io::Result<Dir> {
        match self.links {
            AbsoluteLinks::Refuse => self.dir.open_dir(path),
            AbsoluteLinks::FromRoot => in_root::open_dir(&self.dir, path),
        }
    }

    /// Removes an empty directory.
    pub(super) fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        self.open_dir(parent)?.remove_dir(name)
    }
}

/// Options to read from what may turn out not to be a regular file.
fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use cap_std::fs::OpenOptionsExt;
        use rustix::fs::OFlags;
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

/// The path to read, or `None` if it is one of an upload in progress.
pub(super) fn path(name: &[u8]) -> Result<Option<PathBuf>, StorageError> {
    let name = relative(name)?;
    if is_reserved(&name) {
        return Ok(None);
    }
    os_path(name).map(Some)
}

/// Where an upload goes.
pub(super) struct Target {
    /// The directory, relative to the root; `None` is the root.
    pub(super) parent: Option<PathBuf>,
    /// The name in it: one component.
    pub(super) name: PathBuf,
}

pub(super) fn target(name: &[u8]) -> Result<Target, StorageError> {
    let mut parent = relative(name)?;
    if is_reserved(&parent) {
        return Err(StorageError::denied("the name is reserved for uploads in progress"));
    }
    let start = parent.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let name = parent.split_off(start);
    if matches!(&name[..], b"" | b"." | b"..") {
        return Err(StorageError::invalid_name("names a directory"));
    }
    let parent = if parent.is_empty() { None } else { Some(os_path(parent)?) };
    Ok(Target { parent, name: os_path(name)? })
}

#[cfg(unix)]
// As elsewhere, where a name may be none that the system has.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn os_path(name: Vec<u8>) -> Result<PathBuf, StorageError> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(name).into())
}

#[cfg(not(unix))]
pub(super) fn os_path(name: Vec<u8>) -> Result<PathBuf, StorageError> {
    #[cfg(windows)]
    if crate::storage::names::is_special_on_windows(&name) {
        return Err(StorageError::invalid_name("a device, a drive or a stream"));
    }
    match String::from_utf8(name) {
        Ok(name) => Ok(name.into()),
        Err(_) => Err(StorageError::invalid_name("not UTF-8")),
    }
}

fn open_error(error: io::Error) -> StorageError {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let errno = Errno::from_io_error(&error);
        if errno == Some(Errno::LOOP) {
            return StorageError::denied("too many links, or one that may not be followed");
        }
        if matches!(errno, Some(Errno::NXIO | Errno::NODEV)) {
            return StorageError::denied("not a regular file");
        }
    }
    error.into()
}

/// `openat2` with the root as `/`.
#[cfg(target_os = "linux")]
mod in_root {
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use cap_std::fs::Dir;
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;

    /// A rename anywhere on the system may make the kernel ask to try again.
    const ATTEMPTS: usize = 64;

    pub(super) fn open_file(root: &Dir, path: &Path) -> io::Result<File> {
        open(root, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map(File::from)
    }

    pub(super) fn open_dir(root: &Dir, path: &Path) -> io::Result<Dir> {
        open(root, path, OFlags::PATH | OFlags::DIRECTORY).map(|fd| Dir::from_std_file(fd.into()))
    }

    fn open(root: &Dir, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..ATTEMPTS {
            match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Ok(result?),
            }
        }
        Err(Errno::AGAIN.into())
    }
}

#[cfg(not(target_os = "linux"))]
mod in_root {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use cap_std::fs::Dir;

    pub(super) fn open_file(_: &Dir, _: &Path) -> io::Result<File> {
        Err(unsupported())
    }

    pub(super) fn open_dir(_: &Dir, _: &Path) -> io::Result<Dir> {
        Err(unsupported())
    }

    fn unsupported() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "absolute links cannot be followed beneath a root on this system")
    }
}
