//! Every system call of a transfer, one after the other: the server is killed in it, or it fails.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::{TempDir, tempdir};

use crate::peer::{Peer, ack, block, data, error_code, rrq, wrq};
use crate::support::{Ports, Serve, content, same};
use crate::traced::{Call, Traced};

/// Few blocks, and more than one write of the storage.
const BLOCK: usize = 32_768;
const SIZE: usize = 560_100;
const OPTIONS: [(&str, &str); 1] = [("blksize", "32768")];

/// How often it is looked whether the server lives, and after how many looks something is said again.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 20;
const REPEATS: usize = 60;

/// How a transfer ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    /// Every block was acknowledged, or has come.
    Whole,
    /// The code of an ERROR.
    Refused(u16),
    /// The server has ended before that.
    Died,
}

/// A directory with an older version of the file in it, or without.
struct Rig {
    root: TempDir,
    old: Option<Vec<u8>>,
    new: Vec<u8>,
}

impl Rig {
    fn new(old: bool) -> Self {
        let rig = Self { root: tempdir().unwrap(), old: old.then(|| content(1, 70_000)), new: content(2, SIZE) };
        if let Some(old) = &rig.old {
            std::fs::write(rig.file(), old).unwrap();
        }
        rig
    }

    fn file(&self) -> PathBuf {
        self.root.path().join("file")
    }

    fn serve(&self) -> Serve {
        Serve::directory(Ports::Random, self.root.path(), &["--overwrite", "--timeout", "50ms"])
    }

    fn is_old(&self) -> bool {
        match &self.old {
            Some(old) => same(&self.file(), old).is_ok(),
            None => !self.file().exists(),
        }
    }

    fn is_new(&self) -> bool {
        same(&self.file(), &self.new).is_ok()
    }

    /// Neither a mixture nor a loss.
    #[track_caller]
    fn check(&self, ended: Ended, call: &Call) {
        assert!(self.is_new() || self.is_old(), "{call:?}: a mixture");
        assert!(self.is_new() || ended != Ended::Whole, "{call:?}: acknowledged, and lost");
    }

    /// Another upload of the same name succeeds, and leaves nothing but its file.
    #[track_caller]
    fn upload_again(&self, server: &mut Serve, call: &Call) {
        let newest = content(3, SIZE / 2);
        assert_eq!(upload(server, &newest), Ended::Whole, "{call:?}: {}", server.log());
        same(&self.file(), &newest).unwrap();
        assert_eq!(names(self.root.path()), ["file"], "{call:?}");
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Says something until there is an answer, or nobody who could give one.
fn converse(server: &mut Serve, peer: &Peer, say: impl Fn()) -> Option<(Vec<u8>, std::net::SocketAddr)> {
    for _ in 0..REPEATS {
        say();
        for _ in 0..LOOKS {
            // Looked at first: what it had sent before it ended is here already.
            let ended = server.ended();
            if let Some(heard) = peer.hear_within(LOOK) {
                return Some(heard);
            }
            if ended {
                return None;
            }
        }
    }
    panic!("no answer, and the server lives: {}", server.log());
}

/// Uploads in lock-step, to the end of one of the two.
fn upload(server: &mut Serve, bytes: &[u8]) -> Ended {
    let (address, peer) = (server.address(), Peer::new(server.address()));
    let request = wrq(b"file", &OPTIONS);
    let Some((answer, port)) = converse(server, &peer, || peer.tell(address, &request)) else { return Ended::Died };
    if let Some(code) = error_code(&answer) {
        return Ended::Refused(code);
    }
    assert_eq!(answer[..2], [0, 6], "{answer:?}");
    for (index, number) in (0..=bytes.len() / BLOCK).zip(1..) {
        let payload = &bytes[index * BLOCK..bytes.len().min((index + 1) * BLOCK)];
        loop {
            let say = || peer.tell(port, &data(number, payload));
            let Some((answer, _)) = converse(server, &peer, say) else { return Ended::Died };
            if let Some(code) = error_code(&answer) {
                return Ended::Refused(code);
            }
            if answer == ack(number) {
                break;
            }
        }
    }
    Ended::Whole
}

/// Downloads in lock-step, to the end of one of the two. What has come is the beginning of the file in any case.
fn download(server: &mut Serve, bytes: &[u8]) -> Ended {
    let (address, peer) = (server.address(), Peer::new(server.address()));
    let (mut reply, mut to) = (rrq(b"file", &OPTIONS), address);
    let (mut got, mut last) = (Vec::new(), 0);
    loop {
        let Some((answer, port)) = converse(server, &peer, || peer.tell(to, &reply)) else { return Ended::Died };
        if let Some(code) = error_code(&answer) {
            return Ended::Refused(code);
        }
        to = port;
        if answer[..2] == [0, 6] {
            reply = ack(0);
        }
        if let Some((number, payload)) = block(&answer).filter(|(number, _)| *number == last + 1) {
            last = number;
            reply = ack(number);
            got.extend_from_slice(payload);
            assert!(bytes.starts_with(&got), "something else than the file");
            if payload.len() < BLOCK {
                peer.tell(to, &reply);
                assert_eq!(got.len(), bytes.len());
                return Ended::Whole;
            }
        }
    }
}

/// Says how the transfers ended.
fn report(what: &str, calls: &[Call], ended: &[Ended]) {
    let mut names = BTreeMap::<&str, usize>::new();
    calls.iter().for_each(|call| *names.entry(&call.name).or_default() += 1);
    let mut ends = BTreeMap::<Ended, usize>::new();
    ended.iter().for_each(|ended| *ends.entry(*ended).or_default() += 1);
    let _ = writeln!(std::io::stderr(), "{what}: {} calls {names:?}, {ends:?}", calls.len());
}

fn killed_in_every_call(old: bool) {
    let rig = Rig::new(old);
    let bytes = rig.new.clone();
    let calls = Traced::calls(&mut rig.serve(), None, |server| assert_eq!(upload(server, &bytes), Ended::Whole));
    let Some(calls) = calls else { return };
    let mut all = Vec::new();
    for call in &calls {
        let rig = Rig::new(old);
        let mut server = rig.serve();
        let Some(traced) = Traced::inject(&server, call, "signal=KILL") else { return };
        let ended = upload(&mut server, &rig.new);
        rig.check(ended, call);
        // Where it made fewer calls this time, it lives.
        drop(traced);
        server.kill();
        rig.check(ended, call);
        let whole = rig.is_new();
        let mut server = rig.serve();
        assert_eq!(names(rig.root.path()), if whole || old { &["file"][..] } else { &[] }, "{call:?}: cleaned up");
        assert!(if whole { rig.is_new() } else { rig.is_old() });
        rig.upload_again(&mut server, call);
        all.push(ended);
    }
    report("killed", &calls, &all);
    assert!(all.iter().filter(|ended| **ended == Ended::Died).count() > calls.len() / 2, "{all:?}");
}

#[test]
fn a_server_killed_in_any_call_of_an_upload() {
    killed_in_every_call(false);
}

#[test]
fn a_server_killed_in_any_call_of_an_upload_over_an_old_version() {
    killed_in_every_call(true);
}

/// What an upload cannot do without.
const WRITING: [&str; 4] = ["openat2", "pwritev", "fsync", "renameat"];

/// The same server goes on: the name is free, and what is left of the failed upload goes with the next one at the latest.
/// Returns the calls that did fail, and how each upload ended.
fn failing_in_every_call(old: bool, error: &str) -> Vec<(Call, Ended)> {
    let rig = Rig::new(old);
    let bytes = rig.new.clone();
    let root = std::fs::canonicalize(rig.root.path()).unwrap();
    let calls = Traced::calls(&mut rig.serve(), Some(&root), |server| assert_eq!(upload(server, &bytes), Ended::Whole));
    let Some(calls) = calls else { return Vec::new() };
    let mut all = Vec::new();
    for call in &calls {
        let rig = Rig::new(old);
        let mut server = rig.serve();
        let Some(traced) = Traced::inject(&server, call, &format!("error={error}")) else { return Vec::new() };
        let ended = upload(&mut server, &rig.new);
        rig.check(ended, call);
        assert_ne!(ended, Ended::Died, "{call:?}: {}", server.log());
        let failed = traced.was_injected();
        assert!(failed || ended == Ended::Whole, "{call:?} did not fail: {ended:?}, {}", server.log());
        rig.upload_again(&mut server, call);
        all.push((failed, ended));
    }
    report(error, &calls, &all.iter().map(|(_, ended)| *ended).collect::<Vec<_>>());
    let failed: Vec<_> = calls.iter().cloned().zip(all).filter(|(_, (failed, _))| *failed).collect();
    for name in WRITING {
        assert!(failed.iter().any(|(call, _)| call.name == name), "no {name} has failed");
    }
    failed.into_iter().map(|(call, (_, ended))| (call, ended)).collect()
}

#[test]
fn a_disk_that_fails_in_any_call_of_an_upload() {
    for old in [false, true] {
        let all = failing_in_every_call(old, "EIO");
        for (call, ended) in all {
            if WRITING.contains(&call.name.as_str()) {
                assert_eq!(ended, Ended::Refused(0), "{call:?}");
            }
        }
    }
}

#[test]
fn a_disk_that_is_full_in_any_call_of_an_upload() {
    for (call, ended) in failing_in_every_call(true, "ENOSPC") {
        if WRITING.contains(&call.name.as_str()) {
            assert_eq!(ended, Ended::Refused(3), "{call:?}");
        }
    }
}

/// Nothing wrong is ever sent: the rest, or an ERROR.
#[test]
fn a_disk_that_fails_in_any_call_of_a_download() {
    let rig = Rig::new(true);
    let bytes = content(1, 70_000);
    let root = std::fs::canonicalize(rig.root.path()).unwrap();
    let calls =
        Traced::calls(&mut rig.serve(), Some(&root), |server| assert_eq!(download(server, &bytes), Ended::Whole));
    let Some(calls) = calls else { return };
    let mut all = Vec::new();
    for call in &calls {
        let mut server = rig.serve();
        let Some(traced) = Traced::inject(&server, call, "error=EIO") else { return };
        let ended = download(&mut server, &bytes);
        assert_ne!(ended, Ended::Died, "{call:?}: {}", server.log());
        drop(traced);
        assert_eq!(download(&mut server, &bytes), Ended::Whole, "{call:?}");
        all.push(ended);
    }
    report("read errors", &calls, &all);
}

/// The disk goes bad behind the first piece of the file. A read that may not wait fails for other reasons, too, and is
/// tried again by a thread: only if that fails, the file cannot be read.
#[test]
fn a_disk_that_fails_in_mid_file() {
    let rig = Rig::new(true);
    let large = content(4, 1 << 20);
    std::fs::write(rig.file(), &large).unwrap();
    let mut server = rig.serve();
    let everywhere = [("preadv2", "2+"), ("pread64", "1+")];
    let Some(traced) = Traced::inject_each(&server, &everywhere, "error=EIO") else { return };
    assert_eq!(download(&mut server, &large), Ended::Refused(0), "{}", server.log());
    server.wait_for_log(&["direction=get", "outcome=storage_error"]);
    drop(traced);
    assert_eq!(download(&mut server, &large), Ended::Whole);
}
