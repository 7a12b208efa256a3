//! Transfers over object stores: real clients and servers, real UDP, real HTTP, on every runtime.
//!
//! The store in the test's own process is always there; SeaweedFS and Azurite where they are installed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers are not marked as tests")]

mod cases;
#[path = "../stand/inside.rs"]
mod inside;
#[allow(dead_code, reason = "the suite of the adapters uses the rest")]
#[path = "../../../tftp-driver/tests/transfer_suite/rig.rs"]
mod rig;
#[path = "../stand/mod.rs"]
mod stand;

use inside::Inside;
use rig::{Task, within_a_minute};
use stand::{Azurite, Place, Weed};

/// Expands to a module of tests. `$run` blocks on a future; `$spawn` has one run beside it.
macro_rules! suite {
    ($module:ident, $runtime:expr, $run:expr, $spawn:expr) => {
        suite!(@ $module, $runtime, $run, $spawn,
            files_come_back_whole existing_and_missing_files one_writer_for_each_name two_servers_on_one_bucket
            a_dropped_upload_leaves_nothing a_dropped_server_leaves_nothing a_shutdown_lets_uploads_end
            two_hundred_clients_cost_one_fetch_of_each_byte a_slow_store_delays_the_first_answer_and_nothing_else
            a_store_that_is_gone_is_an_error);
    };
    (@ $module:ident, $runtime:expr, $run:expr, $spawn:expr, $($case:ident)*) => {
        mod $module {
            $(#[test]
            fn $case() {
                let store = crate::Inside::start();
                let bench = crate::cases::Bench::new($runtime, $spawn, store.address(), store.place());
                $run(crate::within_a_minute(&$runtime, crate::cases::$case(bench)));
                assert_eq!(store.leftovers(), Vec::<std::path::PathBuf>::new());
            })*

            #[test]
            fn seaweedfs() {
                let Some(store) = crate::Weed::start() else { return };
                all(store.address(), &store.place());
            }

            #[test]
            fn azurite() {
                let Some(store) = crate::Azurite::start() else { return };
                all(store.address(), &store.place());
            }

            /// Every case, in a store that takes a while to start.
            fn all(address: std::net::SocketAddr, place: &crate::Place) {
                $(
                    let beneath = place.beneath(stringify!($case));
                    let bench = crate::cases::Bench::new($runtime, $spawn, address, beneath);
                    $run(crate::within_a_minute(&$runtime, crate::cases::$case(bench)));
                )*
            }
        }
    };
}

fn on_tokio(case: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(case).await.unwrap() });
}

fn beside_on_tokio(task: Task) {
    tokio::spawn(task);
}

fn on_smol(case: impl Future<Output = ()> + Send + 'static) {
    smol::block_on(smol::spawn(case));
}

fn beside_on_smol(task: Task) {
    smol::spawn(task).detach();
}

fn on_async_std(case: impl Future<Output = ()> + Send + 'static) {
    async_std::task::block_on(async_std::task::spawn(case));
}

fn beside_on_async_std(task: Task) {
    async_std::task::spawn(task);
}

suite!(with_tokio, tftp_tokio::Tokio, crate::on_tokio, crate::beside_on_tokio);
suite!(with_smol, tftp_smol::Smol, crate::on_smol, crate::beside_on_smol);
suite!(with_async_std, tftp_smol::Smol, crate::on_async_std, crate::beside_on_async_std);
