//! A file that changes while it is served: the version that was opened, or a clear error, but never a mixture.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::support::{Ports, Serve, content};
use crate::transfers::{Download, download, upload};

/// Larger than what a server reads ahead.
const SIZE: usize = 400_000;
const NOT_DEFINED: u16 = 0;

/// What is to come of a download during which something was done to its file.
enum Expected {
    OldVersion,
    OldVersionOrError,
    Error,
}

/// Does something to the file after some blocks of a download.
fn during(blocks: usize, change: impl Fn(&Path, &Serve), expected: Expected, after: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let root = tempdir().unwrap();
    let (file, old): (PathBuf, _) = (root.path().join("file"), content(1, SIZE));
    fs::write(&file, &old).unwrap();
    // The kernel's clock for files ticks more slowly than this test runs: without this, the change would bear the time
    // of the file's making. It lies before the time at which the server may share what it reads, too.
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    OpenOptions::new().write(true).open(&file).unwrap().set_modified(past).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &["--overwrite"]);
    // Another reader of the same version, so that what one has read may serve the other.
    let first = Download::start(server.address(), "file").steps(blocks);
    let second = Download::start(server.address(), "file");
    change(&file, &server);
    for download in [first, second] {
        match (download.finish(), &expected) {
            (Ok(bytes), Expected::OldVersion | Expected::OldVersionOrError) => assert!(bytes == old, "a mixture"),
            (Err(NOT_DEFINED), Expected::Error | Expected::OldVersionOrError) => {}
            (Ok(bytes), Expected::Error) => panic!("{} bytes instead of an error", bytes.len()),
            (Err(code), _) => panic!("ERROR {code}"),
        }
    }
    match after(&old) {
        Some(new) => assert!(download(server.address(), "file").unwrap() == new),
        None => assert_eq!(download(server.address(), "file"), Err(1)),
    }
}

fn open(file: &Path) -> fs::File {
    OpenOptions::new().write(true).open(file).unwrap()
}

#[test]
fn replaced_by_a_rename() {
    let new = || content(2, SIZE);
    let change = |file: &Path, _: &Serve| {
        fs::write(file.with_extension("new"), new()).unwrap();
        fs::rename(file.with_extension("new"), file).unwrap();
    };
    during(100, change, Expected::OldVersion, |_| Some(new()));
}

#[test]
fn replaced_by_an_upload() {
    let new = || content(3, 50_000);
    during(100, |_, server| upload(server.address(), "file", &new()).unwrap(), Expected::OldVersion, |_| Some(new()));
}

#[test]
fn deleted() {
    during(100, |file, _| fs::remove_file(file).unwrap(), Expected::OldVersion, |_| None);
}

#[test]
fn truncated() {
    for len in [0, 60_000, SIZE - 1] {
        let change = |file: &Path, _: &Serve| open(file).set_len(len as u64).unwrap();
        during(100, change, Expected::Error, |old| Some(old[..len].to_vec()));
    }
}

#[test]
fn truncated_and_written_anew_with_the_same_size() {
    let new = || content(4, SIZE);
    during(100, |file, _| fs::write(file, new()).unwrap(), Expected::Error, |_| Some(new()));
}

#[test]
fn modified_in_place() {
    let change = |file: &Path, _: &Serve| open(file).write_all(&[9; 1000]).unwrap();
    let new = |old: &[u8]| Some([&[9; 1000][..], &old[1000..]].concat());
    during(100, change, Expected::Error, new);
}

#[test]
fn appended_to() {
    let change = |file: &Path, _: &Serve| {
        OpenOptions::new().append(true).open(file).unwrap().write_all(b"more").unwrap();
    };
    during(100, change, Expected::Error, |old| Some([old, b"more"].concat()));
}

/// All that was left had been read already: either is right.
#[test]
fn truncated_just_before_the_end() {
    let change = |file: &Path, _: &Serve| open(file).set_len(0).unwrap();
    during(SIZE / 512 - 1, change, Expected::OldVersionOrError, |_| Some(Vec::new()));
}

/// Over and over, under many readers.
#[test]
fn replaced_again_and_again() {
    let root = tempdir().unwrap();
    let file = root.path().join("file");
    let version = |seed: u64| content(seed, 30_000);
    fs::write(&file, version(0)).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let versions: Vec<_> = (0..40).map(version).collect();
    let readers: Vec<_> = (0..40)
        .map(|seed| {
            let reader = Download::start(server.address(), "file").steps(3);
            fs::write(root.path().join("next"), version(seed + 1)).unwrap();
            fs::rename(root.path().join("next"), &file).unwrap();
            reader
        })
        .collect();
    for (reader, version) in readers.into_iter().zip(versions) {
        assert!(reader.finish().unwrap() == version);
    }
}
