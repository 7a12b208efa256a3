//! Server and client on smol, and on async-std's executor.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the cases of the suite are not marked as tests"
)]

#[path = "../../tftp-driver/tests/transfer_suite/mod.rs"]
mod transfer_suite;

use transfer_suite::{Task, suite};

fn spawned_on_smol(case: impl Future<Output = ()> + Send + 'static) {
    smol::block_on(smol::spawn(case));
}

fn spawned_on_async_std(case: impl Future<Output = ()> + Send + 'static) {
    async_std::task::block_on(async_std::task::spawn(case));
}

fn beside_on_smol(task: Task) {
    smol::spawn(task).detach();
}

fn beside_on_async_std(task: Task) {
    async_std::task::spawn(task);
}

suite!(on_smol, tftp_smol::Smol, crate::spawned_on_smol, crate::beside_on_smol);
suite!(on_async_std, tftp_smol::Smol, crate::spawned_on_async_std, crate::beside_on_async_std);
