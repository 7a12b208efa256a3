//! What survives the loss of power: the system calls and their order, as the kernel saw them.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Context, Directory, WritePolicy, Writer};

use crate::support::{Fixture, missing, writer_on};

const ROOT: &str = "STORAGE_TEST_DURABILITY_ROOT";

/// Not a test: runs under strace.
#[test]
fn child_that_uploads() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    for (policy, name) in
        [(WritePolicy::ANY, "file"), (WritePolicy::CREATE, "dir/new"), (WritePolicy::CREATE, "made/below/new")]
    {
        let directory =
            Directory::builder(&root).write_policy(policy).create_directories(true).mode(0o640).open().unwrap();
        let mut upload = writer_on(&directory, name, 1, &Context::inline()).unwrap();
        block_on(upload.write_at(0, Bytes::from(vec![1; 1_000_000]))).unwrap();
        block_on(upload.write_at(1_000_000, Bytes::from(vec![1; 1000]))).unwrap();
        block_on(upload.commit()).unwrap();
    }
}

/// Where a call that contains all of `what` stands, behind `after`.
#[track_caller]
fn position(calls: &[&str], after: usize, what: &[&str]) -> usize {
    let found = calls.iter().skip(after).position(|call| what.iter().all(|part| call.contains(part)));
    after + found.unwrap_or_else(|| panic!("no {what:?} behind call {after} in\n{}", calls.join("\n")))
}

#[test]
fn content_then_name_then_directory() {
    let fixture = Fixture::new();
    let log = fixture.outside("elsewhere/log");
    let output = Command::new("strace")
        .args(["-f", "-y", "-s", "4096", "-e", "signal=none", "-e"])
        .arg("trace=pwritev,fchmod,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat")
        .arg("-o")
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durability::child_that_uploads", "--nocapture", "--test-threads=1"])
        .env(ROOT, fixture.inside(""))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return missing("content_then_name_then_directory", &format!("strace: {error}")),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && stderr.contains("ptrace") {
        return missing("content_then_name_then_directory", &format!("no process may be traced: {stderr}"));
    }
    assert!(output.status.success() && fixture.inside("made/below/new").exists(), "{stderr}");

    let calls = std::fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> = calls.lines().collect();
    let root = std::fs::canonicalize(fixture.inside("")).unwrap();
    let handle = |path: &Path| format!("<{}>", path.display());
    for (parent, name) in [("", "file"), ("dir", "new"), ("made/below", "new")] {
        let parent = if parent.is_empty() { root.clone() } else { root.join(parent) };
        let upload = format!("<{}/.tftp-upload-", parent.display());
        let written = position(&calls, 0, &["pwritev(", &upload]);
        let rest = position(&calls, written + 1, &["pwritev(", &upload]);
        let mode = position(&calls, rest, &["fchmod(", &upload]);
        let synced = position(&calls, mode, &["fsync(", &upload]);
        let named = position(&calls, synced, &["rename", ".tftp-upload-", &format!("\"{name}\""), &handle(&parent)]);
        position(&calls, named, &["fsync(", &handle(&parent)]);
        let renames = calls.iter().filter(|call| call.contains("rename") && call.contains(&handle(&parent)));
        assert_eq!(renames.count(), 1, "no name before the content is safe");
    }
    // A directory that was made is there, too, before anything in it is.
    for (parent, name) in [(root.clone(), "made"), (root.join("made"), "below")] {
        let made = position(&calls, 0, &["mkdir", &format!("\"{name}\"")]);
        let synced = position(&calls, made, &["fsync(", &handle(&parent)]);
        assert!(synced < position(&calls, 0, &["pwritev(", "made/below/.tftp-upload-"]));
    }
}
