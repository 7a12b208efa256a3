//! A root with something in it, something beside it, and short ways to use it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{
    AbsoluteLinks, Context, Directory, DirectoryReader, DirectoryWriter, Owner, ReadRequest, Reader, Storage,
    StorageError, WritePolicy, WriteRequest, Writer,
};

/// What no request may ever read or change.
pub(crate) const SECRET: &[u8] = b"the secret outside";
pub(crate) const PUBLIC: &[u8] = b"the file inside";

/// Blocking work on threads of its own, as an adapter would.
pub(crate) fn pool() -> Context {
    Context::new(|work| drop(thread::spawn(work)))
}

/// `home/root` is served; `home/outside`, `home/root-sibling` and `home/elsewhere` are not.
pub(crate) struct Fixture {
    home: tempfile::TempDir,
    pub(crate) directory: Directory,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_policy(WritePolicy::ANY)
    }

    pub(crate) fn with_policy(policy: WritePolicy) -> Self {
        let home = Self::home();
        let directory = Directory::builder(home.path().join("root")).write_policy(policy).open().unwrap();
        Self { home, directory }
    }

    /// Where the system can do it.
    pub(crate) fn following_links() -> Option<Self> {
        let home = Self::home();
        let builder = Directory::builder(home.path().join("root")).write_policy(WritePolicy::ANY);
        match builder.absolute_links(AbsoluteLinks::FromRoot).open() {
            Ok(directory) => Some(Self { home, directory }),
            Err(error) => {
                skipped("absolute links", &error.to_string());
                None
            }
        }
    }

    fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        for directory in ["root", "root/dir", "root-sibling", "elsewhere"] {
            fs::create_dir(path.join(directory)).unwrap();
        }
        for secret in ["outside", "root-sibling/file", "elsewhere/file"] {
            fs::write(path.join(secret), SECRET).unwrap();
        }
        for public in ["root/file", "root/dir/file"] {
            fs::write(path.join(public), PUBLIC).unwrap();
        }
        home
    }

    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.home.path().join("root").join(name)
    }

    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Every path beneath the home, sorted; directories and links count.
    pub(crate) fn tree(&self) -> Vec<PathBuf> {
        tree(self.home.path())
    }

    /// What is outside is as it was.
    pub(crate) fn assert_outside_untouched(&self) {
        for secret in ["outside", "root-sibling/file", "elsewhere/file"] {
            assert_eq!(fs::read(self.outside(secret)).unwrap(), SECRET, "{secret}");
        }
        for directory in ["root-sibling", "elsewhere"] {
            assert_eq!(fs::read_dir(self.outside(directory)).unwrap().count(), 1, "{directory}");
        }
        assert_eq!(fs::read_dir(self.home.path()).unwrap().count(), 4);
    }

    pub(crate) fn reader(&self, name: impl AsRef<[u8]>) -> Result<DirectoryReader, StorageError> {
        reader(&self.directory, name)
    }

    pub(crate) fn writer(&self, name: impl AsRef<[u8]>) -> Result<DirectoryWriter, StorageError> {
        writer(&self.directory, name, 1)
    }

    pub(crate) fn get(&self, name: impl AsRef<[u8]>) -> Result<Vec<u8>, StorageError> {
        let mut reader = self.reader(name)?;
        let size = usize::try_from(reader.size().unwrap()).unwrap();
        Ok(block_on(reader.read_at(0, size))?.to_vec())
    }

    pub(crate) fn put(&self, name: impl AsRef<[u8]>, content: &[u8]) -> Result<(), StorageError> {
        let mut writer = self.writer(name)?;
        block_on(writer.write_at(0, Bytes::copy_from_slice(content)))?;
        block_on(writer.commit())
    }
}

pub(crate) fn reader(directory: &Directory, name: impl AsRef<[u8]>) -> Result<DirectoryReader, StorageError> {
    let request = ReadRequest::new(name.as_ref(), ([192, 0, 2, 1], 2000).into());
    block_on(directory.open_read(&request, &pool()))
}

pub(crate) fn writer(
    directory: &Directory,
    name: impl AsRef<[u8]>,
    owner: u64,
) -> Result<DirectoryWriter, StorageError> {
    writer_on(directory, name, owner, &pool())
}

pub(crate) fn writer_on(
    directory: &Directory,
    name: impl AsRef<[u8]>,
    owner: u64,
    cx: &Context,
) -> Result<DirectoryWriter, StorageError> {
    let request = WriteRequest::new(name.as_ref(), ([192, 0, 2, 1], 2000).into(), Owner(owner));
    block_on(directory.open_write(&request, cx))
}

fn tree(path: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        paths.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            paths.extend(tree(&entry.path()));
        }
    }
    paths.sort();
    paths
}

/// The uploads in progress, or left, beneath `path`.
pub(crate) fn temporaries(path: &Path) -> Vec<PathBuf> {
    let mut paths = tree(path);
    paths.retain(|path| path.file_name().unwrap().as_encoded_bytes().starts_with(b".tftp-upload-"));
    paths
}

/// Waits until `done`, for ten seconds at most.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Says so past the test harness, which would swallow it.
pub(crate) fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// As [`skipped`], for want of a program that CI installs: there it is a failure.
pub(crate) fn missing(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} must not be skipped: {why}");
    skipped(test, why);
}

/// Bytes that differ from place to place.
pub(crate) fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 7 + i / 256 * 13 + seed) % 256) as u8).collect()
}
