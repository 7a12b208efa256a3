//! The system calls that the standard library lacks, and what stands in for them elsewhere.

use std::fs::{File, Metadata};
use std::io;
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
use std::io::IoSlice;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cap_std::fs::Dir;

use crate::storage::StorageError;

/// Why a read could not be answered at once.
pub(super) enum NotNow {
    /// The data is not in memory.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux tells"))]
    Cold,
    /// This file cannot tell, and never will.
    Unsupported,
}

/// Reads what is in memory already.
#[cfg(target_os = "linux")]
pub(super) fn read_now(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, NotNow> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    loop {
        match preadv2(file, &mut [io::IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(count) => return Ok(count),
            Err(Errno::INTR) => {}
            // Sandboxes answer calls they do not know with ENOSYS or EPERM.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::INVAL) => return Err(NotNow::Unsupported),
            // A real error comes again where it can be reported.
            Err(_) => return Err(NotNow::Cold),
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read_now(_: &File, _: &mut [u8], _: u64) -> Result<usize, NotNow> {
    Err(NotNow::Unsupported)
}

/// Whether a file is on a file system that has nothing but memory. Like any memory, what is in it may have been swapped out.
pub(super) fn is_in_memory(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FsWord, fstatfs};

        const TMPFS_MAGIC: FsWord = 0x0102_1994;
        const RAMFS_MAGIC: FsWord = 0x8584_58f6_u32 as FsWord;

        fstatfs(file).is_ok_and(|stats| matches!(stats.f_type, TMPFS_MAGIC | RAMFS_MAGIC))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        false
    }
}

/// Reads at a position, waiting as long as it takes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let result = std::os::unix::fs::FileExt::read_at(file, buffer, offset);
        #[cfg(windows)]
        let result = std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all of `pieces`, one behind the other, from a position on.
pub(super) fn write_all_at(file: &File, pieces: &[Bytes], mut offset: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        use rustix::io::{Errno, pwritev};

        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut slices = &mut slices[..];
        // What is empty already counts for nothing.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let most = slices.len().min(MAX_SLICES);
            match pwritev(file, &slices[..most], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    IoSlice::advance_slices(&mut slices, count);
                    offset += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        for piece in pieces {
            write_piece_at(file, piece, offset)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }
}

/// Starts to write a part of the file to the disk. Elsewhere than on Linux it also waits for it; a failure that is told
/// here is not told again.
pub(super) fn start_writing_back(file: &File, from: u64, to: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{Advice, fadvise};

        // This advice starts the writing and leaves in memory what is being written. A sync would wait for the disk, and
        // have the file system's journal written as well. Where it is not followed, the commit has more to do.
        let _ = fadvise(file, from, std::num::NonZeroU64::new(to.saturating_sub(from)), Advice::DontNeed);
        Ok(())
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let (_, _) = (from, to);
        file.sync_data()
    }
}

/// As many as one system call takes.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const MAX_SLICES: usize = 1024;

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android", target_os = "freebsd"))))]
fn write_piece_at(file: &File, piece: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, piece, offset)
}

#[cfg(windows)]
fn write_piece_at(file: &File, mut piece: &[u8], mut offset: u64) -> io::Result<()> {
    while !piece.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, piece, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                piece = &piece[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What tells one version of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    pub(super) size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok() }
    }

    /// Whether the file was modified so recently that the next change may get the same time: some file systems count
    /// in steps of two seconds.
    pub(super) fn is_fresh(&self) -> bool {
        const STEP: Duration = Duration::from_secs(2);
        let Some(modified) = self.modified else { return true };
        match modified.elapsed() {
            Ok(ago) => ago <= STEP,
            Err(ahead) => ahead.duration() <= STEP,
        }
    }
}

/// Device and inode: what tells one file from another, where the system says.
pub(super) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// As [`identity`], of a directory.
pub(super) fn dir_identity(dir: &Dir) -> io::Result<Option<(u64, u64)>> {
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt;
        let metadata = dir.dir_metadata()?;
        Ok(Some((metadata.dev(), metadata.ino())))
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(None)
    }
}

/// Whether a new upload holds its lock.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there are no such locks"))]
pub(super) enum Lock {
    Held,
    HeldByAnother,
    /// The file system has no locks.
    Unsupported,
}

/// Locks a file for as long as it is open, if nobody else has.
pub(super) fn try_lock(file: &File) -> Lock {
    #[cfg(unix)]
    {
        use rustix::fs::{FlockOperation, flock};
        use rustix::io::Errno;
        loop {
            match flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Lock::Held,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Lock::HeldByAnother,
                Err(_) => return Lock::Unsupported,
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Lock::Unsupported
    }
}

/// Opens what may be a temporary file, to find out whether anybody holds it. Follows nothing and waits for nothing.
pub(super) fn open_for_lock(dir: &Dir, name: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::fs::{Mode, OFlags, openat};
        use rustix::io::Errno;
        let open = |access| {
            let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            openat(dir, name, flags, Mode::empty())
        };
        // NFS locks only what may be written.
        let opened = match open(OFlags::RDWR) {
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => open(OFlags::RDONLY),
            opened => opened,
        };
        let file = File::from(opened?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
    #[cfg(not(unix))]
    {
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true);
        dir.open_with(name, &options).map(cap_std::fs::File::into_std)
    }
}

/// Whether a name is still that of an open file.
pub(super) fn is_named(dir: &Dir, name: &Path, file: &File) -> bool {
    let Ok(named) = dir.symlink_metadata(name) else { return false };
    #[cfg(unix)]
    {
        use cap_std::fs::MetadataExt;
        file.metadata().is_ok_and(|open| identity(&open) == Some((named.dev(), named.ino())))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        named.is_file()
    }
}

/// The bytes that a file of this process may still take on the file system of an open file or directory; `None` where
/// the system does not say.
#[cfg(unix)]
pub(super) fn available(fd: impl std::os::fd::AsFd) -> Option<u64> {
    let stats = rustix::fs::fstatvfs(fd).ok()?;
    Some(stats.f_bavail.saturating_mul(stats.f_frsize))
}

#[cfg(not(unix))]
pub(super) fn available<T>(_: &T) -> Option<u64> {
    None
}

/// Whether `wanted` bytes more leave as much room as must stay free.
pub(super) fn check_room(
    #[cfg(unix)] fd: impl std::os::fd::AsFd,
    #[cfg(not(unix))] fd: &impl Sized,
    min_free: u64,
    wanted: u64,
) -> Result<(), StorageError> {
    if min_free == 0 {
        return Ok(());
    }
    match available(fd) {
        Some(available) if available < min_free.saturating_add(wanted) => {
            let room = format!("{available} bytes of the file system are free, and {min_free} must stay so");
            Err(StorageError::QuotaExceeded(room.into()))
        }
        _ => Ok(()),
    }
}

/// Whether the process may write to an existing file. Doubt counts as yes: the rename decides.
pub(super) fn may_write(dir: &Dir, name: &Path) -> bool {
    #[cfg(unix)]
    {
        use rustix::fs::{Access, AtFlags, accessat};
        use rustix::io::Errno;
        let result = accessat(dir, name, Access::WRITE_OK, AtFlags::EACCESS);
        !matches!(result, Err(Errno::ACCESS | Errno::PERM | Errno::ROFS))
    }
    #[cfg(not(unix))]
    {
        !dir.symlink_metadata(name).is_ok_and(|metadata| metadata.permissions().readonly())
    }
}

/// Renames, unless the new name exists.
pub(super) fn rename_new(dir: &Dir, from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
            // Not every file system can; ENOSYS is an old kernel, EPERM a sandbox's answer to what it does not know.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {}
            result => return Ok(result?),
        }
    }
    // A link is never made over an existing name.
    dir.hard_link(from, dir, to)?;
    // The file is there, whole: a second name that stays is for the next start to remove.
    let _ = dir.remove_file(from);
    Ok(())
}

/// A handle of the same directory that [`sync_dir`] can use as it is, where the process may read the directory: a commit
/// must not fail because by then the descriptors have run out.
pub(super) fn syncable(dir: Dir) -> Dir {
    #[cfg(unix)]
    if let Ok(readable) = open_to_read(&dir) {
        return Dir::from_std_file(readable.into());
    }
    dir
}

/// Opened by cap-std, a `Dir` only names the directory.
#[cfg(unix)]
fn open_to_read(dir: &Dir) -> rustix::io::Result<std::os::fd::OwnedFd> {
    use rustix::fs::{Mode, OFlags, openat};

    openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Makes what was renamed in a directory durable.
pub(super) fn sync_dir(dir: &Dir) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::fsync;
        use rustix::io::Errno;

        let synced = match fsync(dir) {
            Err(Errno::BADF) => open_to_read(dir).and_then(fsync),
            result => result,
        };
        match synced {
            // A drop box that may be written but not read; a file system without the operation.
            Err(Errno::ACCESS | Errno::INVAL | Errno::BADF | Errno::OPNOTSUPP) => Ok(()),
            result => Ok(result?),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = dir;
        Ok(())
    }
}
