//! Processes: what they use, and where they run.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_setaffinity};

/// A server under test, with whatever it has started.
pub(super) struct Group {
    child: Child,
}

/// What a group of processes has used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) processor: Duration,
    /// Peak resident memory in bytes; of several processes, the sum of what is their own now.
    pub(super) memory: u64,
}

impl Group {
    pub(super) fn spawn(command: &Command) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        // It must not outlive this program, which Ctrl-C may end at any time.
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        let null = Stdio::null;
        let child = bound.process_group(0).stdin(null()).stdout(null()).stderr(null()).spawn()?;
        Ok(Self { child })
    }

    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Restricts all its threads, and what they will start, to some processors.
    pub(super) fn pin(&self, processors: &[usize]) {
        for pid in self.pids() {
            let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            for task in tasks.flatten() {
                let tid = task.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
                // A thread that has just ended needs no place.
                let _ = sched_setaffinity(tid, &set(processors));
            }
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let pids = self.pids();
        let mut usage = Usage::default();
        let leader = self.child.id();
        for pid in &pids {
            usage.processor += processor_time(*pid, *pid == leader).unwrap_or_default();
            let field = if pids.len() == 1 { "VmHWM" } else { "RssAnon" };
            usage.memory += memory(*pid, field).unwrap_or(0);
        }
        usage
    }

    /// All processes of the group.
    fn pids(&self) -> BTreeSet<u32> {
        let leader = self.child.id();
        let Ok(all) = fs::read_dir("/proc") else { return [leader].into() };
        let members = all
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| stat(*pid).and_then(|fields| fields.get(2)?.parse().ok()) == Some(leader));
        members.chain([leader]).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Restricts this process, and what it will start, to some processors.
pub(super) fn pin_self(processors: &[usize]) {
    let _ = sched_setaffinity(None, &set(processors));
}

fn set(processors: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for processor in processors {
        set.set(*processor);
    }
    set
}

/// The fields of /proc/PID/stat behind the name, which may hold anything: the state comes first.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// User and system time, with that of children that have ended if asked.
fn processor_time(pid: u32, with_children: bool) -> Option<Duration> {
    let fields = stat(pid)?;
    let last = if with_children { 14 } else { 12 };
    let ticks: u64 = fields.get(11..=last)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    let second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64(ticks as f64 / second as f64))
}

/// A field of /proc/PID/status in bytes.
fn memory(pid: u32, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Runs a command to its end or, after `patience`, asks it to stop. What it wrote to standard output.
pub(super) fn output(command: &mut Command, patience: Duration, mut meanwhile: impl FnMut()) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let Some(mut stdout) = child.stdout.take() else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let start = Instant::now();
    let mut asked = false;
    while child.try_wait()?.is_none() {
        if !asked && start.elapsed() > patience {
            asked = true;
            let _ = rustix::process::kill_process(Pid::from_child(&child), Signal::TERM);
        }
        meanwhile();
        std::thread::sleep(Duration::from_millis(20));
    }
    reader.join().map_err(|_| io::Error::other("the reader has ended by itself"))?
}
