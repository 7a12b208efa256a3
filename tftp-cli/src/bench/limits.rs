//! What the system allows this process, and what it has used.

use std::time::Duration;

/// Allows this process a socket for each client. An error says how many are allowed.
#[cfg(unix)]
pub(super) fn allow_sockets(clients: u32) -> Result<(), u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// Open files besides the clients' sockets.
    const OTHER_FILES: u64 = 64;

    let wanted = u64::from(clients) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let suffices = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if suffices(current) {
        return Ok(());
    }
    // Only a privileged process may raise the hard limit.
    let maximum_then = if suffices(maximum) { maximum } else { Some(wanted) };
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: maximum_then });
    raised.map_err(|_| maximum.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES))
}

#[cfg(not(unix))]
pub(super) fn allow_sockets(_clients: u32) -> Result<(), u64> {
    Ok(())
}

/// The processor time this process has used, where the system tells.
#[cfg(unix)]
pub(super) fn processor_time() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};

    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let sum = usage.user_time() + usage.system_time();
    Some(Duration::new(u64::try_from(sum.tv_sec()).ok()?, u32::try_from(sum.tv_usec()).ok()? * 1000))
}

#[cfg(not(unix))]
pub(super) fn processor_time() -> Option<Duration> {
    None
}
