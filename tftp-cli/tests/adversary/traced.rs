//! strace on a running server: what it asks of the kernel, and what the kernel does to it instead.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use crate::support::{Running, Serve, eventually, skip};

/// A server that strace watches from here on. Dropping it lets the server go on alone.
pub(crate) struct Traced {
    strace: Running,
    directory: TempDir,
}

/// One call out of all those of a name, the first being 1. Each thread counts for itself.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) number: usize,
}

impl Traced {
    /// `None`, and the test is skipped by name, where no process may be traced.
    fn attach(server: &Serve, args: &[&str]) -> Option<Self> {
        let said = Arc::new(Mutex::new(String::new()));
        let lines = Arc::clone(&said);
        let id = server.id().to_string();
        let mut command = Command::new("strace");
        let directory = tempdir().unwrap();
        command.args(["-f", "-p", &id, "-o"]).arg(directory.path().join("log")).args(args);
        if Command::new("strace").arg("-V").output().is_err() {
            skip("strace (Debian package strace) is not installed");
            return None;
        }
        let mut strace = Running::start_with(&mut command, |stderr| {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    lines.lock().unwrap().push_str(&line);
                }
                Vec::new()
            })
        });
        let attached = eventually("strace", || {
            let attached = said.lock().unwrap().contains("attached");
            (attached || strace.ended().is_some()).then_some(attached)
        });
        if !attached {
            skip(&format!("no process may be traced: {}", said.lock().unwrap()));
            return None;
        }
        Some(Self { strace, directory })
    }

    /// Has the kernel do `what` ("signal=KILL", "error=EIO") at one call.
    pub(crate) fn inject(server: &Serve, call: &Call, what: &str) -> Option<Self> {
        Self::inject_each(server, &[(&call.name, &call.number.to_string())], what)
    }

    /// At several calls, each by its name and its numbers ("3", "3+").
    pub(crate) fn inject_each(server: &Serve, calls: &[(&str, &str)], what: &str) -> Option<Self> {
        let mut words = Vec::new();
        for (name, when) in calls {
            words.extend([String::from("-e"), format!("inject={name}:{what}:when={when}")]);
        }
        let names: Vec<_> = calls.iter().map(|(name, _)| *name).collect();
        words.extend([String::from("-e"), format!("trace={}", names.join(","))]);
        Self::attach(server, &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Lets the server go on alone. Whether anything was done to it: another time it may make fewer calls.
    pub(crate) fn was_injected(self) -> bool {
        self.finish().contains("(INJECTED)")
    }

    fn finish(self) -> String {
        self.strace.signal(Signal::TERM);
        self.strace.finish();
        String::from_utf8_lossy(&std::fs::read(self.directory.path().join("log")).unwrap()).into_owned()
    }

    /// Every call during `act` that has to do with a descriptor, a name or the network; with `only`, those that speak of
    /// this file or directory.
    pub(crate) fn calls(server: &mut Serve, only: Option<&Path>, act: impl FnOnce(&mut Serve)) -> Option<Vec<Call>> {
        let traced = Self::attach(server, &["-y", "-e", "trace=%desc,%file,%network"])?;
        act(server);
        let log = traced.finish();
        let mut counts = BTreeMap::<(&str, &str), usize>::new();
        for line in log.lines().filter(|line| only.is_none_or(|only| line.contains(only.to_str().unwrap()))) {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            if let Some((name, _)) = rest.trim_start().split_once('(').filter(|(name, _)| !name.contains(' ')) {
                *counts.entry((name, thread)).or_default() += 1;
            }
        }
        let mut most = BTreeMap::<&str, usize>::new();
        for ((name, _), count) in counts {
            let most = most.entry(name).or_default();
            *most = count.max(*most);
        }
        let each = |(name, most)| (1..=most).map(move |number| Call { name: String::from(name), number });
        Some(most.into_iter().flat_map(each).collect())
    }
}
