//! The event loop on smol, and on async-std's executor.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the cases of the suite are not marked as tests")]

#[path = "../../tftp-driver/tests/event_loop_suite/mod.rs"]
mod event_loop_suite;

use event_loop_suite::suite;

fn spawned_on_smol(case: impl Future<Output = ()> + Send + 'static) {
    smol::block_on(smol::spawn(case));
}

fn spawned_on_async_std(case: impl Future<Output = ()> + Send + 'static) {
    async_std::task::block_on(async_std::task::spawn(case));
}

suite!(on_the_current_thread, tftp_smol::Smol, smol::block_on);
suite!(on_smol, tftp_smol::Smol, crate::spawned_on_smol);
suite!(on_async_std, tftp_smol::Smol, crate::spawned_on_async_std);
