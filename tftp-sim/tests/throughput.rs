//! What a bad network costs, in time and in datagrams: no schedule may make a transfer crawl or flood.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::wire::{Direction, Options};
use tftp_sim::content;
use tftp_sim::network::{Faults, Network};
use tftp_sim::pair::{Case, run};

const BLOCKS: usize = 2_000;
const ONE_WAY: Duration = Duration::from_millis(5);

/// Virtual seconds, and DATA packets sent per block.
fn cost(direction: Direction, window: u16, faults: Faults) -> (f64, f64) {
    let options = Options { block_size: Some(512), window_size: Some(window), ..Options::NONE };
    let mut case = Case::new(direction, options, content::bytes(1, BLOCKS * 512));
    case.read_size = 65_536;
    let (mut time, mut sent) = (0.0, 0.0);
    let seeds = 3;
    for seed in 0..seeds {
        let verdict = run(&case, Network::new(faults, seed), seed, true);
        assert!(verdict.received.as_ref() == Some(&case.file));
        let data: Vec<_> = verdict.log.iter().filter(|(_, datagram)| datagram.bytes[1] == 3).collect();
        time += data.last().unwrap().0.as_micros() as f64 / 1e6;
        sent += data.len() as f64 / (BLOCKS + 1) as f64;
    }
    (time / seeds as f64, sent / seeds as f64)
}

/// Faults, and for windows of 1, 4, 16 and 64 the seconds and the datagrams per block that they may cost. The numbers
/// are half as much again as what was seen when they were written down; go-back-N costs what it costs.
type Row = (&'static str, Faults, [(f64, f64); 4]);

fn table() -> [Row; 9] {
    let none = Faults { loss: 0, duplication: 0, reordering: 0, delay: ONE_WAY, jitter: Duration::ZERO };
    [
        ("nothing", none, [(21.0, 1.0), (5.5, 1.0), (1.5, 1.0), (0.5, 1.0)]),
        ("loss 1 %", Faults { loss: 10, ..none }, [(36.0, 1.1), (9.5, 1.2), (2.7, 1.4), (1.0, 2.0)]),
        ("loss 5 %", Faults { loss: 50, ..none }, [(64.0, 1.3), (18.0, 1.5), (7.5, 2.2), (6.0, 5.0)]),
        ("loss 10 %", Faults { loss: 100, ..none }, [(110.0, 1.5), (35.0, 2.0), (17.0, 3.5), (28.0, 8.5)]),
        ("loss 20 %", Faults { loss: 200, ..none }, [(270.0, 2.4), (95.0, 3.0), (46.0, 6.2), (200.0, 12.0)]),
        ("each twice", Faults { duplication: 1000, ..none }, [(21.0, 1.0), (5.5, 1.0), (1.5, 1.0), (0.5, 1.0)]),
        ("5 % late", Faults { reordering: 50, ..none }, [(33.0, 1.0), (9.5, 1.5), (3.5, 2.3), (2.0, 5.0)]),
        ("jitter of 1 ms", Faults { jitter: ONE_WAY / 5, ..none }, [(33.0, 1.0), (23.0, 3.8), (6.0, 6.5), (6.5, 9.5)]),
        (
            "jitter of 20 ms",
            Faults { jitter: ONE_WAY * 4, ..none },
            [(90.0, 1.0), (53.0, 3.8), (30.0, 14.0), (28.0, 27.0)],
        ),
    ]
}

//= rfc7440#section-6
//= type=test
//# The rate at which TFTP UDP datagrams are sent SHOULD follow the CC guidelines in Section 3.1 of [RFC5405].
#[test]
fn a_bad_network_costs_no_more_than_it_must() {
    for (name, faults, limits) in table() {
        for (window, (most_time, most_sent)) in [1, 4, 16, 64].into_iter().zip(limits) {
            for direction in [Direction::Read, Direction::Write] {
                let (time, sent) = cost(direction, window, faults);
                println!("{name:>16}, window {window:>2}, {direction:?}: {time:7.2} s, {sent:5.2} per block");
                assert!(time <= most_time, "{name}, window {window}, {direction:?}: {time} s");
                assert!(sent <= most_sent, "{name}, window {window}, {direction:?}: {sent} datagrams per block");
            }
        }
    }
}
