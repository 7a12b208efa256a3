//! Whose an uploaded file is, and who may do what with it.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::Dir;

/// The mode and the owner of what an upload leaves. What is `None` is as the system makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ownership {
    pub(super) mode: Option<u32>,
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
}

impl Ownership {
    /// The mode to make a temporary file with: while it is being written nobody else needs it, and a later server of
    /// ours has to open it.
    pub(super) const fn mode_while_writing(&self) -> u32 {
        if self.mode.is_some() { 0o600 } else { 0o666 }
    }

    /// Gives a file to its owner.
    pub(super) fn apply(&self, file: &File) -> io::Result<()> {
        self.give(file, self.mode)
    }

    /// Gives a directory that was just made to its owner.
    pub(super) fn apply_to_directory(&self, parent: &Dir, name: &Path) -> io::Result<()> {
        if *self == Self::default() {
            return Ok(());
        }
        #[cfg(unix)]
        {
            use rustix::fs::{Mode, OFlags, openat};
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = openat(parent, name, flags, Mode::empty())?;
            // Whoever may read its files may find them.
            self.give(&directory.into(), self.mode.map(|mode| mode | (mode & 0o444) >> 2))
        }
        #[cfg(not(unix))]
        {
            let _ = (parent, name);
            Ok(())
        }
    }

    fn give(&self, file: &File, mode: Option<u32>) -> io::Result<()> {
        #[cfg(unix)]
        {
            use rustix::fs::{Gid, Mode, RawMode, Uid, fchmod, fchown};
            if self.user.is_some() || self.group.is_some() {
                fchown(file, self.user.map(Uid::from_raw), self.group.map(Gid::from_raw))?;
            }
            if let Some(mode) = mode {
                fchmod(file, Mode::from_bits_truncate(mode as RawMode))?;
            }
        }
        #[cfg(not(unix))]
        let _ = (file, mode);
        Ok(())
    }

    /// Whether the process may do so: better found out now than by the first client.
    pub(super) fn probe(&self, root: &Dir) -> io::Result<()> {
        if self.user.is_none() && self.group.is_none() {
            return Ok(());
        }
        // Uploads may be meant for directories below only.
        let Ok((file, name)) = super::temporary::create(root, Path::new(""), 0o600) else { return Ok(()) };
        let result = self.give(&file, None);
        root.remove_file(name)?;
        result.map_err(|error| {
            let user = self.user.map(|number| format!("user {number}"));
            let group = self.group.map(|number| format!("group {number}"));
            let owner = [user, group].into_iter().flatten().collect::<Vec<_>>().join(" and ");
            io::Error::new(error.kind(), format!("uploads cannot be given to {owner}: {error}"))
        })
    }
}
