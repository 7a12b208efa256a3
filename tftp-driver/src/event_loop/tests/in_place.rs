//! When a loop waits in place, and when it leaves the waiting to its runtime.

use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::fake::{Bench, State, Told};
use crate::udp::{BindOptions, BoundSocket};

/// A loop that waits in place, has just sent something, and answers every datagram with itself.
fn echo(sockets: usize) -> Bench {
    echo_over(Bench::with_sockets(sockets))
}

fn echo_over(mut bench: Bench) -> Bench {
    bench.event_loop = bench.event_loop.waiting_in_place();
    bench.event_loop.protocol_mut().echoes = true;
    bench.send(b"hello", None);
    bench.event_loop.flush();
    assert_eq!(bench.received(), [b"hello"]);
    bench.fake.state().waits = 0;
    bench
}

/// Has the peer send these when the loop is about to wait. At the first time it asks twice, to change the socket's mode.
fn arrive_later(bench: &Bench, datagrams: &[&[u8]]) {
    let to = bench.event_loop.local_addr(0).unwrap();
    for datagram in datagrams {
        let (peer, datagram) = (bench.peer.try_clone().unwrap(), datagram.to_vec());
        let happens = move |_: &mut State| assert_eq!(peer.send_to(&datagram, to).unwrap(), datagram.len());
        bench.fake.state().before_wait.push_back(Box::new(happens));
    }
}

fn told(datagrams: &[&[u8]]) -> Vec<Told> {
    datagrams.iter().map(|datagram| Told::Datagram(datagram.to_vec())).collect()
}

#[test]
fn a_peer_that_sends_one_at_a_time_is_waited_for_without_the_runtime() {
    let mut bench = echo(1);
    bench.arrive(b"one");
    arrive_later(&bench, &[b"two", b"three", b"four"]);
    bench.turn();
    assert_eq!(bench.event_loop.protocol().told, told(&[b"one", b"two", b"three", b"four"]));
    assert_eq!(bench.received(), [&b"one"[..], b"two", b"three", b"four"]);
    assert_eq!(bench.fake.state().reads, 1, "only the first was the runtime's to report");

    // Nothing came any more. The next is the runtime's to report again.
    let waits = bench.fake.state().waits;
    bench.run();
    assert_eq!(bench.fake.state().waits, waits);
    bench.arrive(b"five");
    bench.fake.make_readable();
    bench.run();
    assert_eq!(bench.event_loop.protocol().told.last(), told(&[b"five"]).last());
    assert_eq!(bench.fake.state().reads, 2);
}

#[test]
fn a_loop_waits_in_place_only_if_told_so() {
    let mut bench = Bench::new();
    bench.event_loop.protocol_mut().echoes = true;
    bench.arrive(b"one");
    bench.run();
    assert_eq!(bench.received(), [b"one"]);
    assert_eq!(bench.fake.state().waits, 0);
}

#[test]
fn a_peer_that_sends_one_train_at_a_time_is_waited_for_too() {
    let mut bench = echo(1);
    if !bench.arrive_as_train(b"onetwo", 3) {
        return;
    }
    arrive_later(&bench, &[b"three"]);
    bench.turn();
    assert_eq!(bench.event_loop.protocol().told, told(&[b"one", b"two", b"three"]));
    assert_eq!(bench.fake.state().reads, 1);
}

#[test]
fn a_listener_whose_requests_are_answered_by_another_socket_is_not_waited_at() {
    let mut bench = echo(2);
    // Both are found to be empty, the second as the last.
    bench.run();
    bench.arrive_at(1, b"one");
    bench.fake.make_readable();
    bench.run();
    assert_eq!((bench.received(), bench.fake.state().waits), (vec![b"one".to_vec()], 0));
}

#[test]
fn a_peer_that_takes_its_time_is_left_to_the_runtime() {
    for (time, waited) in [(1000, false), (999, true)] {
        let mut bench = echo(1);
        bench.fake.advance(Duration::from_micros(time));
        bench.arrive(b"one");
        bench.run();
        assert_eq!(bench.fake.state().waits > 0, waited, "{time} µs");
    }
}

#[test]
fn nobody_is_waited_for_while_there_are_other_peers() {
    let mut bench = echo(1);
    bench.event_loop.protocol_mut().has_others = true;
    bench.arrive(b"one");
    bench.run();
    assert_eq!((bench.received(), bench.fake.state().waits), (vec![b"one".to_vec()], 0));
}

#[test]
fn a_socket_that_somebody_else_may_have_never_waits() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let again = socket.try_clone().unwrap();
    let socket = BoundSocket::from_std(socket, &BindOptions::default()).unwrap();
    let mut bench = echo_over(Bench::over([socket]));
    bench.arrive(b"one");
    bench.run();
    assert_eq!((bench.received(), bench.fake.state().waits), (vec![b"one".to_vec()], 0));
    assert_eq!(again.read_timeout().unwrap(), None);
}

#[test]
fn nobody_is_waited_for_who_was_not_answered() {
    let mut bench = echo(1);
    bench.event_loop.protocol_mut().echoes = false;
    bench.arrive(b"one");
    bench.run();
    assert_eq!((bench.event_loop.protocol().told.len(), bench.fake.state().waits), (1, 0));
}

#[test]
fn nobody_is_waited_for_who_sends_several_at_once() {
    let mut bench = echo(1);
    bench.arrive(b"one");
    bench.arrive(b"two");
    bench.run();
    assert_eq!(bench.received(), [b"one", b"two"]);
    assert_eq!(bench.fake.state().waits, 0);
}

#[test]
fn a_deadline_that_is_near_is_not_missed() {
    let mut bench = echo(1);
    let deadline = bench.fake.state().now + Duration::from_millis(19);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.arrive(b"one");
    bench.run();
    assert_eq!(bench.fake.state().waits, 0);

    let deadline = bench.fake.state().now + Duration::from_millis(21);
    bench.event_loop.protocol_mut().deadline = Some(deadline);
    bench.arrive(b"two");
    bench.fake.make_readable();
    // It comes while the loop waits for longer than its runtime would have.
    bench.fake.state().before_wait.push_back(Box::new(|state| state.now += Duration::from_millis(22)));
    bench.run();
    let (timeout, before) = bench.event_loop.protocol().told.split_last().unwrap();
    assert_eq!((before, timeout), (&told(&[b"one", b"two"])[..], &Told::Timeout));
}

#[test]
fn the_runtime_gets_its_thread_back_in_time() {
    let mut bench = echo(1);
    bench.arrive(b"one");
    bench.fake.state().before_wait.push_back(Box::new(|state| state.now += Duration::from_millis(1)));
    arrive_later(&bench, &[b"two", b"three"]);
    // However often it is polled.
    for _ in 0..3 {
        bench.turn();
        assert_eq!(bench.event_loop.protocol().told, told(&[b"one", b"two"]));
    }
    bench.fake.make_readable();
    bench.run();
    assert_eq!(bench.event_loop.protocol().told, told(&[b"one", b"two", b"three"]));
}

#[test]
fn an_owner_that_was_told_something_gets_its_turn_first() {
    let mut bench = echo(1);
    bench.event_loop.protocol_mut().tells = true;
    bench.arrive(b"one");
    bench.turn();
    assert_eq!(bench.received(), [b"one"]);
    assert_eq!((bench.fake.state().waits, bench.events.load(Ordering::Relaxed)), (0, 1));
    bench.run();
    assert_eq!(bench.fake.state().waits, 0, "not before the runtime has reported something");
    bench.arrive(b"two");
    bench.fake.make_readable();
    bench.run();
    assert!(bench.fake.state().waits > 0);
}

#[test]
fn another_socket_that_may_have_something_comes_first() {
    let mut bench = echo(2);
    bench.arrive(b"one");
    bench.fake.state().before_wait.push_back(Box::new(|state| assert_eq!(state.asked.len(), 2)));
    bench.run();
    bench.arrive(b"two");
    bench.fake.make_readable();
    bench.run();
    assert!(bench.fake.state().before_wait.is_empty(), "it has waited");
}

#[test]
fn a_datagram_that_the_system_refuses_is_seen_to_first() {
    let mut bench = echo(1);
    bench.fake.state().refusals.push_back(super::would_block());
    bench.arrive(b"one");
    bench.run();
    assert_eq!(bench.fake.state().waits, 0);
    bench.fake.make_writable();
    bench.run();
    assert_eq!(bench.received(), [b"one"]);
}
