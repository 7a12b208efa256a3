//! Every file beneath a directory.

use std::ffi::OsStr;

use cap_std::fs::{Dir, DirEntry};

/// How deep directories are searched; uploads can be no deeper than a request's name is long.
const DEPTH: usize = 256;

/// Shows every regular file beneath `root` to `visit`, with the directory it is in. Links are not followed, and what
/// cannot be read is left out.
pub(super) fn files(root: &Dir, visit: &mut impl FnMut(&Dir, &OsStr, &DirEntry)) {
    beneath(root, DEPTH, visit);
}

fn beneath(dir: &Dir, depth: usize, visit: &mut impl FnMut(&Dir, &OsStr, &DirEntry)) {
    let Ok(entries) = dir.entries() else { return };
    for entry in entries.flatten() {
        // The type of a link is its own.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            if depth > 0
                && let Ok(dir) = entry.open_dir()
            {
                beneath(&dir, depth - 1, visit);
            }
        } else if kind.is_file() {
            visit(dir, &entry.file_name(), &entry);
        }
    }
}
