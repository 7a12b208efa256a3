//! What the system allows this process, and what it has used.

use std::time::Duration;

/// Open files besides the clients' sockets.
const OTHER_FILES: u64 = 64;

/// Allows this process a socket for each client. An error says how many are allowed.
#[cfg(unix)]
pub(super) fn allow_sockets(clients: u32) -> Result<(), u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let wanted = u64::from(clients) + OTHER_FILES;
    // If the limit cannot be read, the sockets themselves will tell.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    if soft >= wanted {
        return Ok(());
    }
    // Only a privileged process may raise the hard limit.
    let hard = if hard < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() { wanted } else { hard };
    if hard < wanted || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        return Err(hard.saturating_sub(OTHER_FILES));
    }
    Ok(())
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
