//! Clients that end as soon as they may after a download, in virtual time: how long they wait for a server that did not
//! get the last ACK, and how many servers are left without it, as a table that a change shows in review.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use tftp_proto::endpoint::{Outcome, Shutdown};
use tftp_proto::wire::{Direction, Options};
use tftp_sim::bench::{SERVER, ask, client_config, server_config};
use tftp_sim::network::{Faults, lose_first};
use tftp_sim::node::Node;
use tftp_sim::packet::{number, opcode};
use tftp_sim::world::World;
use tftp_sim::{content, golden, ms};

const SERVER_NODE: usize = 0;
const CLIENT_NODE: usize = 1;

/// A server with a file of `blocks` blocks, and a client.
fn world(blocks: u16, faults: Faults, seed: u64) -> World {
    let mut world = World::new(faults, seed);
    let (config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 4);
    world.add(Node::new(config, addresses, seed));
    let (config, addresses) = client_config(Ipv4Addr::new(10, 0, 0, 2), 1);
    world.add(Node::new(config, addresses, seed + 1));
    world.nodes[SERVER_NODE].store.insert("f", content::bytes(seed, usize::from(blocks) * 1428 - 1));
    world
}

/// Gets the file and shuts the client down at once. Answers how long it stayed, and whether the server had the last ACK
/// in the end; `None` if the file did not arrive.
fn get(mut world: World, window: u16, how: Shutdown) -> Option<(Duration, bool)> {
    let mut request = ask(0, SERVER, Direction::Read, "f");
    request.options = Options { block_size: Some(1428), window_size: (window > 1).then_some(window), ..Options::NONE };
    world.get(CLIENT_NODE, request).unwrap();
    while world.nodes[CLIENT_NODE].ledger.reports().is_empty() {
        world.run_until(world.next()?);
    }
    let outcome = world.nodes[CLIENT_NODE].ledger.reports()[0].outcome.clone();
    world.shutdown(CLIENT_NODE, how);
    let end = world.now();
    while !world.nodes[CLIENT_NODE].is_finished() {
        world.run_until(world.next()?);
    }
    let stay = world.now() - end;
    world.run_to_rest(Duration::from_secs(300));
    let server = world.nodes[SERVER_NODE].ledger.reports();
    let confirmed = server.iter().any(|report| report.outcome == Outcome::Completed);
    (outcome == Outcome::Completed).then_some((stay, confirmed))
}

fn faults(loss: u32, round_trip: Duration) -> Faults {
    Faults { loss, delay: round_trip / 2, ..Faults::default() }
}

/// The stay where nothing is lost; at some loss the average stay, and servers without the last ACK per mille, of clients
/// that dally and of such that leave at once.
fn line(blocks: u16, window: u16, round_trip: Duration) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let (clean, confirmed) = get(world(blocks, faults(0, round_trip), 1), window, Shutdown::Graceful).unwrap();
    assert!(confirmed);
    let mut line = format!("{blocks:>6} {window:>8} {:>9} ms {:>11.2} ms", millis(round_trip), millis(clean));
    for loss in [10, 50] {
        let runs: u32 = if blocks > 100 { 100 } else { 500 };
        let count = |how| {
            let world = |seed: u32| world(blocks, faults(loss, round_trip), u64::from(seed));
            let ends = (0..runs).filter_map(|seed| get(world(seed), window, how));
            let (mut stay, mut left, mut all) = (Duration::ZERO, 0, 0);
            for (stayed, confirmed) in ends {
                (stay, left, all) = (stay + stayed, left + u32::from(!confirmed), all + 1);
            }
            (millis(stay / all), left * 1000 / all)
        };
        let (stay, left) = count(Shutdown::Graceful);
        write!(line, " {stay:>10.1} ms {left:>6} ({})", count(Shutdown::Immediate).1).unwrap();
    }
    line
}

fn table() -> String {
    let mut table = String::from(
        "How long a client that is in a hurry stays after a download in blocks of 1428 bytes, and how many servers per\n\
         mille never get the last ACK (in brackets: if the client left at once), by the loss in each direction.\n\n\
         blocks   window   round trip        no loss          1 %     left           5 %     left\n",
    );
    for (blocks, window) in [(3, 1), (30, 1), (30, 16), (300, 1)] {
        for micros in [50, 500, 5_000, 50_000] {
            writeln!(table, "{}", line(blocks, window, Duration::from_micros(micros))).unwrap();
        }
    }
    table
}

#[test]
fn who_is_in_a_hurry_stays_as_long_as_the_table_says() {
    golden::check("hurry", &table());
}

/// Whatever was lost before, the last ACK may be lost as well.
#[test]
fn on_a_path_that_loses_the_last_ack_is_repeated_however_short_the_path() {
    for (code, block) in [(1, None), (6, None), (3, Some(1)), (3, Some(2)), (4, Some(0)), (4, Some(1)), (4, Some(2))] {
        let mut world = world(3, faults(0, Duration::from_micros(50)), 1);
        let mut lose_early = lose_first(1, move |datagram| {
            opcode(&datagram.bytes) == Some(code) && (block.is_none() || number(&datagram.bytes) == block)
        });
        let mut lose_last =
            lose_first(1, |datagram| opcode(&datagram.bytes) == Some(4) && number(&datagram.bytes) == Some(3));
        world.network.set_filter(Box::new(move |datagram| lose_early(datagram) || lose_last(datagram)));
        let (stay, confirmed) = get(world, 1, Shutdown::Graceful).unwrap();
        assert!(confirmed, "lost {code} {block:?} {stay:?}");
        assert!(stay >= ms(60), "{stay:?}");
    }
}
