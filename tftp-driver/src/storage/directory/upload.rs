//! A temporary file that becomes the target, or nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;

use super::parents::{self, Made};
use super::resolve::Target;
use super::settings::DirectoryBuilder;
use super::{Shared, fold, system, temporary};
use crate::storage::{Claim, StorageError, WritePolicy, WriteRequest, names};

/// The resolved name: device and inode of the directory, and the name in it. Where directories have no numbers, the
/// whole path in lower case.
pub(super) type Key = (Option<(u64, u64)>, PathBuf);

/// How often a directory may vanish between its opening and its use, by another upload that made it and failed.
const ATTEMPTS: usize = 3;

/// A temporary file beside its target. Dropping it removes it, unless it was published.
pub(super) struct Upload {
    file: Arc<File>,
    temporary: PathBuf,
    target: PathBuf,
    parent: Arc<Dir>,
    shared: Arc<Shared>,
    published: bool,
    // These go after the temporary file has: the directories made for it, and the name, which is free only then.
    made: Made,
    _claim: Claim<Key>,
}

impl Upload {
    /// Resolves and claims the target, and makes the temporary file.
    pub(super) fn begin(shared: &Arc<Shared>, request: &WriteRequest, target: &Target) -> Result<Self, StorageError> {
        let mut attempt = 1;
        loop {
            match Self::try_begin(shared, request, target) {
                Err(StorageError::NotFound) if shared.settings.makes_directories() && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn try_begin(shared: &Arc<Shared>, request: &WriteRequest, target: &Target) -> Result<Self, StorageError> {
        let Shared { root, claims, settings, .. } = &**shared;
        let respelled = settings.ignore_case.then(|| Target {
            parent: target.parent.as_ref().map(|parent| fold::spelled(root, parent)),
            name: target.name.clone(),
        });
        let target = respelled.as_ref().unwrap_or(target);
        let (parent, made) = if settings.makes_directories() {
            parents::open_or_make(root, target, &settings.ownership)?
        } else {
            (root.open_parent(target)?, Made::nothing(Arc::clone(root)))
        };
        let key = match system::dir_identity(&parent)? {
            Some(identity) => (Some(identity), one_for_each_case(settings, &target.name)),
            None => {
                let path = target.parent.clone().unwrap_or_default().join(&target.name);
                (None, path.to_string_lossy().to_lowercase().into())
            }
        };
        let locked = key.1.clone();
        let claim = claims.take(key, request.owner)?;
        let name = spelled(settings, &parent, &target.name);
        check_target(&parent, &name, settings.policy)?;
        system::check_room(&*parent, settings.min_free, request.size.unwrap_or(0))?;
        let (file, temporary) = temporary::create(&parent, &locked, settings.ownership.mode_while_writing())?;
        let mut upload = Self {
            file: Arc::new(file),
            temporary,
            target: name,
            parent,
            shared: Arc::clone(shared),
            published: false,
            made,
            _claim: claim,
        };
        if settings.ignore_case {
            // Another server may have published another spelling before the lock was ours.
            upload.target = spelled(settings, &upload.parent, &target.name);
            check_target(&upload.parent, &upload.target, settings.policy)?;
        }
        Ok(upload)
    }

    pub(super) fn settings(&self) -> &DirectoryBuilder {
        &self.shared.settings
    }

    /// How many uploads into the directory there are, at most: each holds on to it, as do its owner and each request.
    pub(super) fn among(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Makes the content durable and gives it its name.
    pub(super) fn publish(mut self) -> Result<(), StorageError> {
        let settings = &self.shared.settings;
        settings.ownership.apply(&self.file)?;
        self.file.sync_all()?;
        // Somebody may have cleaned up by hand, and another upload have begun under the name since.
        if !system::is_named(&self.parent, &self.temporary, &self.file) {
            return Err(StorageError::Other("the upload's temporary file was removed".to_owned()));
        }
        if settings.policy.overwrite {
            // Again, as far as that can be known: the rename replaces whatever is there, but follows nothing.
            check_target(&self.parent, &self.target, settings.policy)?;
            self.parent.rename(&self.temporary, &self.parent, &self.target)?;
        } else {
            system::rename_new(&self.parent, &self.temporary, &self.target)?;
        }
        self.published = true;
        self.made.keep();
        system::sync_dir(&self.parent)?;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.published && system::is_named(&self.parent, &self.temporary, &self.file) {
            // What cannot be removed now is removed at the next start.
            let _ = self.parent.remove_file(&self.temporary);
        }
    }
}

/// The target as it is spelled on disk, if it is there in any case.
fn spelled(settings: &DirectoryBuilder, parent: &Dir, name: &Path) -> PathBuf {
    let found = settings.ignore_case.then(|| fold::first_match(parent, name.as_os_str())).flatten();
    found.map_or_else(|| name.to_owned(), PathBuf::from)
}

/// What two uploads must not share: with `ignore_case` that goes for all spellings.
fn one_for_each_case(settings: &DirectoryBuilder, name: &Path) -> PathBuf {
    if !settings.ignore_case {
        return name.to_owned();
    }
    let folded = names::fold(name.as_os_str().as_encoded_bytes());
    super::resolve::os_path(folded).unwrap_or_else(|_| name.to_owned())
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
