//! What every storage must honour, honoured by real stores.

use std::cell::Cell;

use futures_lite::future::block_on;
use tftp_driver::storage::{Context, StorageError, WritePolicy, conformance};
use tftp_object_store::{ObjectStorage, OpenError};

use super::stand::{Azurite, Place, Rclone, Weed};
use super::support::{PART, at, get, open, pattern, put, try_open, with};

/// Each storage that the suite makes is empty: it has a prefix of its own.
fn conforms(place: &Place) {
    let next = Cell::new(0);
    let make = |policy: WritePolicy| {
        next.set(next.get() + 1);
        with(&place.beneath(&format!("conformance/{}", next.get())), policy)
    };
    block_on(conformance::writable(make, &Context::inline())).unwrap();
}

/// Beyond what the suite looks at: parts and copies, odd names, prefixes.
fn takes_large_files_and_odd_names(place: &Place) {
    let storage = with(&place.beneath("odd names/100%"), WritePolicy::CREATE);
    let large = pattern(1, 2 * PART + 12_345);
    put(&storage, "large", &large).unwrap();
    assert!(get(&storage, "large").unwrap() == large);
    assert!(matches!(put(&storage, "large", &large), Err(StorageError::AlreadyExists)));
    block_on(conformance::readable(storage.clone(), "large", &large, &Context::inline())).unwrap();
    for name in [
        "a b",
        "100%25",
        "%2e%2e",
        "é/ü",
        "a+b",
        "a&b=c;d",
        "~x",
        "{x}[y]^`",
        "#1",
        "who?",
        "\"q\"'",
        "x|y<z>",
        "a:b,c@d!$()*",
    ] {
        put(&storage, name, name.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(get(&storage, name).unwrap_or_else(|error| panic!("{name}: {error}")), name.as_bytes());
    }
    let overwriting = with(&place.beneath("odd names/100%"), WritePolicy::OVERWRITE);
    let other = pattern(2, PART + 1);
    put(&overwriting, "large", &other).unwrap();
    put(&overwriting, "who?", b"new").unwrap();
    assert!(matches!(put(&overwriting, "missing", b"x"), Err(StorageError::NotFound)));
    let after = open(at(&place.beneath("odd names/100%")));
    assert!(get(&after, "large").unwrap() == other);
    assert_eq!(get(&after, "who?").unwrap(), b"new");
}

#[test]
fn seaweedfs_conforms() {
    let Some(weed) = Weed::start() else { return };
    conforms(&weed.place());
}

#[test]
fn seaweedfs_takes_large_files_and_odd_names() {
    let Some(weed) = Weed::start() else { return };
    takes_large_files_and_odd_names(&weed.place());
}

#[test]
fn an_http_origin_conforms() {
    let Some(weed) = Weed::start() else { return };
    let content = pattern(3, 3_000_001);
    let bucket = with(&weed.place(), WritePolicy::CREATE);
    put(&bucket, "boot/large", &content).unwrap();
    put(&bucket, "boot/empty", b"").unwrap();
    let origin = open(ObjectStorage::builder(format!("{}/boot", weed.web())));
    let cx = Context::inline();
    block_on(async {
        conformance::readable(origin.clone(), "large", &content, &cx).await.unwrap();
        conformance::readable(origin.clone(), "empty", b"", &cx).await.unwrap();
        conformance::read_only(origin.clone(), "large", &cx).await.unwrap();
        conformance::attack(origin, "large", &cx).await.unwrap();
    });
}

#[test]
fn azurite_conforms() {
    let Some(azurite) = Azurite::start() else { return };
    conforms(&azurite.place());
}

#[test]
fn azurite_takes_large_files_and_odd_names() {
    let Some(azurite) = Azurite::start() else { return };
    takes_large_files_and_odd_names(&azurite.place());
}

#[test]
fn a_store_that_ignores_conditions_is_refused_for_uploads_without_overwriting() {
    let Some(rclone) = Rclone::start() else { return };
    let error = try_open(at(&rclone.place()).write_policy(WritePolicy::CREATE)).unwrap_err();
    assert!(matches!(error, OpenError::Conditions(_)), "{error:?}");
    assert!(error.to_string().contains("allow overwriting"), "{error}");
    let storage = with(&rclone.place(), WritePolicy::ANY);
    put(&storage, "a", b"hello").unwrap();
    assert_eq!(get(&storage, "a").unwrap(), b"hello");
}
