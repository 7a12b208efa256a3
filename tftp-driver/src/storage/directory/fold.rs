//! Names that differ from what is on disk in case only.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;

use super::resolve::Root;
use crate::storage::names::{fold, is_reserved};

/// The path as it is spelled on disk. What is not there in any case stays as it is.
///
/// This only chooses a name: whatever is opened under it later is resolved beneath the root as any other. The directories
/// on the way are listed through handles that were opened so, too.
pub(super) fn spelled(root: &Root, path: &Path) -> PathBuf {
    let mut spelled = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                let directory = if spelled.as_os_str().is_empty() { Path::new(".") } else { &spelled };
                let found = root.open_dir(directory).ok().and_then(|directory| first_match(&directory, name));
                spelled.push(found.as_deref().unwrap_or(name));
            }
            other => spelled.push(other),
        }
    }
    let whole = path.as_os_str().as_encoded_bytes();
    if whole.ends_with(b"/") || whole.ends_with(b"/.") {
        // Components end before it, but only a directory may be named so.
        spelled.push("");
    }
    spelled
}

/// The first name in a directory that differs in case only, if none is there exactly.
pub(super) fn first_match(directory: &Dir, name: &OsStr) -> Option<OsString> {
    if directory.symlink_metadata(name).is_ok() {
        return None;
    }
    let wanted = fold(name.as_encoded_bytes());
    let names = directory.entries().ok()?.flatten().map(|entry| entry.file_name());
    names
        .filter(|other| !is_reserved(other.as_encoded_bytes()) && fold(other.as_encoded_bytes()) == wanted)
        .min_by(|a, b| a.as_encoded_bytes().cmp(b.as_encoded_bytes()))
}
