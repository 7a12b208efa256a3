//! A server that is killed, and the next one.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Directory, WritePolicy, Writer};

use crate::support::{Fixture, PUBLIC, temporaries, writer};

const ROOT: &str = "STORAGE_TEST_CRASH_ROOT";
const NAMES: &str = "STORAGE_TEST_CRASH_NAMES";

/// Not a test: the server that is killed. It holds two uploads until its standard input ends.
#[test]
fn child_with_two_uploads() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let directory = Directory::builder(root).write_policy(WritePolicy::ANY).open().unwrap();
    let names = std::env::var(NAMES).unwrap();
    let (first, second) = names.split_once(' ').unwrap();
    let mut first = writer(&directory, first, 1).unwrap();
    let mut second = writer(&directory, second, 2).unwrap();
    block_on(first.write_at(0, Bytes::from(vec![1; 200_000]))).unwrap();
    block_on(second.write_at(0, Bytes::from(vec![2; 10]))).unwrap();
    println!("\nuploading");
    let _ = std::io::stdin().read(&mut [0]);
    block_on(first.commit()).unwrap();
    block_on(second.commit()).unwrap();
}

/// The server, uploading, and its output, which has to stay open.
fn start(root: &Path, names: &str) -> (Child, impl BufRead) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_with_two_uploads", "--nocapture"])
        .env(ROOT, root)
        .env(NAMES, names)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.by_ref().lines().any(|line| line.unwrap() == "uploading"));
    (child, output)
}

#[test]
fn what_a_killed_server_left_is_removed_but_nothing_that_is_alive() {
    let fixture = Fixture::new();
    let root = fixture.inside("");
    let open = || Directory::builder(&root).write_policy(WritePolicy::CREATE).open().unwrap();
    let (mut killed, _output) = start(&root, "other dir/other");
    let (mut alive, _output) = start(&root, "file dir/new");
    let own = fixture.writer("own").unwrap();
    assert_eq!(temporaries(&root).len(), 5);

    assert_eq!(open().removed_leftovers(), 0);
    assert_eq!(temporaries(&root).len(), 5, "all are locked");

    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(temporaries(&root).len(), 5);
    assert_eq!(Directory::open(&root).unwrap().removed_leftovers(), 0, "read-only, it changes nothing");
    assert_eq!(temporaries(&root).len(), 5);
    assert_eq!(open().removed_leftovers(), 2);
    assert_eq!(temporaries(&root).len(), 3);
    assert_eq!(fs::read(fixture.inside("file")).unwrap(), PUBLIC, "the old file is whole");
    assert!(!fixture.inside("other").exists());

    drop(alive.stdin.take());
    assert!(alive.wait().unwrap().success(), "its uploads were not touched");
    assert_eq!(fs::read(fixture.inside("file")).unwrap(), vec![1; 200_000]);
    assert_eq!(fs::read(fixture.inside("dir/new")).unwrap(), vec![2; 10]);
    block_on(own.commit()).unwrap();
    assert!(temporaries(&root).is_empty());
}

#[test]
fn only_files_with_the_prefix_are_leftovers_and_links_are_not_followed() {
    let fixture = Fixture::new();
    let root = fixture.inside("");
    fs::write(fixture.outside("elsewhere/.tftp-upload-1"), "outside").unwrap();
    std::os::unix::fs::symlink("../elsewhere", fixture.inside("link")).unwrap();
    std::os::unix::fs::symlink("file", fixture.inside(".tftp-upload-link")).unwrap();
    fs::create_dir(fixture.inside(".tftp-upload-dir")).unwrap();
    fs::create_dir_all(fixture.inside("a/b/c/d")).unwrap();
    for name in ["a/b/c/d/.tftp-upload-2", ".tftp-upload-3", "tftp-upload-4", ".tftp-upload", ".tftp-upload-dir/x"] {
        fs::write(fixture.inside(name), "x").unwrap();
    }
    let directory = Directory::builder(&root).write_policy(WritePolicy::OVERWRITE).open().unwrap();
    assert_eq!(directory.removed_leftovers(), 2);
    for name in ["file", "tftp-upload-4", ".tftp-upload", ".tftp-upload-dir/x"] {
        assert!(fixture.inside(name).exists(), "{name}");
    }
    assert!(fixture.outside("elsewhere/.tftp-upload-1").exists());
    assert!(!fixture.inside("a/b/c/d/.tftp-upload-2").exists());
}
