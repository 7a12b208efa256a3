//! `kill -9` of the server at every stage of an upload: the old file, or the whole new one, and nothing else.

use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::support::{Ports, Serve, content, same};
use crate::transfers::{Upload, assert_serves, download, upload};

/// Several writes of the storage, the last of them not full.
const SIZE: usize = 100_100;

/// A directory for uploads, with or without an older version in it.
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

    fn file(&self) -> std::path::PathBuf {
        self.root.path().join("file")
    }

    fn serve(&self) -> Serve {
        let args: &[&str] = if self.old.is_some() { &["--overwrite"] } else { &[] };
        Serve::directory(Ports::Random, self.root.path(), args)
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

    /// The next server finds nothing left, and everything works.
    fn restart(&self, whole: bool) {
        let mut server = self.serve();
        assert_eq!(names(self.root.path()), if self.file().exists() { &["file"][..] } else { &[] }, "cleaned up");
        assert!(if whole { self.is_new() } else { self.is_old() });
        if let Some(found) = if whole { Some(&self.new) } else { self.old.as_ref() } {
            assert!(download(server.address(), "file").unwrap() == *found);
        }
        if !whole || self.old.is_some() {
            upload(server.address(), "file", &self.new).unwrap();
            assert!(self.is_new());
        }
        assert_serves(server.address());
        server.wait_for_log(&["outcome=completed"]);
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Brings an upload to a stage, and kills the server there.
fn killed_at(whole: bool, stage: impl Fn(Upload)) {
    for old in [false, true] {
        let rig = Rig::new(old);
        let server = rig.serve();
        stage(Upload::start(server.address(), "file", &rig.new).unwrap());
        server.kill();
        assert!(if whole { rig.is_new() } else { rig.is_old() }, "over an old version: {old}");
        rig.restart(whole);
    }
}

#[test]
fn killed_before_the_first_block() {
    killed_at(false, drop);
}

#[test]
fn killed_after_the_first_block() {
    killed_at(false, |upload| drop(upload.steps(1)));
}

#[test]
fn killed_in_the_middle() {
    killed_at(false, |upload| {
        let half = upload.blocks() / 2;
        drop(upload.steps(half));
    });
}

#[test]
fn killed_when_all_but_the_last_block_is_there() {
    killed_at(false, |upload| drop(upload.all_but_the_last()));
}

/// The file is there before the client is told so.
#[test]
fn killed_after_the_final_acknowledgement() {
    killed_at(true, |upload| upload.finish().unwrap());
}

/// The last block is in its queue, and it never gets to run again.
#[test]
fn killed_before_it_has_seen_the_last_block() {
    for old in [false, true] {
        let rig = Rig::new(old);
        let server = rig.serve();
        let upload = Upload::start(server.address(), "file", &rig.new).unwrap().all_but_the_last();
        server.freeze();
        upload.send();
        server.kill();
        assert!(rig.is_old());
        rig.restart(false);
    }
}

/// Somewhere between the last block and its acknowledgement: the old file or the whole new one.
#[test]
fn killed_at_any_moment_of_the_commit() {
    let mut seen = [0, 0];
    for round in 0..24 {
        let rig = Rig::new(round % 2 == 0);
        let server = rig.serve();
        let upload = Upload::start(server.address(), "file", &rig.new).unwrap().all_but_the_last();
        upload.send();
        // Not a guess at a time but a spread over all that can happen: any outcome but a mixture is right.
        for _ in 0..round * 2000 {
            std::hint::black_box(round);
            std::thread::yield_now();
        }
        let acknowledged = !upload.peer.pending().is_empty();
        server.kill();
        let whole = rig.is_new();
        assert!(whole || rig.is_old(), "round {round}: a mixture");
        assert!(whole || !acknowledged, "round {round}: acknowledged, and lost");
        seen[usize::from(whole)] += 1;
        let server = rig.serve();
        assert_eq!(names(rig.root.path()), if rig.file().exists() { &["file"][..] } else { &[] });
        drop(server);
    }
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("killed in the commit: {} times the old file, {} times the new one\n", seen[0], seen[1]),
    );
}
