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
use tftp_driver::storage::{
    AbsoluteLinks, BoxStorage, Context, Directory, DirectoryBuilder, Storage, WritePolicy, conformance,
};

/// Runs the rules of every storage on fresh directories, opened as `open` says.
fn conforms<S: Storage>(cx: &Context, open: impl Fn(DirectoryBuilder) -> S) {
    fresh(open, |make| futures_lite::future::block_on(conformance::writable(make, cx)).unwrap());
}

/// Runs a check on fresh directories, which must leave no temporary file.
fn fresh<S: Storage>(open: impl Fn(DirectoryBuilder) -> S, check: impl FnOnce(&dyn Fn(WritePolicy) -> S)) {
    let homes = RefCell::new(Vec::new());
    let make = |policy| {
        let home = tempfile::tempdir().unwrap();
        let storage = open(Directory::builder(home.path()).write_policy(policy));
        homes.borrow_mut().push(home);
        storage
    };
    check(&make);
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
        // Not the rules of names: the root is its own parent, as / is.
        let open = |builder: DirectoryBuilder| builder.absolute_links(AbsoluteLinks::FromRoot).open().unwrap();
        fresh(open, |make| futures_lite::future::block_on(conformance::uploads(make, &pool())).unwrap());
    }
}

#[test]
fn a_root_that_is_missing_or_a_file_is_refused() {
    let fixture = Fixture::new();
    for path in [fixture.outside("nothing"), fixture.inside("file")] {
        let error = Directory::open(&path).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_read_only_directory_conforms() {
    let fixture = Fixture::new();
    let content = vec![b'x'; 300_000];
    std::fs::write(fixture.inside("large"), &content).unwrap();
    for ignore_case in [false, true] {
        let open = || Directory::builder(fixture.inside("")).ignore_case(ignore_case).open().unwrap();
        futures_lite::future::block_on(async {
            conformance::readable(open(), "large", &content, &pool()).await.unwrap();
            conformance::read_only(open(), "large", &pool()).await.unwrap();
            conformance::attack(open(), "large", &pool()).await.unwrap();
        });
    }
}
