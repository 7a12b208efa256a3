//! The storage over real stores. Where one is not installed, its tests are skipped by name.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers are not marked as tests")]

#[path = "../stand/mod.rs"]
mod stand;

mod conformance;
mod faults;
mod support;
