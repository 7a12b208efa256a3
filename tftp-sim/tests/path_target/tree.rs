//! The files beneath the root, and how a name is resolved among them: a second statement of the rules.

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What stands around the root.
pub(super) const SECRET: &[u8] = b"the secret outside";

/// The files.
pub(super) const FILES: &[(&str, &[u8])] =
    &[("file", b"a file"), ("dir/file", b"another"), ("dir/deep/file", b"a third"), ("..name", b"dots")];

/// The links, those that stay beneath the root and those that do not. `ABSOLUTE` stands for the directory around it.
const LINKS: &[(&str, &str)] = &[
    ("up", ".."),
    ("loop", "loop"),
    ("out", "../outside"),
    ("away", "ABSOLUTE/away"),
    ("in", "dir"),
    ("dir/back", "../file"),
    ("dir/over", "../../outside"),
    ("dir/deep/round", "../../in/./deep/../file"),
    ("again", "../root/file"),
];

/// Makes all of them.
pub(super) fn plant(root: &Path, around: &Path) {
    fs::create_dir_all(root.join("dir/deep")).expect("a directory");
    for (name, content) in FILES {
        fs::write(root.join(name), content).expect("a file");
    }
    for (name, target) in LINKS {
        let target = target.replace("ABSOLUTE", &around.to_string_lossy());
        symlink(target, root.join(name)).expect("a link");
    }
}

/// Removes everything beneath the root, but not the root.
pub(super) fn clear(root: &Path) {
    for entry in fs::read_dir(root).expect("the root").flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_dir { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.expect("it can be removed");
    }
}

/// The file that a name stands for, if it stands for one.
///
/// `\` is a separator, too, and those in front mean nothing. Control bytes are no part of a name, and uploads in progress
/// cannot be named. `..` goes up, but not above the root, not even on the way, and absolute links lead nowhere.
pub(super) fn find(name: &[u8]) -> Option<&'static [u8]> {
    let name = std::str::from_utf8(name).ok()?.replace('\\', "/");
    let parts: Vec<&str> = name.trim_start_matches('/').split('/').collect();
    let reserved = |part: &&str| part.to_ascii_lowercase().starts_with(".tftp-upload-");
    if name.chars().any(|char| char.is_ascii_control()) || parts.iter().any(reserved) {
        return None;
    }
    let mut left: VecDeque<&str> = parts.into();
    let mut at: Vec<&str> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if matches!(part, "" | ".") {
            continue;
        }
        if part == ".." {
            at.pop()?;
            continue;
        }
        let here = [&at[..], &[part]].concat().join("/");
        if let Some((_, content)) = FILES.iter().find(|(file, _)| *file == here) {
            // Nothing may stand behind a file, not even a slash.
            return left.is_empty().then_some(*content);
        }
        if let Some((_, target)) = LINKS.iter().find(|(link, _)| *link == here) {
            links += 1;
            if links > 30 || target.starts_with("ABSOLUTE") {
                return None;
            }
            for part in target.split('/').rev() {
                left.push_front(part);
            }
        } else if matches!(here.as_str(), "dir" | "dir/deep") {
            at.push(part);
        } else {
            return None;
        }
    }
    None
}
