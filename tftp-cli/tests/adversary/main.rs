//! What anybody on the network can send, and what a disk or a power switch can do, against the real binary on loopback.
//!
//! Every test has its own server and addresses; all can run at once. Where the order of things matters, a peer played by
//! hand decides it, packet by packet: nothing sleeps and hopes. Forged source addresses need raw sockets, and a small
//! file system a mount: without root these tests are skipped by name, and fail with `CI=true` in the environment.

#![cfg(target_os = "linux")]
// Helpers are not `#[test]` functions themselves, so clippy.toml's exception does not reach them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod amplification;
mod calls;
mod changes;
mod cves;
mod disk;
mod flood;
mod forge;
mod hosted;
mod icmp;
mod kills;
mod logs;
mod loops;
mod malformed;
mod memory;
mod peer;
mod slow_peers;
mod slow_storage;
mod storage;
mod traced;
mod transfers;

/// The helpers of the tests with real clients.
#[path = "../interop/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "each of the two programs uses a part of them")]
mod support;
