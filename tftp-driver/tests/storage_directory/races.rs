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
    while_repeating(|| swap().unwrap(), body);
    true
}

/// Does something in another thread, again and again, until the body is through.
fn while_repeating(something: impl Fn() + Sync, body: impl FnOnce()) {
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                something();
            }
        });
        // Also if the body fails: the scope waits for the thread.
        let _stop = Stop(&done);
        body();
    });
}

/// Races that must be run: so many, and more until one let the access through.
pub(crate) fn races(rounds: usize, mut is_through: impl FnMut(usize) -> bool) {
    let through = (0..rounds).filter(|&round| is_through(round)).count();
    assert!(through > 0 || (rounds..rounds * 50).any(is_through), "the race never let it through");
}

#[test]
fn a_link_swapped_in_while_reading() {
    let fixture = Fixture::new();
    symlink("../outside", fixture.inside("link")).unwrap();
    let ran = while_swapping(&fixture.inside("file"), &fixture.inside("link"), || {
        races(3000, |_| {
            let read = fixture.get("file");
            read.is_ok_and(|content| {
                assert_eq!(content, PUBLIC);
                true
            })
        });
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
        races(500, |_| {
            if let Ok(content) = fixture.get("dir/file") {
                assert_ne!(content, SECRET);
            }
            let written = ["dir/file", "dir/../dir/new"].map(|name| fixture.put(name, b"written").is_ok());
            written.contains(&true)
        });
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
    let here = fixture.inside("a/b/c");
    let there_and_back = || {
        fs::rename(&here, &moved).unwrap();
        fs::rename(&moved, &here).unwrap();
    };
    while_repeating(there_and_back, || {
        for _ in 0..3000 {
            // From `elsewhere/c`, these would be `outside` and `elsewhere/file`.
            assert!(fixture.get("a/b/c/../../outside").is_err());
            assert!(fixture.get("a/b/c/../file").is_err());
        }
    });
    fixture.assert_outside_untouched();
}
