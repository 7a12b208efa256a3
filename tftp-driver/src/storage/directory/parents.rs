//! Directories made for an upload.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;

use super::ownership::Ownership;
use super::resolve::{Root, Target};
use super::system;
use crate::storage::StorageError;

/// How many directories one upload may make.
const MAX: usize = 16;

/// What was made for an upload, in the order it was made. Dropping it removes what is empty.
pub(super) struct Made {
    root: Arc<Root>,
    paths: Vec<PathBuf>,
}

impl Made {
    pub(super) const fn nothing(root: Arc<Root>) -> Self {
        Self { root, paths: Vec::new() }
    }

    /// The upload is there: so are its directories.
    pub(super) fn keep(&mut self) {
        self.paths.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.paths.iter().rev() {
            // Another upload may be in it by now.
            if self.root.remove_dir(path).is_err() {
                return;
            }
        }
    }
}

/// Opens the directory that an upload goes to, and makes what is missing of it. Each step is resolved beneath the root
/// anew, and makes one plain name in a directory that is open: there is no link to be led astray by.
pub(super) fn open_or_make(
    root: &Arc<Root>,
    target: &Target,
    ownership: &Ownership,
) -> Result<(Arc<Dir>, Made), StorageError> {
    let mut made = Made::nothing(Arc::clone(root));
    let parent = match (&target.parent, root.open_parent(target)) {
        (Some(parent), Err(StorageError::NotFound)) => parent,
        (_, opened) => return Ok((opened?, made)),
    };
    if parent.components().any(|component| component == Component::ParentDir) {
        return Err(StorageError::NotFound);
    }
    let mut path = PathBuf::new();
    let mut current = root.open_dir(Path::new("."))?;
    let mut components = parent.components();
    while let Some(component) = components.next() {
        let Component::Normal(name) = component else { continue };
        path.push(name);
        let next = match root.open_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Beneath what is missing everything is: what would be too much is not begun.
                if made.paths.len() + components.clone().count() >= MAX {
                    return Err(StorageError::denied("too many missing directories in the name"));
                }
                match current.create_dir(name) {
                    Ok(()) => {
                        made.paths.push(path.clone());
                        ownership.apply_to_directory(&current, name.as_ref())?;
                        system::sync_dir(&current)?;
                    }
                    // By another upload, just now. A link to nowhere is not found when it is opened.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error.into()),
                }
                root.open_dir(&path)
            }
            opened => opened,
        };
        current = next.map_err(StorageError::from)?;
    }
    Ok((Arc::new(system::syncable(current)), made))
}
