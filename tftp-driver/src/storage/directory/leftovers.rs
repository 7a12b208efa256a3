//! Removes what killed uploads left.

use cap_std::fs::Dir;

use super::resolve::reading;
use super::system::{Lock, try_lock};
use crate::storage::names::is_reserved;

/// How deep directories are searched; uploads can be no deeper than a request's name is long.
const DEPTH: usize = 256;

/// Removes temporary files beneath `root` that no upload holds any more, and says how many. What cannot be read or
/// removed stays: the server can do without.
pub(super) fn remove(root: &Dir) -> usize {
    remove_beneath(root, DEPTH)
}

fn remove_beneath(dir: &Dir, depth: usize) -> usize {
    let Ok(entries) = dir.entries() else { return 0 };
    let mut removed = 0;
    for entry in entries.flatten() {
        // The type of a link is its own: links are not followed.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if depth > 0
                && let Ok(dir) = entry.open_dir()
            {
                removed += remove_beneath(&dir, depth - 1);
            }
        } else if kind.is_file() && is_reserved(entry.file_name().as_encoded_bytes()) {
            removed += usize::from(remove_if_free(dir, &entry.file_name()));
        }
    }
    removed
}

fn remove_if_free(dir: &Dir, name: &std::ffi::OsStr) -> bool {
    let Ok(file) = dir.open_with(name, &reading()) else { return false };
    try_lock(&file.into_std()) == Lock::Held && dir.remove_file(name).is_ok()
}
