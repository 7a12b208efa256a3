//! The loop against a runtime under the test's control.

pub(crate) mod fake;
#[cfg(target_os = "linux")]
mod in_place;

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fake::{Bench, Told};

fn would_block() -> Option<io::Error> {
    Some(io::ErrorKind::WouldBlock.into())
}

fn numbered(count: u8, size: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number; size]).collect()
}

#[test]
fn a_refused_transmit_is_kept_and_nothing_more_is_polled_until_it_left() {
    let mut bench = Bench::new();
    bench.fake.state().refusals.push_back(would_block());
    bench.send(b"first", None);
    bench.send(b"second", None);
    bench.run();
    assert!(bench.received().is_empty());
    assert_eq!(bench.event_loop.protocol().send.len(), 1);
    assert_eq!(bench.fake.state().writes, 1);

    // What arrives in the meantime is handed in, and does not cost another attempt.
    bench.arrive(b"hello");
    bench.fake.make_readable();
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Datagram(b"hello".to_vec())]);
    assert_eq!(bench.fake.state().writes, 1);

    // Writable, but full again before it was this loop's turn.
    bench.fake.state().refusals.push_back(would_block());
    bench.fake.make_writable();
    bench.run();
    assert!(bench.received().is_empty());

    bench.fake.make_writable();
    bench.run();
    assert_eq!(bench.received(), [b"first".to_vec(), b"second".to_vec()]);
    assert_eq!(bench.event_loop.counters().send_stalls, 2);
    assert_eq!(bench.event_loop.counters().send_errors, 0);
}

#[test]
fn a_train_goes_on_where_it_was_refused() {
    // Without offload every datagram is an attempt; with it, every 64.
    for (refused, at, head) in
        [(1, 0, None), (2, 1, None), (3, 2, None), (1, 0, Some(3)), (2, 1, Some(99)), (3, 2, Some(4))]
    {
        let mut bench = Bench::new();
        bench.event_loop.protocol_mut().head = head;
        bench.fake.state().refusals.extend((0..at).map(|_| None).chain([would_block()]));
        let datagrams = numbered(150, 100);
        bench.send(&datagrams.concat(), Some(100));
        bench.run();
        assert_eq!(bench.fake.state().writes, refused);
        let mut received = bench.received();
        assert!(received.len() < 150);
        // What was in pieces does not have to stay.
        bench.event_loop.protocol_mut().forget_body();
        bench.fake.make_writable();
        bench.run();
        received.extend(bench.received());
        assert_eq!(received, datagrams);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_train_costs_one_system_call_until_offload_fails() {
    let mut bench = Bench::new();
    // Its payloads are sent from where they lie.
    bench.event_loop.protocol_mut().head = Some(4);
    let datagrams = numbered(20, 1000);
    bench.send(&datagrams.concat(), Some(1000));
    bench.run();
    assert_eq!(bench.fake.state().writes, 1);
    assert_eq!(bench.received(), datagrams);

    // A card that cannot: this train leaves singly.
    let io_error = rustix::io::Errno::IO.raw_os_error();
    bench.fake.state().refusals.push_back(Some(io::Error::from_raw_os_error(io_error)));
    bench.send(&datagrams.concat(), Some(1000));
    bench.run();
    assert_eq!(bench.fake.state().writes, 1 + 1 + 20);
    assert_eq!(bench.received(), datagrams);
    assert_eq!(bench.event_loop.counters().send_errors, 0);
}

#[test]
fn a_datagram_larger_than_a_train_may_carry_leaves_singly() {
    let mut bench = Bench::new();
    let datagrams = [vec![1; 33_000], vec![2; 32_000]];
    bench.send(&datagrams.concat(), Some(33_000));
    bench.run();
    assert_eq!(bench.fake.state().writes, 2);
    assert_eq!(bench.received(), datagrams);
}

#[test]
fn a_full_queue_of_the_system_is_tried_again_after_a_pause() {
    let mut bench = Bench::new();
    let no_buffers = if cfg!(windows) { 10055 } else { rustix::io::Errno::NOBUFS.raw_os_error() };
    bench.fake.state().refusals.push_back(Some(io::Error::from_raw_os_error(no_buffers)));
    bench.send(b"patience", None);
    bench.run();
    bench.run();
    assert_eq!(bench.fake.state().writes, 1);
    bench.fake.advance(Duration::from_millis(1));
    bench.run();
    assert_eq!(bench.received(), [b"patience".to_vec()]);
}

#[test]
fn a_socket_that_never_becomes_writable_does_not_stop_the_protocol() {
    let mut bench = Bench::new();
    bench.fake.state().refusals.push_back(would_block());
    bench.send(b"lost", None);
    let deadline = bench.fake.state().now + Duration::from_millis(1100);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.run();
    bench.fake.advance(Duration::from_millis(999));
    bench.run();
    assert_eq!(bench.event_loop.counters().send_errors, 0);
    bench.fake.advance(Duration::from_millis(1));
    bench.run();
    assert_eq!(bench.event_loop.counters().send_errors, 1);
    bench.fake.advance(Duration::from_millis(100));
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Timeout]);
    assert!(bench.received().is_empty());
}

#[test]
fn flushing_sends_without_a_task_and_waits_for_nothing() {
    let mut bench = Bench::new();
    bench.send(b"farewell", None);
    bench.event_loop.flush();
    assert_eq!(bench.received(), [b"farewell".to_vec()]);

    bench.fake.state().refusals.push_back(would_block());
    bench.send(b"lost", None);
    bench.send(b"never tried", None);
    bench.event_loop.flush();
    assert!(bench.received().is_empty());
}

#[test]
fn a_datagram_that_cannot_be_sent_does_not_hold_up_the_next() {
    let mut bench = Bench::new();
    bench.fake.state().refusals.push_back(Some(io::ErrorKind::PermissionDenied.into()));
    bench.send(b"forbidden", None);
    bench.send(b"allowed", None);
    bench.run();
    assert_eq!(bench.received(), [b"allowed".to_vec()]);
    assert_eq!(bench.event_loop.counters().send_errors, 1);
}

#[test]
fn an_empty_socket_is_not_asked_again() {
    let mut bench = Bench::new();
    bench.arrive(b"one");
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Datagram(b"one".to_vec())]);
    let reads = bench.fake.state().reads;
    assert!(reads <= 2, "{reads} attempts for one datagram");
    for _ in 0..10 {
        bench.run();
    }
    assert_eq!(bench.fake.state().reads, reads);

    bench.arrive(b"");
    bench.fake.make_readable();
    bench.run();
    assert_eq!(bench.event_loop.protocol().told.last(), Some(&Told::Datagram(Vec::new())));
}

#[test]
fn errors_from_receiving_neither_end_the_loop_nor_keep_it_busy() {
    let mut bench = Bench::new();
    bench.fake.state().receive_error = Some(io::ErrorKind::ConnectionReset);
    bench.run();
    let reads = bench.fake.state().reads;
    assert!(reads < 100, "{reads} attempts at once");
    for _ in 0..10 {
        bench.run();
    }
    assert_eq!(bench.fake.state().reads, reads, "no pause");
    bench.fake.advance(Duration::from_millis(10));
    bench.run();
    assert_eq!(bench.fake.state().reads, reads + 1);
    assert_eq!(bench.event_loop.counters().receive_errors, reads as u64 + 1);

    bench.fake.state().receive_error = None;
    bench.arrive(b"all is well");
    bench.fake.advance(Duration::from_millis(10));
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Datagram(b"all is well".to_vec())]);
}

#[test]
fn a_turn_is_bounded() {
    let mut bench = Bench::new();
    bench.event_loop.protocol_mut().talkative = true;
    for turn in 1..=10 {
        assert!(bench.turn(), "it must ask for another turn");
        assert!(bench.events.load(Ordering::Relaxed) <= turn * 256);
    }
    bench.event_loop.protocol_mut().talkative = false;
    bench.run();
}

#[test]
fn datagrams_that_are_waiting_come_before_the_timeout() {
    let mut bench = Bench::new();
    bench.run();
    let deadline = bench.fake.state().now + Duration::from_secs(1);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.run();
    bench.arrive(b"in time");
    bench.fake.make_readable();
    bench.fake.advance(Duration::from_secs(1));
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Datagram(b"in time".to_vec()), Told::Timeout]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_train_is_handed_in_before_it_is_answered() {
    let mut bench = Bench::new();
    bench.run();
    let polls = bench.event_loop.protocol().polls;
    let datagrams = numbered(20, 1000);
    if !bench.arrive_as_train(&datagrams.concat(), 1000) {
        return;
    }
    bench.arrive(b"another");
    bench.fake.make_readable();
    bench.run();
    let told: Vec<_> = datagrams.into_iter().chain([b"another".to_vec()]).map(Told::Datagram).collect();
    assert_eq!(bench.event_loop.protocol().told, told);
    assert_eq!(bench.event_loop.protocol().polls, polls + 2);
}

#[test]
fn a_command_is_heeded_before_a_datagram_that_was_sent_after_it() {
    let mut bench = Bench::new();
    let (commands, receiver) = futures_channel::mpsc::unbounded();
    bench.event_loop = bench.event_loop.with_commands(receiver);
    bench.run();
    // Another thread does both, just after the loop has looked for commands.
    let peer = bench.peer.try_clone().unwrap();
    let to = bench.event_loop.local_addr(0).unwrap();
    bench.fake.state().before_read = Some(Box::new(move || {
        commands.unbounded_send("shut down").unwrap();
        peer.send_to(b"request", to).unwrap();
    }));
    bench.fake.make_readable();
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Command("shut down"), Told::Datagram(b"request".to_vec())]);
}

#[test]
fn a_wake_up_counts_though_the_runtime_denies_it_when_asked() {
    let mut bench = Bench::new();
    bench.run();
    let deadline = bench.fake.state().now + Duration::from_secs(1);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.run();
    bench.arrive(b"in time");
    bench.fake.wake_reader();
    bench.fake.advance(Duration::from_secs(1));
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Datagram(b"in time".to_vec()), Told::Timeout]);
}

#[test]
fn a_flood_does_not_stop_time() {
    let mut bench = Bench::new();
    bench.run();
    let deadline = bench.fake.state().now + Duration::from_secs(1);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.run();
    bench.fake.advance(Duration::from_secs(2));
    for _ in 0..500 {
        bench.arrive(b"flood");
    }
    bench.fake.make_readable();
    assert!(bench.turn());
    let told = &bench.event_loop.protocol().told;
    assert_eq!(told.last(), Some(&Told::Timeout));
    assert!(told.len() < 500);
    bench.run();
    assert_eq!(bench.event_loop.protocol().told.len(), 501);
}

#[test]
fn a_deadline_in_the_future_is_waited_for() {
    let mut bench = Bench::new();
    let deadline = bench.fake.state().now + Duration::from_secs(5);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.run();
    bench.fake.advance(Duration::from_millis(4999));
    bench.run();
    assert!(bench.event_loop.protocol().told.is_empty());
    bench.fake.advance(Duration::from_millis(1));
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, [Told::Timeout]);
}

#[test]
fn a_loop_stays_on_its_thread_only_if_its_parts_do() {
    fn assert_send<T: Send>() {}
    assert_send::<super::EventLoop<fake::Fake, fake::Script, crate::protocol::NoJobs, Box<dyn FnMut(()) + Send>>>();
}
