//! Room that uploads must leave, and how much there is.

use std::fs;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Directory, Owner, Storage, StorageError, Usage, WritePolicy, WriteRequest, Writer};

use crate::support::{Fixture, PUBLIC, pool, temporaries, writer};

fn leaving(fixture: &Fixture, bytes: u64) -> Directory {
    Directory::builder(fixture.inside("")).write_policy(WritePolicy::ANY).min_free(bytes).open().unwrap()
}

/// What other programs may take while a test runs.
const OTHERS: u64 = 1 << 30;

fn free(fixture: &Fixture) -> u64 {
    let stats = rustix::fs::statvfs(fixture.inside("")).unwrap();
    stats.f_bavail * stats.f_frsize
}

#[test]
fn an_upload_that_would_take_what_must_stay_free_is_refused() {
    let fixture = Fixture::new();
    let before = fixture.tree();
    let full = leaving(&fixture, u64::MAX / 2);
    let refused = writer(&full, "new", 1);
    assert!(matches!(refused, Err(StorageError::QuotaExceeded(_))), "{refused:?}");
    assert!(matches!(writer(&full, "dir/file", 1), Err(StorageError::QuotaExceeded(_))));
    assert_eq!(fixture.tree(), before);

    // There is room, but not for what is announced.
    let directory = leaving(&fixture, 1);
    let announce = |size| {
        let request =
            WriteRequest { size: Some(size), ..WriteRequest::new("new", ([192, 0, 2, 1], 2).into(), Owner(1)) };
        block_on(directory.open_write(&request, &pool()))
    };
    for size in [free(&fixture) + OTHERS, u64::MAX] {
        assert!(matches!(announce(size), Err(StorageError::QuotaExceeded(_))), "{size}");
    }
    drop(announce(1000).unwrap());
    assert_eq!(fixture.tree(), before);
}

#[test]
fn what_is_there_is_counted_without_uploads_in_progress() {
    let fixture = Fixture::new();
    let usage = || Directory::open(fixture.inside("")).unwrap().usage();
    let public = PUBLIC.len() as u64;
    assert_eq!(usage(), Usage { bytes: 2 * public, files: 2 });
    fs::create_dir_all(fixture.inside("a/b/c")).unwrap();
    fs::write(fixture.inside("a/b/c/d"), vec![0; 1000]).unwrap();
    std::os::unix::fs::symlink("../outside", fixture.inside("link")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", fixture.inside("links")).unwrap();
    let mut upload = fixture.writer("new").unwrap();
    block_on(upload.write_at(0, Bytes::from(vec![1; 200_000]))).unwrap();
    assert_eq!(usage(), Usage { bytes: 2 * public + 1000, files: 3 });
    block_on(upload.commit()).unwrap();
    assert_eq!(usage(), Usage { bytes: 2 * public + 201_000, files: 4 });
    assert!(temporaries(&fixture.inside("")).is_empty());
}
