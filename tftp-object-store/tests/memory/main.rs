//! The storage over a store in memory: no server, no network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers are not marked as tests")]

mod caching;
mod conformance;
mod disk;
mod leftovers;
mod reading;
mod support;
mod writing;
