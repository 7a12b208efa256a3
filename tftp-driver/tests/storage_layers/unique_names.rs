//! Uploads with the time in their names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_lite::future::block_on;
use tftp_driver::storage::layers::UniqueNames;
use tftp_driver::storage::{Context, Memory, StorageError, WritePolicy, Writer, conformance};

use crate::support::{get, memory, put, with_policy, writer};

/// 2026-11-22T10:00:00Z.
const START: u64 = 1_795_341_600;

/// A clock that a test sets, in seconds behind `START`.
fn clock() -> (Arc<AtomicU64>, impl Fn() -> SystemTime + Send + Sync + Clone + 'static) {
    let seconds = Arc::new(AtomicU64::new(0));
    let now = Arc::clone(&seconds);
    (seconds, move || SystemTime::UNIX_EPOCH + Duration::from_millis((START + now.load(Ordering::SeqCst)) * 1000 + 999))
}

fn names(memory: &Memory) -> Vec<String> {
    memory.list().into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
}

#[test]
fn each_upload_gets_a_name_of_its_own() {
    for policy in [WritePolicy::CREATE, WritePolicy::ANY] {
        let files = with_policy(policy, &[("config.txt", "served")]);
        let (seconds, clock) = clock();
        let unique = UniqueNames::with_clock(files.clone(), clock.clone());
        put(&unique, "config.txt", "first").unwrap();
        put(&unique, "/config.txt", "second").unwrap();
        // Another instance, as after a restart, has given none of these.
        put(&UniqueNames::with_clock(files.clone(), clock), "config.txt", "third").unwrap();
        seconds.fetch_add(61, Ordering::SeqCst);
        put(&unique, "config.txt", "later").unwrap();
        assert_eq!(get(&unique, "config.txt").unwrap(), "served");
        for (name, content) in [
            ("config-2026-11-22T10-00-00.txt", "first"),
            ("config-2026-11-22T10-00-00-2.txt", "second"),
            ("config-2026-11-22T10-00-00-3.txt", "third"),
            ("config-2026-11-22T10-01-01.txt", "later"),
        ] {
            assert_eq!(get(&unique, name).unwrap(), content, "{name}");
        }
        assert_eq!(names(&files).len(), 5);
    }
}

#[test]
fn uploads_at_the_same_time_do_not_meet() {
    let files = memory(&[]);
    let (_, clock) = clock();
    let unique = UniqueNames::with_clock(files.clone(), clock);
    let uploads: Vec<_> = (0..500).map(|_| writer(&unique, "a").unwrap()).collect();
    for upload in uploads {
        block_on(upload.commit()).unwrap();
    }
    assert_eq!(names(&files).len(), 500);
}

#[test]
fn what_is_no_name_of_a_file_does_not_become_one() {
    let files = memory(&[]);
    let unique = UniqueNames::new(files.clone());
    for name in ["", "/", "dir/", ".", "..", "a/..", "a/.", "../a", "a/../../b", "a\\..", "a\nb"] {
        assert!(matches!(put(&unique, name, "x"), Err(StorageError::InvalidName(_))), "{name}");
    }
    assert!(names(&files).is_empty());
    assert!(matches!(
        put(&UniqueNames::new(with_policy(WritePolicy::READ_ONLY, &[])), "a", ""),
        Err(StorageError::AccessDenied(_))
    ));
}

#[test]
fn the_systems_time_is_used() {
    let files = memory(&[]);
    let before = SystemTime::now();
    put(&UniqueNames::new(files.clone()), "a", "x").unwrap();
    let after = SystemTime::now();
    let times: Vec<_> = [before, after].map(|time| tftp_driver::storage::layers::unique_name(b"a", time, 1)).into();
    let given = names(&files).remove(0).into_bytes();
    assert!(times[0] <= given && given <= times[1]);
}

#[test]
fn reading_conforms() {
    let files = UniqueNames::new(memory(&[("a", "content of a")]));
    block_on(conformance::readable(files, "a", b"content of a", &Context::inline())).unwrap();
}
