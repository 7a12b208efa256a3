//! Processes under test, with deadlines on everything.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

/// Longer than anything should take, on a machine that is busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The program, without the settings of whoever runs the tests.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = plain(env!("CARGO_BIN_EXE_tftp-cli"));
    command.args(args);
    command
}

/// The program started by a script of `sh`, in which it is `$0` and its arguments are `$@`.
pub(crate) fn shell(script: &str, args: &[&str]) -> Command {
    let mut command = plain("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_tftp-cli")]).args(args);
    command
}

fn plain(program: &str) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("TFTP_") {
            command.env_remove(key);
        }
    }
    command.env("COLUMNS", "100").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command that has ended left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn failed_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in: {}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Ended {
    finish(command(args).spawn().unwrap(), b"")
}

/// The same in a directory.
#[track_caller]
pub(crate) fn run_in(directory: &Path, args: &[&str]) -> Ended {
    finish(command(args).current_dir(directory).spawn().unwrap(), b"")
}

/// The same with something to read.
#[track_caller]
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Ended {
    finish(command(args).stdin(Stdio::piped()).spawn().unwrap(), input)
}

#[track_caller]
pub(crate) fn finish(mut child: Child, input: &[u8]) -> Ended {
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let stdout = thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).map(|_| bytes)
    });
    let stderr = thread::spawn(move || {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes).map(|_| bytes)
    });
    let writer = child.stdin.take().map(|mut stdin| {
        let input = input.to_vec();
        // A command that fails early does not read everything.
        thread::spawn(move || drop(stdin.write_all(&input)))
    });
    let status = wait(&mut child);
    if let Some(writer) = writer {
        writer.join().unwrap();
    }
    let stderr = stderr.join().unwrap().unwrap();
    Ended { code: status.code(), stdout: stdout.join().unwrap().unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// Waits for the end of a process, which must come.
#[track_caller]
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("the process did not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A server that runs, with its log.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
    /// The first line of the log.
    pub(crate) first: String,
    /// Where it listens, and the first of these.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts one on a free port of 127.0.0.1 unless the arguments say otherwise.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut all = vec!["serve"];
        all.extend_from_slice(args);
        if !args.contains(&"--listen") {
            all.extend_from_slice(&["--listen", "127.0.0.1:0"]);
        }
        Self::spawn(&mut command(&all))
    }

    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, lines, log: Vec::new(), first: String::new(), addresses: Vec::new(), address };
        server.first = server.line("");
        assert!(server.first.contains("serving "), "{}", server.first);
        server.addresses = listen_addresses(&server.first);
        server.address = server.addresses[0];
        server
    }

    /// The first line of the log that holds `text` and was not returned before; waits for it.
    #[track_caller]
    pub(crate) fn line(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(DEADLINE.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {text:?} in:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    /// Every line so far, up to the end of a server that has ended.
    pub(crate) fn rest_of_log(&mut self) -> String {
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            self.log.push(line);
        }
        self.log.join("\n")
    }

    /// `HOST:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("tftp://{}/{path}", self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait(&mut self.child).code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let rest = self.lines.iter();
            self.log.extend(rest);
            eprintln!("The server said:\n{}", self.log.join("\n"));
        }
    }
}

pub(crate) fn send_signal(child: &Child, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

/// What stands in `listen="…"` of a first line, or in that field of a JSON object.
fn listen_addresses(line: &str) -> Vec<SocketAddr> {
    let start = line.find("listen").unwrap();
    let mut quoted = line[start + "listen".len()..].split('"').filter(|part| part.contains(':') && part.len() > 1);
    quoted.next().unwrap().split(' ').map(|address| address.parse().unwrap()).collect()
}

/// Bytes that repeat late enough for a block in the wrong place to show.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index ^ (index >> 8) ^ (index >> 16).wrapping_mul(7)) as u8).collect()
}

/// The names in a directory.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Waits for something that must come true.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
