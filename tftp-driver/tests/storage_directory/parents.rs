//! Directories that are made for uploads.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::thread;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Directory, StorageError, WritePolicy, Writer};

#[cfg(target_os = "linux")]
use crate::races::{races, while_swapping};
use crate::support::{Fixture, skipped, temporaries, writer};

fn making(fixture: &Fixture, policy: WritePolicy) -> Directory {
    Directory::builder(fixture.inside("")).write_policy(policy).create_directories(true).open().unwrap()
}

fn put(directory: &Directory, name: &str) -> Result<(), StorageError> {
    let mut writer = writer(directory, name, 1)?;
    block_on(writer.write_at(0, Bytes::from_static(b"new")))?;
    block_on(writer.commit())
}

#[test]
fn missing_directories_are_made_if_asked_for() {
    let fixture = Fixture::new();
    let directory = making(&fixture, WritePolicy::CREATE);
    for name in ["a/b/c", "/a//b/./d", "\\a\\e", "dir/f/g", "dir/h"] {
        put(&directory, name).unwrap();
    }
    for name in ["a/b/c", "a/b/d", "a/e", "dir/f/g", "dir/h"] {
        assert_eq!(fs::read(fixture.inside(name)).unwrap(), b"new", "{name}");
    }
}

#[test]
fn those_of_an_upload_that_fails_go_with_it() {
    let fixture = Fixture::new();
    let directory = making(&fixture, WritePolicy::CREATE);
    let before = fixture.tree();
    let (first, second) = (writer(&directory, "a/b/1", 1).unwrap(), writer(&directory, "a/b/c/2", 2).unwrap());
    block_on(first.abort());
    assert!(fixture.inside("a/b/c").is_dir(), "in use");
    drop(second);
    assert!(!fixture.inside("a/b/c").exists());
    fs::remove_dir_all(fixture.inside("a")).unwrap();

    drop(writer(&directory, "a/b/1", 1).unwrap());
    assert_eq!(fixture.tree(), before);
    put(&directory, "a/b/1").unwrap();
    drop(writer(&directory, "a/b/c/2", 1).unwrap());
    assert!(fixture.inside("a/b/1").exists() && !fixture.inside("a/b/c").exists());
}

#[test]
fn none_is_made_for_a_name_that_is_refused() {
    let fixture = Fixture::new();
    let before = fixture.tree();
    let directory = making(&fixture, WritePolicy::ANY);
    let deep = "d/".repeat(17) + "x";
    for name in
        ["missing/../x/y", "missing/..", "missing/.", "missing/", "../missing/x", "file/x", "a/.tftp-upload-1/x", &deep]
    {
        assert!(put(&directory, name).is_err(), "{name}");
        assert_eq!(fixture.tree(), before, "{name}");
    }
    let directory = making(&fixture, WritePolicy::OVERWRITE);
    assert!(matches!(put(&directory, "missing/x"), Err(StorageError::NotFound)));
    assert_eq!(fixture.tree(), before);
    let directory = making(&fixture, WritePolicy::ANY.with_max_size(2));
    assert!(matches!(put(&directory, "missing/x"), Err(StorageError::TooLarge { .. })));
    assert_eq!(fixture.tree(), before);
    fixture.assert_outside_untouched();
}

#[test]
fn what_would_be_too_many_is_not_begun() {
    let fixture = Fixture::new();
    let directory = making(&fixture, WritePolicy::CREATE);
    let changed = || fs::metadata(fixture.inside("")).unwrap().modified().unwrap();
    let before = changed();
    for missing in [17, 100] {
        let error = put(&directory, &("d/".repeat(missing) + "x")).unwrap_err();
        assert!(error.to_string().contains("too many missing directories"), "{error}");
    }
    assert_eq!(changed(), before);
    put(&directory, &("d/".repeat(16) + "x")).unwrap();
    put(&directory, &("d/".repeat(32) + "x")).unwrap();
    assert!(put(&directory, &("d/".repeat(49) + "x")).is_err());
}

#[test]
fn none_is_made_through_a_link_out() {
    let fixture = Fixture::new();
    symlink("../elsewhere", fixture.inside("out")).unwrap();
    symlink("nowhere", fixture.inside("dangling")).unwrap();
    symlink("dir", fixture.inside("in")).unwrap();
    let directory = making(&fixture, WritePolicy::ANY);
    for name in ["out/x", "out/a/x", "dangling/x", "dangling/a/x"] {
        assert!(put(&directory, name).is_err(), "{name}");
    }
    assert!(!fixture.inside("nowhere").exists());
    put(&directory, "in/a/x").unwrap();
    assert!(fixture.inside("dir/a/x").exists());
    fixture.assert_outside_untouched();
}

#[cfg(target_os = "linux")]
#[test]
fn none_is_made_outside_while_a_directory_becomes_a_link() {
    let fixture = Fixture::new();
    let directory = making(&fixture, WritePolicy::ANY);
    symlink("../elsewhere", fixture.inside("link")).unwrap();
    fs::create_dir(fixture.inside("moving")).unwrap();
    let ran = while_swapping(&fixture.inside("moving"), &fixture.inside("link"), || {
        races(500, |round| put(&directory, &format!("moving/{round}/x")).is_ok());
    });
    if !ran {
        skipped("none_is_made_outside_while_a_directory_becomes_a_link", "the file system cannot exchange names");
    }
    fixture.assert_outside_untouched();
    assert!(temporaries(&fixture.inside("")).is_empty());
}

#[test]
fn uploads_into_one_new_directory_do_not_take_it_from_each_other() {
    let fixture = Fixture::new();
    let directory = making(&fixture, WritePolicy::ANY);
    thread::scope(|scope| {
        for thread in 0..4 {
            let directory = &directory;
            scope.spawn(move || {
                for round in 0..200 {
                    let upload = writer(directory, format!("shared/{thread}"), round);
                    // A directory can vanish more often than an upload tries: then it says so.
                    match upload {
                        Ok(upload) => block_on(upload.abort()),
                        Err(error) => assert!(matches!(error, StorageError::NotFound), "{error:?}"),
                    }
                }
                put(directory, &format!("kept-{thread}/x")).unwrap();
            });
        }
    });
    assert_eq!((0..4).filter(|thread| fixture.inside(&format!("kept-{thread}/x")).exists()).count(), 4);
    assert!(temporaries(&fixture.inside("")).is_empty());
}

#[test]
fn they_can_be_searched_by_whoever_may_read_the_files() {
    let fixture = Fixture::new();
    let builder = Directory::builder(fixture.inside("")).write_policy(WritePolicy::CREATE).create_directories(true);
    let directory = builder.mode(0o604).open().unwrap();
    put(&directory, "made/x").unwrap();
    let mode = |name| fs::metadata(fixture.inside(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("made"), mode("made/x")), (0o705, 0o604));
}
