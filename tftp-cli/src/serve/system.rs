//! What the system allows this process.

/// Allows this process as many open files as the system lets it: each transfer may have one or two. The limit before
/// and after, if it was raised.
#[cfg(unix)]
pub(super) fn raise_file_limit() -> Option<(u64, u64)> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// macOS calls the limit infinite and refuses more than this.
    const OPEN_MAX: u64 = 10_240;

    // Without a higher limit the server works as before, for fewer clients at once.
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (current, most) = (current?, maximum.unwrap_or(u64::MAX));
    let mut limits = [maximum, Some(most.min(OPEN_MAX))].into_iter();
    let limit = limits.find(|limit| {
        let raises = limit.is_none_or(|limit| limit > current);
        raises && setrlimit(Resource::Nofile, Rlimit { current: *limit, maximum }).is_ok()
    })?;
    Some((current, limit.unwrap_or(u64::MAX)))
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
