//! Programs that cannot outlive a test.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A started program, whose output is in a file. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    pub(super) fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let errors = log.try_clone().expect("a log");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("waiting for a child").is_some()
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
