//! Where a download goes: a file appears whole or not at all.

use std::fs::{self, File, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::escape::escape;
use crate::exit::{Exit, Failure};
use crate::remote::Remote;

/// Symbolic links that are followed one after the other, as Linux does.
const MAX_LINKS: u32 = 40;

/// The target of a download, open for writing. Dropping it without [`commit`](Self::commit) leaves nothing behind.
#[derive(Debug)]
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// A device or FIFO, written as it is.
    Special { path: PathBuf, file: File },
    /// A file that is linked into place by the commit.
    File { path: PathBuf, temporary: Temporary, permissions: Option<Permissions> },
}

/// A file that has not got its name yet.
#[derive(Debug)]
pub(crate) enum Temporary {
    /// It has no name at all: not even a killed process leaves it behind.
    #[cfg(target_os = "linux")]
    Anonymous(File),
    /// It stands beside the target and is removed on drop.
    Named(tempfile::NamedTempFile),
}

impl Target {
    /// Opens what `--output` says, before any packet is sent.
    pub(crate) fn open(output: Option<&Path>, remote: &Remote) -> Result<Self, Failure> {
        let default_name = || {
            remote.local_name().ok_or_else(|| {
                Failure::usage(format!("no file name can be made from \"{}\"", escape(&remote.path)))
                    .hint("say where to write with -o FILE, or -o - for standard output")
            })
        };
        let path = match output {
            Some(path) if path == Path::new("-") => return Ok(Self::Stdout),
            Some(path) if path.is_dir() => path.join(default_name()?),
            Some(path) => path.to_owned(),
            None => PathBuf::from(default_name()?),
        };
        Self::open_path(&path).map_err(|error| local(&path, "write", &error))
    }

    fn open_path(path: &Path) -> io::Result<Self> {
        // A symbolic link stays one: what it points to is replaced, or made.
        let path = resolve(path)?;
        let mut permissions = None;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) => {
                // Replacing needs no permission on the file itself; whoever may not write it should not replace it.
                let file = File::options().write(true).open(&path)?;
                if !metadata.is_file() {
                    return Ok(Self::Special { path, file });
                }
                permissions = Some(metadata.permissions());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if path.file_name().is_none() {
            return Err(io::ErrorKind::InvalidFilename.into());
        }
        let temporary = Temporary::create(directory(&path))?;
        Ok(Self::File { path, temporary, permissions })
    }

    /// A second handle to write through; `None` for standard output.
    pub(crate) fn writer(&self) -> Result<Option<File>, Failure> {
        let clone = match self {
            Self::Stdout => return Ok(None),
            Self::Special { file, .. } => file.try_clone(),
            Self::File { temporary, .. } => temporary.file().try_clone(),
        };
        clone.map(Some).map_err(|error| self.failure(&error))
    }

    /// Whether it is a file, which takes bytes without waiting for anybody.
    pub(crate) const fn is_regular(&self) -> bool {
        matches!(self, Self::File { .. })
    }

    /// Gives the complete file its name.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        match self {
            Self::Stdout | Self::Special { .. } => Ok(()),
            Self::File { path, temporary, permissions } => {
                temporary.commit(&path, permissions).map_err(|error| local(&path, "write", &error))
            }
        }
    }

    /// The failure that an error from writing means.
    pub(crate) fn failure(&self, error: &io::Error) -> Failure {
        match self {
            Self::Stdout => Failure::new(Exit::LocalIo, format!("cannot write to standard output: {error}")),
            Self::Special { path, .. } | Self::File { path, .. } => local(path, "write", error),
        }
    }

    /// Whether a progress bar would write over what is written here.
    pub(crate) fn is_terminal(&self) -> bool {
        use std::io::IsTerminal as _;
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Special { file, .. } => file.is_terminal(),
            Self::File { .. } => false,
        }
    }

    /// For people: the path, escaped.
    pub(crate) fn display(&self) -> String {
        match self {
            Self::Stdout => "standard output".into(),
            Self::Special { path, .. } | Self::File { path, .. } => show(path),
        }
    }

    /// For `--json`: the path, `-` for standard output.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Stdout => "-".into(),
            Self::Special { path, .. } | Self::File { path, .. } => path.to_string_lossy().into_owned(),
        }
    }
}

impl Temporary {
    fn create(directory: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Some(file) = linux::unnamed(directory)? {
            return Ok(Self::Anonymous(file));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".tftp-cli-").suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // As any new file: the umask is taken off.
            builder.permissions(Permissions::from_mode(0o666));
        }
        builder.tempfile_in(directory).map(Self::Named)
    }

    fn file(&self) -> &File {
        match self {
            #[cfg(target_os = "linux")]
            Self::Anonymous(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    fn commit(self, path: &Path, permissions: Option<Permissions>) -> io::Result<()> {
        if let Some(permissions) = permissions {
            self.file().set_permissions(permissions)?;
        }
        // A name must not survive a power failure that the bytes did not.
        self.file().sync_all()?;
        match self {
            #[cfg(target_os = "linux")]
            Self::Anonymous(file) => linux::name(&file, path),
            Self::Named(file) => file.persist(path).map(drop).map_err(|error| error.error),
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{File, Path, directory, io};
    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
    use rustix::io::Errno;
    use std::os::fd::AsRawFd as _;

    /// A file without a name, where the file system has them and `/proc` is there to name it later.
    pub(super) fn unnamed(directory: &Path) -> io::Result<Option<File>> {
        if !Path::new("/proc/self/fd").exists() {
            return Ok(None);
        }
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match openat(CWD, directory, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => Ok(Some(file.into())),
            // A file with a name would fail as well, with that name in the message.
            Err(error @ (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::ROFS)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    pub(super) fn name(file: &File, path: &Path) -> io::Result<()> {
        match link(file, path) {
            // A link cannot replace a file, a rename can.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut builder = tempfile::Builder::new();
                let named =
                    builder.prefix(".tftp-cli-").suffix(".part").make_in(directory(path), |path| link(file, path))?;
                named.persist(path).map(drop).map_err(|error| error.error)
            }
            result => result,
        }
    }

    fn link(file: &File, path: &Path) -> io::Result<()> {
        let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }
}

/// Where a path leads, also if nothing is there yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        // The system follows no links that others left in a directory like /tmp, and has to be asked first.
        match fs::metadata(&path) {
            Ok(_) => return fs::canonicalize(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        match fs::read_link(&path) {
            Ok(target) => path = directory(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path for people.
pub(crate) fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// A local file's failure.
pub(crate) fn local(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::LocalIo, format!("cannot {what} {}: {error}", show(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn remote(path: &str) -> Remote {
        Remote::parse("192.0.2.1", Some(path)).unwrap()
    }

    fn write(target: &Target, bytes: &[u8]) {
        target.writer().unwrap().unwrap().write_all(bytes).unwrap();
    }

    fn names(directory: &Path) -> Vec<String> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_by_the_commit_only() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(Some(&directory.path().join("new")), &remote("a")).unwrap();
        write(&target, b"bytes");
        if cfg!(target_os = "linux") {
            assert!(names(directory.path()).is_empty());
        }
        target.commit().unwrap();
        assert_eq!(names(directory.path()), ["new"]);
        assert_eq!(fs::read(directory.path().join("new")).unwrap(), b"bytes");
    }

    #[test]
    fn a_dropped_target_leaves_nothing_and_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("old");
        fs::write(&path, b"old").unwrap();
        let target = Target::open(Some(&path), &remote("a")).unwrap();
        write(&target, b"half");
        drop(target);
        assert_eq!(names(directory.path()), ["old"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn named_temporaries_behave_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        for content in [b"one", b"two"] {
            let file = tempfile::Builder::new().tempfile_in(directory.path()).unwrap();
            let target = Target::File { path: path.clone(), temporary: Temporary::Named(file), permissions: None };
            write(&target, content);
            target.commit().unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(names(directory.path()), ["x"]);
    }

    #[cfg(unix)]
    #[test]
    fn an_existing_file_is_replaced_with_its_mode_and_through_links() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let target = Target::open(Some(&link), &remote("a")).unwrap();
        write(&target, b"new");
        target.commit().unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(directory.path()).len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_that_is_not_there_yet_stays_a_link() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("images")).unwrap();
        symlink("images/new", at("second")).unwrap();
        symlink(at("second"), at("first")).unwrap();
        let target = Target::open(Some(&at("first")), &remote("a")).unwrap();
        write(&target, b"bytes");
        target.commit().unwrap();
        assert_eq!(fs::read(at("images/new")).unwrap(), b"bytes");
        for link in ["first", "second"] {
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
        symlink("missing/new", at("nowhere")).unwrap();
        assert_eq!(Target::open(Some(&at("nowhere")), &remote("a")).unwrap_err().exit, Exit::LocalIo);
        symlink("ring", at("ring")).unwrap();
        assert_eq!(Target::open(Some(&at("ring")), &remote("a")).unwrap_err().exit, Exit::LocalIo);
        assert!(fs::symlink_metadata(at("ring")).unwrap().is_symlink());
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_not_replaced() {
        let target = Target::open(Some(Path::new("/dev/null")), &remote("a")).unwrap();
        write(&target, b"bytes");
        target.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_directory_takes_the_default_name() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::open(Some(directory.path()), &remote("boot\\a.img")).unwrap();
        target.commit().unwrap();
        assert_eq!(names(directory.path()), ["a.img"]);
    }

    #[test]
    fn failures_name_the_path_and_whose_fault_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let failure = Target::open(Some(&directory.path().join("missing/x")), &remote("a")).unwrap_err();
        assert_eq!(failure.exit, Exit::LocalIo);
        assert!(failure.message.contains("missing/x: "), "{}", failure.message);
        if cfg!(target_os = "linux") {
            assert!(!failure.message.contains(".part"), "{}", failure.message);
        }
        assert_eq!(Target::open(None, &remote("a/..")).unwrap_err().exit, Exit::Usage);
    }
}
