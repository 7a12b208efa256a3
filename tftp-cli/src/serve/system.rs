//! What the system allows this process.

/// Allows this process as many open files as the system lets it: each transfer may have one or two. The limit before
/// and after, if it was raised.
#[cfg(unix)]
pub(super) fn raise_file_limit() -> Option<(u64, u64)> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    /// macOS calls the limit infinite and refuses more than this.
    const OPEN_MAX: u64 = 10_240;

    // Without a higher limit the server works as before, for fewer clients at once.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let mut limits = [hard, hard.min(OPEN_MAX)].into_iter().filter(|limit| *limit > soft);
    let limit = limits.find(|limit| setrlimit(Resource::RLIMIT_NOFILE, *limit, hard).is_ok())?;
    Some((soft, limit))
}

#[cfg(not(unix))]
pub(super) fn raise_file_limit() -> Option<(u64, u64)> {
    None
}

/// Lets a write beyond the limit of file sizes fail as one to a full disk does. Its signal would kill the server.
#[cfg(unix)]
pub(super) fn survive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};

    // What is installed stays when this is dropped. Where it cannot be, only such a limit is worse for it.
    let _ = signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32));
}

#[cfg(not(unix))]
pub(super) fn survive_file_size_limit() {}
