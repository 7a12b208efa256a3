//! Every single fault at every datagram of a longer transfer, and every pair of faults, with one clock for both sides.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::config::Pacing;
use tftp_proto::transfer::Ending;
use tftp_proto::wire::{Direction, Options};
use tftp_sim::model::{Fault, Faults, LATENCY, Order, Run, Scenario, Storage, run};

const LONG: Duration = Duration::from_millis(150);
const KINDS: [Fault; 6] = [
    Fault::Lose,
    Fault::Copy(Duration::ZERO),
    Fault::Copy(LATENCY),
    Fault::Copy(LONG),
    Fault::Delay(LATENCY),
    Fault::Delay(LONG),
];

fn scenario(direction: Direction, window: u16, blocks: usize) -> Scenario {
    let window_size = (window > 1).then_some(window);
    Scenario {
        direction,
        options: Options { block_size: Some(8), window_size, ..Options::NONE },
        refuses_options: false,
        size: blocks * 8 - 5,
        retries: 0,
        real_time: true,
        pacing: Pacing::default(),
        order: Order::Any,
        storage: Storage::Prompt,
        forgetful: false,
        faults: Faults::NONE,
    }
}

/// The file arrives, both sides know it, and what the faults cost is bounded by their number, not by the file.
fn check(scenario: &Scenario, plan: &[(usize, Fault)]) -> Run {
    let outcome = run(scenario, plan).unwrap_or_else(|violation| panic!("{violation}"));
    let context = format!("{:?}, {:?}: {plan:?}: {outcome:?}", scenario.direction, scenario.options.window_size);
    let both = (outcome.client, outcome.server);
    assert_eq!(both, (Some(Ending::Completed), Some(Ending::Completed)), "{context}");
    let window = usize::from(scenario.window());
    assert!(outcome.timers <= 3 * plan.len(), "more timers than faults explain: {context}");
    // In lock-step only a timer or a repeated request brings more DATA; with windows each fault may cost two of them.
    let allowed = if window == 1 { outcome.timers + plan.len() } else { 2 * window * plan.len() };
    assert!(outcome.data <= scenario.blocks() + allowed, "too much DATA: {context}");
    outcome
}

#[test]
fn every_single_fault_of_a_long_transfer() {
    let mut runs = 0;
    for direction in [Direction::Read, Direction::Write] {
        for window in [1, 2, 3, 4, 5, 8, 16, 24] {
            let scenario = scenario(direction, window, 60);
            let perfect = check(&scenario, &[]);
            assert_eq!(perfect.data, 60);
            assert_eq!(perfect.timers, 0);
            for at in 0..perfect.datagrams {
                for kind in KINDS {
                    check(&scenario, &[(at, kind)]);
                    runs += 1;
                }
            }
        }
    }
    println!("single faults: {runs} runs of 60 blocks");
}

#[test]
fn every_pair_of_faults_of_a_shorter_transfer() {
    let mut runs = 0;
    for direction in [Direction::Read, Direction::Write] {
        for window in [1, 2, 4] {
            let scenario = scenario(direction, window, 16);
            let perfect = check(&scenario, &[]);
            for first in 0..perfect.datagrams {
                for kind in KINDS {
                    let once = check(&scenario, &[(first, kind)]);
                    for second in first + 1..once.datagrams {
                        for other in [Fault::Lose, Fault::Copy(Duration::ZERO), Fault::Delay(LONG)] {
                            check(&scenario, &[(first, kind), (second, other)]);
                            runs += 1;
                        }
                    }
                }
            }
        }
    }
    println!("pairs of faults: {runs} runs of 16 blocks");
}
