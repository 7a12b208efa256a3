//! The event loop on tokio.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the cases of the suite are not marked as tests")]

use std::time::Duration;

use tftp_tokio::Tokio;

#[path = "../../tftp-driver/tests/event_loop_suite/mod.rs"]
mod event_loop_suite;

use event_loop_suite::suite;

fn current_thread(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case);
}

/// As a task, which may move from thread to thread.
fn multi_thread(case: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(case).await.unwrap() });
}

suite!(on_the_current_thread, tftp_tokio::Tokio, crate::current_thread);
suite!(on_several_threads, tftp_tokio::Tokio, crate::multi_thread);

#[tokio::test(start_paused = true)]
async fn paused_time_drives_the_idle_timer() {
    event_loop_suite::forgets_after(Tokio, Duration::from_secs(25)).await;
}

#[test]
fn outside_a_runtime_a_socket_is_an_error() {
    use tftp_driver::runtime::Runtime;

    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    assert!(Tokio.socket(socket).is_err());
}
