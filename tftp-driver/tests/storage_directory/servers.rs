//! Several servers on one directory: instances in one process, and processes.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Directory, StorageError, WritePolicy, Writer};

use crate::support::{Fixture, pattern, temporaries, wait_until, writer};

const ROOT: &str = "STORAGE_TEST_SERVERS_ROOT";

fn open(root: &Path, policy: WritePolicy) -> Directory {
    Directory::builder(root).write_policy(policy).open().unwrap()
}

/// Not a test: a server that has "new" half-way when it says so, and commits when its input ends.
#[test]
fn child_with_an_upload() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let directory = open(Path::new(&root), WritePolicy::ANY);
    let mut upload = match writer(&directory, "new", 1) {
        Ok(upload) => upload,
        Err(error) => return println!("\nrefused: {error}"),
    };
    block_on(upload.write_at(0, pattern(1, 200_000).into())).unwrap();
    println!("\nuploading");
    let _ = std::io::stdin().read(&mut [0]);
    block_on(upload.commit()).unwrap();
}

/// Starts a server, and gives its first words and its output, which has to stay open.
fn start(root: &Path) -> (Child, String, impl BufRead) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::child_with_an_upload", "--nocapture"])
        .env(ROOT, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.by_ref().lines().map(Result::unwrap);
    let said = lines.find(|line| line == "uploading" || line.starts_with("refused")).unwrap();
    (child, said, output)
}

#[test]
fn the_upload_of_another_process_is_in_the_way_until_it_ends() {
    let fixture = Fixture::new();
    let root = fixture.inside("");
    let (mut first, said, _output) = start(&root);
    assert_eq!(said, "uploading");
    let (mut second, said, _output) = start(&root);
    assert_eq!(said, "refused: another server is writing a file of this name");
    second.wait().unwrap();
    assert!(matches!(fixture.writer("new"), Err(StorageError::BusyElsewhere)));
    // Other names are free.
    block_on(fixture.writer("dir/new").unwrap().commit()).unwrap();
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    assert_eq!(fixture.get("new").unwrap(), pattern(1, 200_000));
    block_on(fixture.writer("new").unwrap().commit()).unwrap();
    assert_eq!(fixture.get("new").unwrap(), b"");
    assert!(temporaries(&root).is_empty());
}

#[test]
fn what_a_killed_process_had_half_way_does_not_block_the_name() {
    let fixture = Fixture::new();
    let root = fixture.inside("");
    for _ in 0..3 {
        let (mut killed, said, _output) = start(&root);
        assert_eq!(said, "uploading");
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_eq!(temporaries(&root).len(), 1);
        assert!(!fixture.inside("new").exists());
        // A server that runs already takes over without a start's cleaning.
        let mut upload = fixture.writer("new").unwrap();
        assert_eq!(fs::metadata(&temporaries(&root)[0]).unwrap().len(), 0, "made anew");
        block_on(upload.write_at(0, Bytes::from_static(b"whole"))).unwrap();
        block_on(upload.commit()).unwrap();
        assert_eq!(fs::read(fixture.inside("new")).unwrap(), b"whole");
        assert!(temporaries(&root).is_empty());
        fs::remove_file(fixture.inside("new")).unwrap();
    }
}

#[test]
fn two_instances_in_one_process_do_not_write_one_file() {
    for policy in [WritePolicy::CREATE, WritePolicy::ANY] {
        let fixture = Fixture::with_policy(policy);
        let other = open(&fixture.inside(""), policy);
        let mut first = fixture.writer("new").unwrap();
        block_on(first.write_at(0, Bytes::from_static(b"first"))).unwrap();
        assert!(matches!(writer(&other, "new", 1), Err(StorageError::BusyElsewhere)));
        assert!(matches!(writer(&other, "dir/../new", 1), Err(StorageError::BusyElsewhere)));
        block_on(first.commit()).unwrap();
        assert_eq!(fixture.get("new").unwrap(), b"first");
        assert_eq!(writer(&other, "new", 1).is_ok(), policy.overwrite);
        assert!(temporaries(&fixture.inside("")).is_empty());
    }
}

#[test]
fn of_many_uploads_at_once_one_wins() {
    let fixture = Fixture::with_policy(WritePolicy::CREATE);
    let won = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for server in 0..8 {
            let (fixture, won) = (&fixture, &won);
            scope.spawn(move || {
                let directory = open(&fixture.inside(""), WritePolicy::CREATE);
                wait_until("one has won", || {
                    let Ok(mut writer) = writer(&directory, "new", 1) else { return fixture.inside("new").exists() };
                    block_on(writer.write_at(0, pattern(server, 100_000).into())).unwrap();
                    if block_on(writer.commit()).is_ok() {
                        won.lock().unwrap().push(server);
                    }
                    true
                });
            });
        }
    });
    let won = won.into_inner().unwrap();
    assert_eq!(won.len(), 1);
    assert_eq!(fixture.get("new").unwrap(), pattern(won[0], 100_000));
    assert!(temporaries(&fixture.inside("")).is_empty());
}

/// However uploads begin, end, are abandoned and cleaned up after: never two at once, and never one that loses its file.
#[test]
fn writers_takers_over_and_cleaners_at_once() {
    let fixture = Fixture::new();
    let root = fixture.inside("");
    let (writing, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let committed = Mutex::new(0);
    thread::scope(|scope| {
        let uploaders: Vec<_> = (0..3)
            .map(|server| {
                let (fixture, writing, committed) = (&fixture, &writing, &committed);
                scope.spawn(move || {
                    let directory = open(&fixture.inside(""), WritePolicy::ANY);
                    for round in 0..300 {
                        let mut upload = match writer(&directory, "new", round) {
                            Ok(upload) => upload,
                            Err(StorageError::BusyElsewhere) => continue,
                            Err(error) => panic!("{error:?}"),
                        };
                        assert!(!writing.swap(true, Ordering::SeqCst), "two at once");
                        block_on(upload.write_at(0, pattern(server, 1000).into())).unwrap();
                        // Over before the name is free.
                        assert!(writing.swap(false, Ordering::SeqCst));
                        if round % 2 == 0 {
                            block_on(upload.commit()).unwrap();
                            *committed.lock().unwrap() += 1;
                        }
                    }
                })
            })
            .collect();
        // Servers that start, and clean up.
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                open(&root, WritePolicy::CREATE);
            }
        });
        let ended: Vec<_> = uploaders.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::SeqCst);
        assert!(ended.iter().all(Result::is_ok));
    });
    assert!(committed.into_inner().unwrap() > 0);
    let content = fixture.get("new").unwrap();
    assert!((0..3).any(|server| content == pattern(server, 1000)));
    assert!(temporaries(&root).is_empty());
}

#[test]
fn something_else_under_a_temporary_name_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    let root = fixture.inside("");
    drop(fixture.writer("new").unwrap());
    let upload = fixture.writer("new").unwrap();
    let temporary = temporaries(&root).pop().unwrap();
    drop(upload);
    std::os::unix::fs::symlink("../outside", &temporary).unwrap();
    assert!(fixture.writer("new").is_err());
    assert!(fs::symlink_metadata(&temporary).unwrap().is_symlink());
    fs::remove_file(&temporary).unwrap();
    fs::create_dir(&temporary).unwrap();
    assert!(fixture.writer("new").is_err());
    fs::remove_dir(&temporary).unwrap();
    assert!(Command::new("mkfifo").arg(&temporary).status().unwrap().success());
    assert!(fixture.writer("new").is_err());
    fixture.assert_outside_untouched();
}

#[test]
fn a_second_name_that_a_killed_commit_left_does_not_harm_the_file() {
    // Where files are published by a hard link, a process can die before it takes the first name away.
    let fixture = Fixture::new();
    let upload = fixture.writer("new").unwrap();
    let temporary = temporaries(&fixture.inside("")).pop().unwrap();
    drop(upload);
    fs::write(fixture.inside("new"), "published").unwrap();
    fs::hard_link(fixture.inside("new"), &temporary).unwrap();
    let mut upload = fixture.writer("new").unwrap();
    block_on(upload.write_at(0, Bytes::from_static(b"next"))).unwrap();
    assert_eq!(fs::read(fixture.inside("new")).unwrap(), b"published");
    block_on(upload.commit()).unwrap();
    assert_eq!(fs::read(fixture.inside("new")).unwrap(), b"next");
}
