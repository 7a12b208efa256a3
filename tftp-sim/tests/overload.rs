//! A crowd on a common link that is slower than all of them together: the round trip becomes longer than any timer was when
//! it began. Whoever sends again then makes it longer still.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::time::Duration;

use tftp_proto::endpoint::{ClientRequest, Outcome};
use tftp_proto::wire::{Direction, Options};
use tftp_sim::bench::{SERVER, ask, client_config, server_config};
use tftp_sim::content;
use tftp_sim::network::{Bottleneck, Faults};
use tftp_sim::node::Node;
use tftp_sim::world::World;

const CLIENTS: u8 = 100;
const BLOCK: u64 = 1428;

/// All clients get a file of so many windows at once. The link is such that a window for everybody takes `round_trip`, and
/// loses `loss` per mille. Answers what the server sent for each datagram that was needed, and for how many round trips it
/// took all of them.
fn storm(window: u16, windows: u64, round_trip: Duration, loss: u32, seed: u64) -> (f64, f64) {
    let blocks = u64::from(window) * windows;
    let rate = (u64::from(window) * u64::from(CLIENTS) * BLOCK * 1000) / round_trip.as_millis() as u64;
    let mut world = World::new(Faults { loss, delay: Duration::from_micros(100), ..Faults::default() }, seed);
    world.network.set_bottleneck(Bottleneck { host: SERVER.ip(), rate, longest: Duration::MAX });
    let (config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 4);
    let mut server = Node::new(config, addresses, 1);
    let file = content::bytes(1, usize::try_from(blocks * BLOCK - 1).unwrap());
    server.store.insert("f", file);
    world.add(server);
    for number in 0..CLIENTS {
        let (config, addresses) = client_config(Ipv4Addr::new(10, 0, 1, number), 1);
        world.add(Node::new(config, addresses, 2 + u64::from(number)));
    }
    let options = Options {
        block_size: Some(u16::try_from(BLOCK).unwrap()),
        window_size: (window > 1).then_some(window),
        ..Options::NONE
    };
    for number in 0..CLIENTS {
        let request = ClientRequest { options, ..ask(0, SERVER, Direction::Read, "f") };
        world.get(1 + usize::from(number), request).unwrap();
    }
    world.run_to_rest(Duration::from_secs(3600));
    for node in &world.nodes[1..] {
        assert_eq!(node.ledger.reports()[0].outcome, Outcome::Completed, "seed {seed}");
    }
    let reports = world.nodes[0].ledger.reports();
    let sent: u64 = reports.iter().map(|report| report.stats.datagrams_sent).sum();
    let last = reports.iter().map(|report| report.duration).max().unwrap();
    let needed = (blocks + 1) * u64::from(CLIENTS);
    (sent as f64 / needed as f64, last.as_secs_f64() / (windows as f64 * round_trip.as_secs_f64()))
}

#[test]
fn a_crowd_whose_round_trip_outgrows_the_timers_does_not_drown_in_copies() {
    // With windows: what was seen, and half as much again. The clients' timers run out, too.
    for (window, windows, millis, most) in
        [(1, 20, 500, 1.01), (1, 20, 3000, 1.01), (16, 12, 500, 1.8), (16, 12, 3000, 3.3), (64, 6, 1000, 3.0)]
    {
        let (sent, time) = storm(window, windows, Duration::from_millis(millis), 0, 1);
        println!("window {window:>2}, round trip {millis:>4} ms: {sent:.2} per datagram needed, {time:.2} of the time");
        assert!(sent <= most, "window {window}, round trip {millis} ms: {sent} for each datagram that was needed");
    }
}

/// Nor is one of them given up, when some windows must be sent three times and an answer takes seconds.
#[test]
fn a_crowd_on_a_link_that_loses_is_served_to_the_last() {
    for seed in 1..=4 {
        let (sent, time) = storm(16, 20, Duration::from_secs(2), 50, seed);
        println!("seed {seed}: {sent:.2} per datagram needed, {time:.2} of the time");
        assert!(sent <= 3.6, "seed {seed}: {sent} for each datagram that was needed");
    }
}
