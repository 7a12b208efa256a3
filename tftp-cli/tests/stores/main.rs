//! `serve s3://…`, the real binary on a real store: servers, clients and stores that are killed, cut off or kept waiting.
//!
//! Skipped by name where SeaweedFS is not installed.
#![cfg(all(target_os = "linux", feature = "object-store"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers are not marked as tests")]

mod bench;
mod disk;
mod faults;
mod kills;
mod logs;
mod measured;
#[path = "../../../tftp-object-store/tests/stand/mod.rs"]
mod stand;
#[path = "../process/support.rs"]
#[allow(dead_code, reason = "the tests of processes use the rest")]
mod support;
mod together;
