//! Processes that cannot outlive or hang a test.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When a process is taken for hung. Far above what anything here needs on a busy machine.
const HUNG: Duration = Duration::from_secs(180);

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something; fails when that takes suspiciously long.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + HUNG;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {HUNG:?}");
        std::thread::sleep(POLL);
    }
}

/// A started program. Dropping it kills it.
pub(crate) struct Running {
    what: String,
    child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// What a program left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) what: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// Fails unless the program says that it succeeded.
    #[track_caller]
    pub(crate) fn assert_success(&self) {
        assert!(self.status.success(), "{} ended with {}: {}{}", self.what, self.status, self.stdout, self.stderr);
    }
}

impl Running {
    /// Starts a program and collects what it prints.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with(command, collect)
    }

    /// Starts a program; `watch` gets its standard error.
    pub(crate) fn start_with(
        command: &mut Command,
        watch: impl FnOnce(std::process::ChildStderr) -> JoinHandle<Vec<u8>>,
    ) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(watch);
        Self { what, child, stdout, stderr }
    }

    /// Its end, if it has ended already.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("waiting for a child")
    }

    /// Its number, for what the kernel tells of it.
    #[allow(dead_code, reason = "used by the adversary's tests, which share these helpers")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).expect("signalling");
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let deadline = Instant::now() + HUNG;
        let status = loop {
            if let Some(status) = self.ended() {
                break Some(status);
            }
            if Instant::now() >= deadline {
                self.kill();
                break None;
            }
            std::thread::sleep(POLL);
        };
        let (stdout, stderr) = (join(self.stdout.take()), join(self.stderr.take()));
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        let what = std::mem::take(&mut self.what);
        let status = status.unwrap_or_else(|| panic!("{what} hung: {stderr}"));
        Finished { what, status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.read_to_end(&mut all);
        all
    })
}

fn join(reader: Option<JoinHandle<Vec<u8>>>) -> Vec<u8> {
    reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
}
