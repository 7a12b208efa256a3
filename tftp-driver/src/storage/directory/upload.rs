//! A temporary file that becomes the target, or nothing.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, OpenOptions};

use super::resolve::{Root, Target};
use super::system::{self, Lock};
use crate::storage::names::RESERVED_PREFIX;
use crate::storage::{Claim, Claims, Owner, StorageError, WritePolicy};

/// The resolved name: device and inode of the directory, and the name in it. Where directories have no numbers, the
/// whole path in lower case.
pub(super) type Key = (Option<(u64, u64)>, PathBuf);

/// How many temporary names are tried.
const ATTEMPTS: usize = 64;

/// A temporary file beside its target. Dropping it removes it, unless it was published.
pub(super) struct Upload {
    file: Arc<File>,
    temporary: PathBuf,
    target: PathBuf,
    parent: Arc<Dir>,
    policy: WritePolicy,
    published: bool,
    // Last: the name is free only after everything else is gone.
    _claim: Claim<Key>,
}

impl Upload {
    /// Resolves and claims the target, and makes the temporary file.
    pub(super) fn begin(
        root: &Root,
        claims: &Claims<Key>,
        target: Target,
        owner: Owner,
        policy: WritePolicy,
        mode: u32,
    ) -> Result<Self, StorageError> {
        let parent = root.open_parent(&target)?;
        let key = match system::dir_identity(&parent)? {
            Some(identity) => (Some(identity), target.name.clone()),
            None => {
                let path = target.parent.clone().unwrap_or_default().join(&target.name);
                (None, path.to_string_lossy().to_lowercase().into())
            }
        };
        let claim = claims.take(key, owner)?;
        check_target(&parent, &target.name, policy)?;
        let (file, temporary) = create_temporary(&parent, mode)?;
        let file = Arc::new(file);
        Ok(Self { file, temporary, target: target.name, parent, policy, published: false, _claim: claim })
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Makes the content durable and gives it its name.
    pub(super) fn publish(mut self) -> Result<(), StorageError> {
        self.file.sync_all()?;
        if self.policy.overwrite {
            // Again, as far as that can be known: the rename replaces whatever is there, but follows nothing.
            check_target(&self.parent, &self.target, self.policy)?;
            self.parent.rename(&self.temporary, &self.parent, &self.target)?;
        } else {
            system::rename_new(&self.parent, &self.temporary, &self.target)?;
        }
        self.published = true;
        system::sync_dir(&self.parent)?;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is removed at the next start.
            let _ = self.parent.remove_file(&self.temporary);
        }
    }
}

/// Whether the policy lets the target be written, and it is nothing but a regular file or free.
fn check_target(parent: &Dir, name: &Path, policy: WritePolicy) -> Result<(), StorageError> {
    match parent.symlink_metadata(name) {
        Ok(metadata) if !metadata.is_file() => Err(StorageError::denied("not a regular file")),
        Ok(_) => {
            policy.check_existing(true)?;
            if system::may_write(parent, name) {
                Ok(())
            } else {
                Err(StorageError::denied("the existing file is not writable"))
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => policy.check_existing(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes and locks a file under a reserved name.
fn create_temporary(parent: &Dir, mode: u32) -> Result<(File, PathBuf), StorageError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    for _ in 0..ATTEMPTS {
        let name = temporary_name();
        let file = match parent.open_with(&name, &options) {
            Ok(file) => file.into_std(),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error.into()),
        };
        // Another server that starts just now may take the file for a leftover before it is locked.
        if system::try_lock(&file) != Lock::HeldByAnother && still_there(parent, &name) {
            return Ok((file, name));
        }
        let _ = parent.remove_file(&name);
    }
    Err(StorageError::Other("found no free name for the upload".to_owned()))
}

fn still_there(parent: &Dir, name: &Path) -> bool {
    // The name is random: whatever has it is what was made under it.
    parent.symlink_metadata(name).is_ok()
}

fn temporary_name() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // The standard library's seeds are random enough for names that are only made if they are free.
    let random = RandomState::new().hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
    PathBuf::from(format!("{}{random:016x}", String::from_utf8_lossy(RESERVED_PREFIX)))
}
