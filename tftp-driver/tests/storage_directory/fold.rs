//! Names whose case is not minded.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{
    AbsoluteLinks, Context, Directory, Memory, Owner, ReadRequest, Reader, Storage, StorageError, WritePolicy,
    WriteRequest, Writer,
};

#[cfg(target_os = "linux")]
use crate::races::{races, while_swapping};
use crate::support::{Fixture, PUBLIC, SECRET, reader, skipped, writer};

fn folding(fixture: &Fixture) -> Directory {
    Directory::builder(fixture.inside("")).write_policy(WritePolicy::ANY).ignore_case(true).open().unwrap()
}

fn get<S: Storage>(storage: &S, name: impl AsRef<[u8]>) -> Result<Vec<u8>, StorageError> {
    let request = ReadRequest::new(name.as_ref(), ([192, 0, 2, 1], 2000).into());
    let mut reader = block_on(storage.open_read(&request, &Context::inline()))?;
    Ok(block_on(reader.read_at(0, 1000))?.to_vec())
}

fn put(directory: &Directory, name: &str, content: &'static [u8]) -> Result<(), StorageError> {
    let mut writer = writer(directory, name, 1)?;
    block_on(writer.write_at(0, Bytes::from_static(content)))?;
    block_on(writer.commit())
}

#[test]
fn exact_first_and_then_the_first_in_the_order_of_bytes() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.inside("Boot/Fonts")).unwrap();
    for name in ["Boot/BCD", "Boot/Fonts/a.ttf", "README", "Readme", "readme", "ÄÖ"] {
        fs::write(fixture.inside(name), name).unwrap();
    }
    fs::write(fixture.inside("").join(Path::new(std::ffi::OsStr::from_bytes(b"\xff-Raw"))), "raw").unwrap();
    let directory = folding(&fixture);
    for (name, found) in [
        ("\\boot\\bcd", "Boot/BCD"),
        ("BOOT/FONTS/A.TTF", "Boot/Fonts/a.ttf"),
        ("boot/../boot/./fonts//A.ttf", "Boot/Fonts/a.ttf"),
        ("readme", "readme"),
        ("Readme", "Readme"),
        ("rEADME", "README"),
        ("äö", "ÄÖ"),
    ] {
        assert_eq!(get(&directory, name).unwrap(), found.as_bytes(), "{name}");
    }
    assert_eq!(get(&directory, b"\xff-rAW").unwrap(), b"raw");
    assert!(matches!(get(&directory, "boot/nothing"), Err(StorageError::NotFound)));
    assert!(matches!(get(&directory, "nothing/bcd"), Err(StorageError::NotFound)));
    assert!(matches!(fixture.get("boot/bcd"), Err(StorageError::NotFound)), "only if asked for");
}

#[test]
fn nothing_is_reached_that_is_not_reached_by_its_own_name() {
    let fixture = Fixture::new();
    symlink("../outside", fixture.inside("Out")).unwrap();
    symlink("../elsewhere", fixture.inside("OutDir")).unwrap();
    symlink("dir", fixture.inside("InDir")).unwrap();
    symlink("/file", fixture.inside("Absolute")).unwrap();
    let upload = fixture.writer("new").unwrap();
    let directory = folding(&fixture);
    for name in [
        "out",
        "OUTDIR/FILE",
        "indir/../../OUTSIDE",
        "../OUTSIDE",
        "..\\Outside",
        "/../root-Sibling/file",
        "absolute",
        "DIR",
        ".TFTP-UPLOAD-1",
    ] {
        assert!(get(&directory, name).is_err(), "{name}");
        if !matches!(name, "absolute" | "out") {
            assert!(put(&directory, name, b"written").is_err(), "{name}");
        }
    }
    let temporary = crate::support::temporaries(&fixture.inside("")).pop().unwrap();
    let temporary = temporary.file_name().unwrap().to_str().unwrap().to_uppercase();
    assert!(matches!(get(&directory, temporary), Err(StorageError::NotFound)));
    assert_eq!(get(&directory, "INDIR/FILE").unwrap(), PUBLIC);
    fixture.assert_outside_untouched();
    drop(upload);
}

#[test]
fn a_name_that_ends_like_a_directorys_is_no_file_in_any_case() {
    let fixture = Fixture::new();
    let directory = folding(&fixture);
    for name in ["file/", "FILE/", "file/.", "File//", "dir/FILE/"] {
        assert!(get(&directory, name).is_err(), "{name}");
        assert!(put(&directory, name, b"new").is_err(), "{name}");
    }
    assert!(get(&directory, "Dir/./FILE").is_ok());
}

#[test]
fn uploads_go_to_the_file_that_a_reader_would_get() {
    let fixture = Fixture::new();
    let directory = folding(&fixture);
    put(&directory, "DIR/FILE", b"replaced").unwrap();
    assert_eq!(fs::read(fixture.inside("dir/file")).unwrap(), b"replaced");
    assert!(!fixture.inside("DIR").exists() && !fixture.inside("dir/FILE").exists());
    put(&directory, "Dir/New", b"new").unwrap();
    assert_eq!(fs::read(fixture.inside("dir/New")).unwrap(), b"new");

    let builder = Directory::builder(fixture.inside("")).write_policy(WritePolicy::CREATE);
    let create_only = builder.ignore_case(true).open().unwrap();
    assert!(matches!(put(&create_only, "FILE", b"x"), Err(StorageError::AlreadyExists)));
    assert!(matches!(put(&create_only, "dir/new", b"x"), Err(StorageError::AlreadyExists)));
}

#[test]
fn two_spellings_are_one_file_to_write_for_every_server() {
    let fixture = Fixture::new();
    let (directory, other) = (folding(&fixture), folding(&fixture));
    let first = writer(&directory, "New", 1).unwrap();
    assert!(matches!(writer(&directory, "nEW", 2), Err(StorageError::Busy { .. })));
    assert!(matches!(writer(&other, "NEW", 1), Err(StorageError::BusyElsewhere)));
    drop(first);
    drop(writer(&other, "NEW", 1).unwrap());
}

#[test]
fn of_many_servers_that_make_a_file_in_many_spellings_one_wins() {
    let fixture = Fixture::new();
    for round in 0..50 {
        let start = std::sync::Barrier::new(4);
        let won: usize = std::thread::scope(|scope| {
            let servers: Vec<_> = ["new", "New", "nEw", "NEW"]
                .map(|name| {
                    let (fixture, start) = (&fixture, &start);
                    scope.spawn(move || {
                        let builder = Directory::builder(fixture.inside("")).write_policy(WritePolicy::CREATE);
                        let directory = builder.ignore_case(true).open().unwrap();
                        start.wait();
                        usize::from(put(&directory, &format!("{name}-{round}"), b"x").is_ok())
                    })
                })
                .into();
            servers.into_iter().map(|server| server.join().unwrap()).sum()
        });
        let made = fixture.tree().iter().filter(|path| path.to_string_lossy().ends_with(&format!("-{round}"))).count();
        assert_eq!((won, made), (1, 1));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_becomes_a_link_while_it_is_searched() {
    let fixture = Fixture::new();
    fs::write(fixture.outside("elsewhere/SECRET"), SECRET).unwrap();
    symlink("../elsewhere", fixture.inside("link")).unwrap();
    let directory = folding(&fixture);
    let ran = while_swapping(&fixture.inside("dir"), &fixture.inside("link"), || {
        races(2000, |_| {
            assert!(get(&directory, "DIR/secret").is_err());
            get(&directory, "DIR/FILE").is_ok_and(|content| {
                assert_eq!(content, PUBLIC);
                true
            })
        });
    });
    if !ran {
        skipped("a_directory_that_becomes_a_link_while_it_is_searched", "the file system cannot exchange names");
    }
}

#[test]
fn absolute_links_are_followed_in_any_case_if_asked_for() {
    let fixture = Fixture::new();
    symlink("/dir", fixture.inside("Absolute")).unwrap();
    let builder = Directory::builder(fixture.inside("")).absolute_links(AbsoluteLinks::FromRoot).ignore_case(true);
    let Ok(directory) = builder.open() else { return };
    assert_eq!(get(&directory, "absolute/FILE").unwrap(), PUBLIC);
    assert!(reader(&directory, "../OUTSIDE").is_err());
}

#[test]
fn memory_follows_the_same_rule() {
    let memory = Memory::builder().ignore_case(true).write_policy(WritePolicy::CREATE).build();
    for name in ["Boot/BCD", "README", "readme"] {
        memory.insert(name, name).unwrap();
    }
    for (name, found) in [("\\boot\\bcd", "Boot/BCD"), ("readme", "readme"), ("ReadMe", "README")] {
        assert_eq!(get(&memory, name).unwrap(), found.as_bytes(), "{name}");
    }
    let write = |name: &str| {
        let request = WriteRequest::new(name, ([192, 0, 2, 1], 2000).into(), Owner(1));
        block_on(memory.open_write(&request, &Context::inline()))
    };
    assert!(matches!(write("BOOT/BCD"), Err(StorageError::AlreadyExists)));
    let first = write("New").unwrap();
    assert!(matches!(write("NEW"), Err(StorageError::Busy { .. })));
    block_on(first.commit()).unwrap();
    assert_eq!(memory.get("New").unwrap(), "");
}
