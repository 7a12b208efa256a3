//! The directory of a cache: one server's alone, and cleaned when it is opened.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Held for as long as the cache is open.
const LOCK: &str = "lock";

/// A chunk that is being written.
const WRITING: &str = "writing";

const SUFFIX: &str = ".chunk";

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: File,
}

/// A file that may be a chunk.
pub(super) struct Entry {
    pub(super) name: u128,
    pub(super) len: u64,
    written: SystemTime,
}

impl Directory {
    /// Makes it if need be, and takes it for this server alone.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        make(path)?;
        check(path)?;
        let lock = open_lock(&path.join(LOCK))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The chunks there are, oldest first. What a crash left half-written goes; files of others are left alone.
    pub(super) fn clean(&self) -> io::Result<Vec<Entry>> {
        remove(&self.path.join(WRITING))?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            entries.extend(chunk(&entry?));
        }
        entries.sort_by_key(|entry| entry.written);
        Ok(entries)
    }

    fn file(&self, name: u128) -> PathBuf {
        self.path.join(format!("{name:032x}{SUFFIX}"))
    }

    pub(super) fn read(&self, name: u128) -> io::Result<File> {
        no_links(OpenOptions::new().read(true)).open(self.file(name))
    }

    pub(super) fn exists(&self, name: u128) -> bool {
        self.file(name).symlink_metadata().is_ok()
    }

    /// The file appears under its name when `write` has succeeded, or not at all. One at a time.
    pub(super) fn write(&self, name: u128, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let path = self.path.join(WRITING);
        let written = private(OpenOptions::new().write(true).create_new(true)).open(&path).and_then(|mut file| {
            write(&mut file)?;
            fs::rename(&path, self.file(name))
        });
        if written.is_err() {
            let _ = remove(&path);
        }
        written
    }

    pub(super) fn remove(&self, name: u128) -> io::Result<()> {
        remove(&self.file(name))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn chunk(entry: &DirEntry) -> Option<Entry> {
    let file = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    let name = entry.file_name().into_string().ok()?;
    let name = name.strip_suffix(SUFFIX).filter(|name| name.len() == 32)?;
    let name = u128::from_str_radix(name, 16).ok()?;
    Some(Entry { name, len: file.len(), written: file.modified().unwrap_or(SystemTime::UNIX_EPOCH) })
}

#[cfg(unix)]
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Whoever may write here may have clients get what he likes.
fn check(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let directory = fs::metadata(path)?;
        let denied = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        if directory.mode() & 0o022 != 0 {
            return denied("others may write there (chmod go-w)");
        }
        if ![0, rustix::process::geteuid().as_raw()].contains(&directory.uid()) {
            return denied("it belongs to another user");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;

    no_links(options.mode(0o600))
}

#[cfg(unix)]
fn no_links(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;

    options.custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0))
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn no_links(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(unix)]
fn open_lock(path: &Path) -> io::Result<File> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(in_use()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(windows)]
fn open_lock(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt as _;

    const SHARING_VIOLATION: i32 = 32;
    let opened = OpenOptions::new().write(true).create(true).truncate(false).share_mode(0).open(path);
    opened.map_err(|error| if error.raw_os_error() == Some(SHARING_VIOLATION) { in_use() } else { error })
}

#[cfg(not(any(unix, windows)))]
fn open_lock(_: &Path) -> io::Result<File> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no locks"))
}

#[cfg(any(unix, windows))]
fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "another server uses it")
}
