//! Our server as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use super::process::{Finished, Running, eventually};
use super::unique_loopback;

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    Random,
    Range,
    Single,
}

impl Ports {
    /// A range on an address of the test's own collides with nobody.
    const RANGE: &str = "30000-30007";

    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Random => &[],
            Self::Range => &["--port-range", Self::RANGE],
            Self::Single => &["--single-port"],
        }
    }
}

/// A running `tftp-cli serve`.
pub(crate) struct Serve {
    process: Running,
    addresses: Vec<SocketAddr>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Serve {
    /// Serves on a loopback address of the test's own.
    pub(crate) fn start(ports: Ports, args: &[&str]) -> Self {
        let listen = SocketAddr::new(unique_loopback(), 0).to_string();
        let mut all = vec!["--listen", &listen];
        all.extend(ports.args());
        all.extend(args);
        Self::start_with(&all)
    }

    /// Serves a directory that takes new files.
    pub(crate) fn directory(ports: Ports, root: &Path, args: &[&str]) -> Self {
        let mut all = vec![root.to_str().expect("a test's directory is UTF-8"), "--create"];
        all.extend(args);
        Self::start(ports, &all)
    }

    /// `tftp-cli serve` with exactly these arguments.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        Self::start_command(Command::new(env!("CARGO_BIN_EXE_tftp-cli")).arg("serve").args(args))
    }

    /// A command that ends up as our server.
    pub(crate) fn start_command(command: &mut Command) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let mut process = Running::start_with(command, |stderr| {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push(line);
                }
                Vec::new()
            })
        });
        let addresses = eventually("the server's first line", || {
            let first = log.lock().unwrap().first().map(|line| addresses(line));
            if first.is_none() {
                assert!(process.ended().is_none(), "the server ended before its first line");
            }
            first
        });
        assert!(!addresses.is_empty(), "no address in the first line: {:?}", log.lock().unwrap());
        Self { process, addresses, log }
    }

    /// The first address it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All of them.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits for a log line that holds all of these.
    pub(crate) fn wait_for_log(&mut self, parts: &[&str]) -> String {
        let (log, process) = (&self.log, &mut self.process);
        eventually(&format!("a log line with {parts:?}"), || {
            let ended = process.ended();
            let log = log.lock().unwrap();
            let found = log.iter().find(|line| parts.iter().all(|part| line.contains(part))).cloned();
            assert!(found.is_some() || ended.is_none(), "the server ended with {ended:?} after {log:#?}");
            found
        })
    }

    /// All it has said so far, for messages.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The number of its process.
    #[allow(dead_code, reason = "used by the adversary's tests, which share these helpers")]
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether its process has ended.
    #[allow(dead_code, reason = "used by the adversary's tests, which share these helpers")]
    pub(crate) fn ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Stops it where it is: it runs no further, and does not know.
    #[allow(dead_code, reason = "used by the adversary's tests, which share these helpers")]
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.process.signal(Signal::INT);
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Waits for its end and gives the log along.
    pub(crate) fn finish(self) -> (Finished, String) {
        let finished = self.process.finish();
        let log = self.log.lock().unwrap().join("\n");
        (finished, log)
    }

    /// Ctrl-C, and nothing may be left that it would have to wait for.
    #[track_caller]
    pub(crate) fn assert_drains(self) {
        self.interrupt();
        let (finished, log) = self.finish();
        assert!(finished.status.success(), "{}: {log}", finished.status);
    }
}

/// The socket addresses in a line of text.
fn addresses(line: &str) -> Vec<SocketAddr> {
    line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | ','))
        .filter_map(|word| word.parse().ok())
        .collect()
}
