//! What the tests share: processes with deadlines, our server, foreign programs, and a relay that loses packets.

mod client;
mod content;
mod foreign;
mod loopback;
mod process;
mod raw;
mod relay;
mod serve;

pub(crate) use client::Client;
pub(crate) use content::{content, same, same_soon};
pub(crate) use foreign::{Foreign, Program};
pub(crate) use loopback::unique_loopback;
pub(crate) use process::{Running, eventually};
pub(crate) use raw::{Packet, Raw};
pub(crate) use relay::{Gate, Relay, Side};
pub(crate) use serve::{Ports, Serve};

use std::io::Write as _;
use std::path::PathBuf;

/// The directories where daemons live, which a user's `PATH` may leave out.
const SYSTEM: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Where a program is installed; `None` skips the caller's test, and fails it where nothing may be skipped.
pub(crate) fn installed(program: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(SYSTEM.map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{program} (Debian package {package}) is not installed"));
    }
    found
}

/// Says why a test does not run. With `CI=true` that is a failure.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} must not be skipped: {reason}");
    // Not eprintln!, which the test runner hides for tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}
