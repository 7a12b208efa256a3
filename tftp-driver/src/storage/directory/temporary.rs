//! The temporary file of an upload: one for each target, whoever writes it.
//!
//! Its name follows from the target's, and it is locked for as long as its upload is alive, so that two servers on one
//! directory do not write one file. Nobody writes to a file that was there before: a leftover is removed under its lock
//! and a new one is made. Between a file's making and its locking another process may take it for a leftover; then
//! the name is no longer its own, which its maker checks once it has the lock.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use cap_std::fs::{Dir, OpenOptions};
use siphasher::sip128::SipHasher24;

use super::system::{self, Lock};
use crate::storage::StorageError;
use crate::storage::names::RESERVED_PREFIX;

/// How often a name is tried: each failure is another process in the middle of its own attempt.
const ATTEMPTS: u32 = 4;

/// How long that takes it at most, roughly.
const PAUSE: Duration = Duration::from_millis(1);

/// What became of a file that was in the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// It was nobody's, and is gone.
    Removed,
    /// It is gone, by somebody else's doing.
    Gone,
    /// An upload holds it.
    Alive,
    /// The file system has no locks.
    Unknown,
}

/// Makes and locks the temporary file of the upload of `target` into `parent`.
///
/// # Errors
///
/// [`StorageError::BusyElsewhere`] while another process, or another instance in this one, has it.
pub(super) fn create(parent: &Dir, target: &Path, mode: u32) -> Result<(File, PathBuf), StorageError> {
    let name = name_for(target);
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(PAUSE * attempt);
        }
        match open_new(parent, &name, mode) {
            Ok(file) => match system::try_lock(&file) {
                Lock::Held if system::is_named(parent, &name, &file) => return Ok((file, name)),
                Lock::Held | Lock::HeldByAnother => {}
                Lock::Unsupported => {
                    let _ = parent.remove_file(&name);
                    return create_unlocked(parent, mode);
                }
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match remove_leftover(parent, &name)? {
                Leftover::Removed | Leftover::Gone | Leftover::Alive => {}
                Leftover::Unknown => return create_unlocked(parent, mode),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Err(StorageError::BusyElsewhere)
}

/// Where there are no locks two servers cannot see each other: a random name keeps their uploads apart, and the
/// commit decides.
fn create_unlocked(parent: &Dir, mode: u32) -> Result<(File, PathBuf), StorageError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    for _ in 0..ATTEMPTS {
        // The standard library's seeds are random enough for names that are only made if they are free.
        let random = RandomState::new().hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
        let name = reserved(&format!("{random:016x}"));
        match open_new(parent, &name, mode) {
            Ok(file) => return Ok((file, name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StorageError::Other("found no free name for the upload".to_owned()))
}

/// Removes a temporary file if no upload holds it.
pub(super) fn remove_leftover(parent: &Dir, name: &Path) -> Result<Leftover, StorageError> {
    let file = match system::open_for_lock(parent, name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Leftover::Gone),
        Err(error) => return Err(error.into()),
    };
    match system::try_lock(&file) {
        Lock::HeldByAnother => Ok(Leftover::Alive),
        Lock::Unsupported => Ok(Leftover::Unknown),
        // Whoever holds the lock of the file of that name is the only one who may take the name away.
        Lock::Held if system::is_named(parent, name, &file) => match parent.remove_file(name) {
            Ok(()) => Ok(Leftover::Removed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Leftover::Gone),
            Err(error) => Err(error.into()),
        },
        Lock::Held => Ok(Leftover::Gone),
    }
}

fn open_new(parent: &Dir, name: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    parent.open_with(name, &options).map(cap_std::fs::File::into_std)
}

/// The same for every server of every version, so it must never change.
fn name_for(target: &Path) -> PathBuf {
    let hash = SipHasher24::new().hash(target.as_os_str().as_encoded_bytes());
    reserved(&format!("{:016x}{:016x}", hash.h1, hash.h2))
}

fn reserved(unique: &str) -> PathBuf {
    PathBuf::from(format!("{}{unique}", String::from_utf8_lossy(RESERVED_PREFIX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_temporary_name_is_the_same_in_every_version() {
        assert_eq!(name_for(Path::new("running.cfg")), Path::new(".tftp-upload-6e0a8411054fe4365e75e9738e911bfe"));
    }
}
