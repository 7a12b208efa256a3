//! Path attacks against every back end and through every layer: whatever a name is made of, nothing outside is read or
//! changed, and nothing inside that is no file.

#![cfg(all(unix, feature = "name-rules", feature = "networks", feature = "unique-names", feature = "templates"))]
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not tests to clippy.

#[path = "../../examples/support/archive.rs"]
mod archive;
mod home;
mod layers;
mod names;
mod storages;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_lite::future::block_on;
use proptest::prelude::*;
use tftp_driver::storage::layers::ClientDirs;
use tftp_driver::storage::{
    BoxStorage, Context, Owner, ReadRequest, Reader, Storage, StorageError, WriteRequest, Writer,
};

use home::{Home, SECRET};
use storages::storages;

fn peer() -> SocketAddr {
    ([192, 0, 2, 1], 2000).into()
}

fn read(storage: &impl Storage, name: &[u8], peer: SocketAddr) -> Result<Bytes, StorageError> {
    block_on(async {
        let mut reader = storage.open_read(&ReadRequest::new(name, peer), &Context::inline()).await?;
        reader.read_at(0, 1000).await
    })
}

fn write(storage: &impl Storage, name: &[u8], content: &'static [u8]) -> Result<(), StorageError> {
    block_on(async {
        let request = WriteRequest::new(name, peer(), Owner(1));
        let mut writer = storage.open_write(&request, &Context::inline()).await?;
        writer.write_at(0, Bytes::from_static(content)).await?;
        writer.commit().await
    })
}

/// Reads and writes by a name, and looks that no harm was done.
fn attack(home: &Home, what: &str, storage: &BoxStorage, name: &[u8]) {
    let what = format!("{what} with {}", name.escape_ascii());
    if let Ok(content) = read(storage, name, peer()) {
        assert!(!content.windows(SECRET.len()).any(|part| part == SECRET), "{what}");
    }
    let _ = write(storage, name, b"changed");
    home.assert_untouched(&what);
}

#[test]
fn known_attacks() {
    let home = Home::new();
    let storages = storages(&home);
    assert!(storages.len() > 20, "{}", storages.len());
    for name in names::attacks(&home.outside()) {
        for (what, storage) in &storages {
            attack(&home, what, storage, &name);
        }
    }
}

#[test]
fn what_is_refused_says_nothing_but_that() {
    let home = Home::new();
    let storages = storages(&home);
    for name in names::upwards() {
        for (what, storage) in &storages {
            // What follows a control byte is cut off there on purpose.
            let trims = what.starts_with("TrimJunk") || what.starts_with("all");
            if trims && name.bytes().any(|byte| byte.is_ascii_control()) {
                continue;
            }
            let error = read(storage, name.as_bytes(), peer()).expect_err(&format!("{what} with {name}"));
            let fits =
                matches!(error, StorageError::NotFound | StorageError::AccessDenied(_) | StorageError::InvalidName(_));
            assert!(fits, "{what} with {name}: {error:?}");
        }
    }
}

#[test]
fn a_link_that_is_swapped_in_at_any_moment() {
    let home = Home::new();
    let storages = storages(&home);
    if home.swap().is_err() {
        // Named as skipped tests are everywhere; CI runs on a file system that can.
        eprintln!("SKIPPED a_link_that_is_swapped_in_at_any_moment: the file system cannot exchange names");
        return;
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                home.swap().unwrap();
            }
        });
        for round in 0..20 {
            for (what, storage) in &storages {
                for name in ["swap/file", "SWAP/File", "swap/new", "192.0.2.1/../swap/file", "swap/../swap/file"] {
                    attack(&home, &format!("{what}, round {round}"), storage, name.as_bytes());
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn uploads_in_progress_are_out_of_reach_through_every_layer() {
    let home = Home::new();
    let storages = storages(&home);
    let directory = home.directory();
    let request = WriteRequest::new("in-progress", peer(), Owner(7));
    let mut upload = block_on(directory.open_write(&request, &Context::inline())).unwrap();
    block_on(upload.write_at(0, Bytes::from_static(SECRET))).unwrap();
    let temporary = home.temporary();
    for name in [temporary.clone(), format!("/{temporary}"), format!("dir/../{temporary}"), temporary.to_uppercase()] {
        for (what, storage) in &storages {
            if let Ok(content) = read(storage, name.as_bytes(), peer()) {
                assert_ne!(content, SECRET, "{what} with {name}");
            }
            let _ = write(storage, name.as_bytes(), b"changed");
        }
    }
    block_on(upload.commit()).unwrap();
    assert_eq!(std::fs::read(home.inside("in-progress")).unwrap(), SECRET);
}

#[test]
fn a_client_cannot_reach_anothers_directory() {
    let home = Home::new();
    let other = SocketAddr::from(([192, 0, 2, 2], 2000));
    for directory in home.directories() {
        for files in [ClientDirs::new(directory.clone()), ClientDirs::new(directory.clone()).or_shared()] {
            for name in [
                "192.0.2.1/file",
                "/192.0.2.1/file",
                "../192.0.2.1/file",
                "..\\192.0.2.1\\file",
                "dir/../../192.0.2.1/file",
                "../dir/../192.0.2.1/file",
                "./192.0.2.1/file",
                "192.0.2.01/../192.0.2.1/file",
            ] {
                assert!(read(&files, name.as_bytes(), other).is_err(), "{name}");
            }
        }
    }
    assert_eq!(std::fs::read(home.inside("192.0.2.1/file")).unwrap(), b"public");
}

#[test]
fn any_name_through_any_storage() {
    let home = Home::new();
    let storages = storages(&home);
    let config = ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(name in names::any_name())| {
        for (what, storage) in &storages {
            attack(&home, what, storage, &name);
        }
    });
}
