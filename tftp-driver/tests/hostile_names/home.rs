//! A directory to be attacked, and what is around it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use tftp_driver::storage::{AbsoluteLinks, Directory, DirectoryBuilder, WritePolicy};

pub(crate) const SECRET: &[u8] = b"the secret outside";

/// `home/root` is served; nothing else in `home` is.
pub(crate) struct Home {
    home: tempfile::TempDir,
    /// Only root can make one.
    has_device: bool,
}

const SECRETS: [&str; 3] = ["outside", "root-sibling/file", "outside-dir/file"];
const LINKS: [(&str, &str); 8] = [
    ("out", "../outside"),
    ("out-dir", "../outside-dir"),
    ("up", ".."),
    ("192.0.2.1/out", "../../outside"),
    ("dangling", "../nothing"),
    ("loop", "loop"),
    ("proc", "/proc/self/root"),
    ("null", "/dev/null"),
];

impl Home {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for directory in
            ["root/dir", "root/192.0.2.1/dir", "root/192.0.2.2", "root/swap", "root-sibling", "outside-dir"]
        {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        for secret in SECRETS {
            fs::write(home.path().join(secret), SECRET).unwrap();
        }
        let root = home.path().join("root");
        for public in ["file", "dir/file", "192.0.2.1/file", "swap/file"] {
            fs::write(root.join(public), "public").unwrap();
        }
        for (link, target) in LINKS {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(home.path().join("outside"), root.join("absolute")).unwrap();
        symlink("../outside-dir", home.path().join("swapped")).unwrap();
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, root.join("fifo"), FileType::Fifo, mode, 0).unwrap();
        let null = rustix::fs::makedev(1, 3);
        let has_device = mknodat(CWD, root.join("device"), FileType::CharacterDevice, mode, null).is_ok();
        Self { home, has_device }
    }

    pub(crate) fn inside(&self, name: &str) -> PathBuf {
        self.home.path().join("root").join(name)
    }

    /// An absolute path outside.
    pub(crate) fn outside(&self) -> String {
        self.home.path().join("outside").to_str().unwrap().to_owned()
    }

    fn builder(&self) -> DirectoryBuilder {
        Directory::builder(self.inside("")).write_policy(WritePolicy::ANY).create_directories(true)
    }

    pub(crate) fn directory(&self) -> Directory {
        self.builder().open().unwrap()
    }

    /// The same directory by every setting that has to do with names.
    pub(crate) fn directories(&self) -> Vec<Directory> {
        let from_root = |builder: DirectoryBuilder| builder.absolute_links(AbsoluteLinks::FromRoot);
        let builders = [
            self.builder(),
            self.builder().ignore_case(true),
            self.builder().create_directories(false),
            from_root(self.builder()),
            from_root(self.builder().ignore_case(true)),
        ];
        // Absolute links are followed beneath the root on Linux only.
        builders.into_iter().filter_map(|builder| builder.open().ok()).collect()
    }

    /// Exchanges a directory inside for a link that leads out.
    pub(crate) fn swap(&self) -> rustix::io::Result<()> {
        renameat_with(CWD, self.inside("swap"), CWD, self.home.path().join("swapped"), RenameFlags::EXCHANGE)
    }

    /// The name of the upload in progress.
    pub(crate) fn temporary(&self) -> String {
        let names =
            fs::read_dir(self.inside("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|name| name.starts_with(".tftp-upload-")).unwrap()
    }

    #[track_caller]
    pub(crate) fn assert_untouched(&self, what: &str) {
        for secret in SECRETS {
            assert_eq!(fs::read(self.home.path().join(secret)).unwrap(), SECRET, "{what}");
        }
        for (directory, entries) in [("", 5), ("root-sibling", 1), ("outside-dir", 1)] {
            assert_eq!(fs::read_dir(self.home.path().join(directory)).unwrap().count(), entries, "{what}");
        }
        for (link, target) in LINKS {
            assert_eq!(fs::read_link(self.inside(link)).unwrap().to_str().unwrap(), target, "{what}");
        }
        let kind = |name: &str| fs::symlink_metadata(self.inside(name)).unwrap();
        assert!(kind("fifo").file_type().is_fifo(), "{what}");
        assert!(kind("dir").is_dir(), "{what}");
        if self.has_device {
            assert_eq!(kind("device").rdev(), rustix::fs::makedev(1, 3), "{what}");
        }
    }
}
