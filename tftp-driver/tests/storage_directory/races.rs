//! What changes between a check and its use.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::{Fixture, PUBLIC, SECRET, skipped, temporaries};

/// Swaps two names for each other while `body` runs; false where that cannot be done.
pub(crate) fn while_swapping(a: &Path, b: &Path, body: impl FnOnce()) -> bool {
    let swap = || renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
    if swap().is_err() {
        return false;
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                swap().unwrap();
            }
        });
        body();
        done.store(true, Ordering::Relaxed);
    });
    true
}

#[test]
fn a_link_swapped_in_while_reading() {
    let fixture = Fixture::new();
    symlink("../outside", fixture.inside("link")).unwrap();
    let ran = while_swapping(&fixture.inside("file"), &fixture.inside("link"), || {
        let mut read = 0;
        for _ in 0..3000 {
            if let Ok(content) = fixture.get("file") {
                assert_eq!(content, PUBLIC);
                read += 1;
            }
        }
        assert!(read > 0, "the race never let a read through");
    });
    if !ran {
        skipped("a_link_swapped_in_while_reading", "the file system cannot exchange names");
    }
}

#[test]
fn a_directory_swapped_for_a_link_while_reading_and_writing() {
    let fixture = Fixture::new();
    symlink("../elsewhere", fixture.inside("link")).unwrap();
    let ran = while_swapping(&fixture.inside("dir"), &fixture.inside("link"), || {
        let mut written = 0;
        for _ in 0..500 {
            if let Ok(content) = fixture.get("dir/file") {
                assert_ne!(content, SECRET);
            }
            written += usize::from(fixture.put("dir/file", b"written").is_ok());
            written += usize::from(fixture.put("dir/../dir/new", b"written").is_ok());
        }
        assert!(written > 0, "the race never let a write through");
    });
    if !ran {
        skipped("a_directory_swapped_for_a_link_while_reading_and_writing", "the file system cannot exchange names");
    }
    fixture.assert_outside_untouched();
    assert!(temporaries(&fixture.inside("")).is_empty());
}

#[test]
fn a_target_swapped_for_a_link_while_writing() {
    let fixture = Fixture::new();
    symlink("../outside", fixture.inside("link")).unwrap();
    let ran = while_swapping(&fixture.inside("file"), &fixture.inside("link"), || {
        for _ in 0..500 {
            let _ = fixture.put("file", b"written");
        }
    });
    if !ran {
        skipped("a_target_swapped_for_a_link_while_writing", "the file system cannot exchange names");
    }
    fixture.assert_outside_untouched();
}

#[test]
fn a_component_that_moves_up_while_it_is_resolved() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.inside("a/b/c")).unwrap();
    let moved = fixture.outside("elsewhere/c");
    let (here, done) = (fixture.inside("a/b/c"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::rename(&here, &moved).unwrap();
                fs::rename(&moved, &here).unwrap();
            }
        });
        for _ in 0..3000 {
            // From `elsewhere/c`, these would be `outside` and `elsewhere/file`.
            assert!(fixture.get("a/b/c/../../outside").is_err());
            assert!(fixture.get("a/b/c/../file").is_err());
        }
        done.store(true, Ordering::Relaxed);
    });
    fixture.assert_outside_untouched();
}
