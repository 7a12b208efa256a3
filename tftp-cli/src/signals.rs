//! Requests to stop.

use std::io;

use crate::exit::Exit;

/// How somebody asked this process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Ctrl-C, SIGINT.
    Interrupt,
    /// SIGTERM.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    Terminate,
    /// SIGHUP: the terminal is gone.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
    HangUp,
}

impl Stop {
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
            Self::HangUp => Exit::HungUp,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        }
    }
}

/// The signals of this process. From its creation on they no longer kill it.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// None where it is to be left as it is, and once any has come: a shell and its terminal may both send it, and a session
    /// that ends sends it together with SIGTERM.
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if may_watch_hang_up() { Some(signal(SignalKind::hangup())?) } else { None },
        })
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The first request to stop, from a task of its own: whoever waits for it beside a transfer is woken with every
    /// packet, and looking at a task costs less than looking at the signals. An error is a panic in there.
    pub(crate) fn watch(mut self) -> tokio::task::JoinHandle<Stop> {
        tokio::spawn(async move { self.next().await })
    }

    /// The next request to stop. Cancelling this loses none.
    pub(crate) async fn next(&mut self) -> Stop {
        #[cfg(unix)]
        {
            let stop = tokio::select! {
                biased;
                _ = self.interrupt.recv() => Stop::Interrupt,
                _ = self.terminate.recv() => Stop::Terminate,
                () = hung_up(&mut self.hang_up) => Stop::HangUp,
            };
            self.hang_up = None;
            stop
        }
        #[cfg(not(unix))]
        {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Stop::Interrupt
        }
    }
}

#[cfg(unix)]
async fn hung_up(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP would end this process. Started by `nohup` it is ignored, and has to stay so. Where that cannot be found out
/// without `unsafe`, it is left alone.
#[cfg(unix)]
fn may_watch_hang_up() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| hang_up_is_ignored(&status) == Some(false))
}

/// By the text of `/proc/self/status`.
#[cfg(unix)]
fn hang_up_is_ignored(status: &str) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    // Bit 0 is signal 1.
    Some(mask & 1 == 1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_process_under_nohup_is_told_by_its_mask() {
        assert_eq!(hang_up_is_ignored("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), Some(true));
        assert_eq!(hang_up_is_ignored("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"), Some(false));
        assert_eq!(hang_up_is_ignored("SigCgt:\t0000000000000001\n"), None);
    }
}
