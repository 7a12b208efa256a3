//! Storage in a directory: the rules of every storage, and what attackers, accidents and operators do to it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not tests to clippy.

mod crash;
mod disk_full;
#[cfg(target_os = "linux")]
mod durability;
mod exhausted;
mod fold;
mod names;
mod parents;
#[cfg(target_os = "linux")]
mod races;
mod room;
mod servers;
mod support;
mod uploads;
mod versions;

use std::cell::RefCell;

use support::{Fixture, pool};
use tftp_driver::storage::{AbsoluteLinks, BoxStorage, Context, Directory, DirectoryBuilder, Storage, conformance};

/// Runs the rules of every storage on fresh directories, opened as `open` says.
fn conforms<S: Storage>(cx: &Context, open: impl Fn(DirectoryBuilder) -> S) {
    let homes = RefCell::new(Vec::new());
    let make = |policy| {
        let home = tempfile::tempdir().unwrap();
        let storage = open(Directory::builder(home.path()).write_policy(policy));
        homes.borrow_mut().push(home);
        storage
    };
    futures_lite::future::block_on(conformance::writable(make, cx)).unwrap();
    let left: Vec<_> = homes.borrow().iter().flat_map(|home| support::temporaries(home.path())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn directory_conforms_inline() {
    conforms(&Context::inline(), |builder| builder.open().unwrap());
}

#[test]
fn directory_conforms_on_a_pool() {
    conforms(&pool(), |builder| builder.open().unwrap());
}

#[test]
fn boxed_directory_conforms() {
    conforms(&pool(), |builder| BoxStorage::new(builder.open().unwrap()));
}

#[test]
fn directory_without_a_cache_conforms() {
    conforms(&pool(), |builder| builder.cache_size(0).open().unwrap());
}

#[test]
fn directory_that_ignores_case_and_makes_directories_conforms() {
    conforms(&pool(), |builder| builder.ignore_case(true).create_directories(true).min_free(1).open().unwrap());
}

#[test]
fn directory_that_follows_absolute_links_conforms() {
    if Fixture::following_links().is_some() {
        conforms(&pool(), |builder| builder.absolute_links(AbsoluteLinks::FromRoot).open().unwrap());
    }
}

#[test]
fn a_root_that_is_missing_or_a_file_is_refused() {
    let fixture = Fixture::new();
    assert!(Directory::open(fixture.outside("nothing")).is_err());
    assert!(Directory::open(fixture.inside("file")).is_err());
}
