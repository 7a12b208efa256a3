//! The program as its users meet it: processes, exit codes, files, log lines. Loopback only.
#![cfg(unix)]
// What clippy allows in tests it does not see in their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod activation;
mod bench;
mod directories;
mod download;
mod failures;
mod fake;
mod help;
mod layers;
mod limits;
mod logs;
mod policy;
mod ports;
mod shutdown;
mod sources;
mod support;
mod terminal;
mod upload;
