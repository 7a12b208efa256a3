//! Server and client on tokio.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the cases of the suite are not marked as tests"
)]

#[path = "../../tftp-driver/tests/transfer_suite/mod.rs"]
mod transfer_suite;

use transfer_suite::{Task, suite};

fn current_thread(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case);
}

/// As a task, which may move from thread to thread.
fn multi_thread(case: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(case).await.unwrap() });
}

fn spawn(task: Task) {
    tokio::spawn(task);
}

suite!(on_the_current_thread, tftp_tokio::Tokio, crate::current_thread, crate::spawn);
suite!(on_several_threads, tftp_tokio::Tokio, crate::multi_thread, crate::spawn);
