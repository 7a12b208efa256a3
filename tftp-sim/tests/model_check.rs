//! Every way in which a small transfer can go, by exhaustive search (see [`tftp_sim::model`]).
//!
//! Each test prints what it has covered: `cargo test -p tftp-sim --test model_check -- --nocapture`. The larger bounds:
//! the same with `--release -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use tftp_proto::config::Pacing;
use tftp_proto::wire::{Direction, Options};
use tftp_sim::model::{Faults, Order, Scenario, Storage, explore};

const DIRECTIONS: [Direction; 2] = [Direction::Read, Direction::Write];

/// No option: blocks of 512 bytes, no OACK.
const PLAIN: Options = Options::NONE;

/// An OACK with blocks of 8 bytes, in lock-step or in windows.
const fn blocks_of_8(window: u16) -> Options {
    let window_size = if window > 1 { Some(window) } else { None };
    Options { block_size: Some(8), window_size, ..Options::NONE }
}

const fn faults(losses: u8, copies: u8, early: u8) -> Faults {
    Faults { losses, copies, early, cancels: 0 }
}

/// What most searches share: two retries, any order, prompt storage.
fn base(direction: Direction, options: Options, size: usize, faults: Faults) -> Scenario {
    Scenario {
        direction,
        options,
        refuses_options: false,
        size,
        retries: 2,
        real_time: false,
        pacing: Pacing::default(),
        order: Order::Any,
        storage: Storage::Prompt,
        forgetful: false,
        faults,
    }
}

/// File sizes around whole numbers of blocks: from none to `blocks`, each exact and with a rest.
fn sizes(options: &Options, blocks: usize) -> Vec<usize> {
    let block = usize::from(options.block_size.unwrap_or(512));
    (0..=blocks).flat_map(|count| [count * block, count * block + 3]).collect()
}

/// Searches all of them, and says how much that was.
fn search(name: &str, scenarios: impl IntoIterator<Item = Scenario>) {
    let (mut count, mut states, mut steps, mut ends, mut longest) = (0, 0, 0, 0, 0);
    for scenario in scenarios {
        let summary = explore(&scenario, 30_000_000).unwrap_or_else(|violation| panic!("{name}: {violation}"));
        assert!(summary.ends > 0, "{name}: nothing ever ends");
        if scenario.faults == Faults::NONE && scenario.order == Order::Kept {
            let blocks = i32::try_from(scenario.blocks()).unwrap();
            assert_eq!(summary.most_data, blocks, "{name}: on a perfect network {scenario:?}");
        }
        count += 1;
        states += summary.states;
        steps += summary.steps;
        ends += summary.ends;
        longest = longest.max(summary.longest);
    }
    assert!(count > 0, "{name}: no search");
    println!("{name}: {count} searches, {states} states, {steps} steps, {ends} ends, longest path {longest} steps");
}

/// Both directions of a way of asking, for files of up to some blocks.
fn both(options: Options, blocks: usize, faults: Faults) -> impl Iterator<Item = Scenario> {
    DIRECTIONS.into_iter().flat_map(move |direction| {
        sizes(&options, blocks).into_iter().map(move |size| base(direction, options, size, faults))
    })
}

#[test]
fn a_perfect_network_brings_every_file_with_one_packet_for_each_block() {
    let windows = [PLAIN, blocks_of_8(1), blocks_of_8(2), blocks_of_8(3), blocks_of_8(4)];
    for storage in [Storage::Prompt, Storage::Late] {
        for order in [Order::Kept, Order::Any] {
            let windows = if (order, storage) == (Order::Any, Storage::Late) { &windows[..4] } else { &windows };
            let scenarios = windows.iter().flat_map(|options| both(*options, 4, Faults::NONE));
            search(
                &format!("no faults, {order:?} order, {storage:?} storage"),
                scenarios.map(|scenario| Scenario { order, storage, ..scenario }),
            );
        }
    }
}

#[test]
fn lock_step_without_options() {
    search("lock-step, 1 loss, 1 copy, 1 early timer", both(PLAIN, 4, faults(1, 1, 1)));
    let retries = |retries| both(PLAIN, 2, faults(2, 1, 1)).map(move |scenario| Scenario { retries, ..scenario });
    search("lock-step, 2 losses, 1 copy, 1 early timer, 1 to 3 retries", (1..=3).flat_map(retries));
}

#[test]
fn lock_step_with_options() {
    search("OACK, 1 loss, 1 copy, 1 early timer", both(blocks_of_8(1), 4, faults(1, 1, 1)));
    let options = blocks_of_8(1);
    let retries = |retries| both(options, 2, faults(2, 1, 1)).map(move |scenario| Scenario { retries, ..scenario });
    search("OACK, 2 losses, 1 copy, 1 early timer, 1 to 3 retries", (1..=3).flat_map(retries));
}

#[test]
fn windows_in_order() {
    for window in 2..=4 {
        let options = blocks_of_8(window);
        let scenarios = both(options, 5, faults(1, 1, 1)).chain(both(options, 3, faults(2, 1, 1)));
        let scenarios = scenarios.map(|scenario| Scenario { order: Order::Kept, ..scenario });
        search(&format!("windows of {window} in order, up to 2 losses, 1 copy, 1 early timer"), scenarios);
    }
}

/// Trains of one or two blocks with pauses between them, during which anything may arrive.
#[test]
fn windows_in_trains() {
    for first_train in 1..=2 {
        let pacing = Pacing { first_train, ..Pacing::default() };
        for window in 3..=4 {
            let scenarios =
                both(blocks_of_8(window), 5, faults(1, 1, 0)).chain(both(blocks_of_8(window), 3, faults(1, 0, 1)));
            let scenarios = scenarios.map(|scenario| Scenario { pacing, order: Order::Kept, ..scenario });
            search(&format!("windows of {window} in trains from {first_train} on, in order"), scenarios);
        }
    }
}

#[test]
fn windows_in_any_order() {
    search("windows of 2, 1 loss", both(blocks_of_8(2), 4, faults(1, 0, 0)));
    search("windows of 2, 1 loss, 1 early timer", both(blocks_of_8(2), 2, faults(1, 0, 1)));
    search("windows of 2, 1 copy", both(blocks_of_8(2), 3, faults(0, 1, 0)));
    search("windows of 3, 1 loss", both(blocks_of_8(3), 3, faults(1, 0, 0)));
    search("windows of 4, 1 loss", both(blocks_of_8(4), 3, faults(1, 0, 0)));
}

#[test]
fn any_losses_at_all() {
    for retries in 1..=2 {
        for options in [PLAIN, blocks_of_8(1)] {
            let scenarios = both(options, 2, faults(Faults::UNLIMITED, 0, 1));
            let scenarios = scenarios.map(|scenario| Scenario { retries, ..scenario });
            search(&format!("any losses, 1 early timer, {retries} retries"), scenarios);
        }
        let scenarios = both(blocks_of_8(2), 2, faults(Faults::UNLIMITED, 0, 0));
        let scenarios = scenarios.map(|scenario| Scenario { retries, order: Order::Kept, ..scenario });
        search(&format!("windows of 2 in order, any losses, {retries} retries"), scenarios);
    }
}

/// Here `must_complete` holds: every path has to end in success on both sides.
#[test]
fn as_many_losses_as_retries_end_no_transfer() {
    for retries in 1..=3u8 {
        for options in [PLAIN, blocks_of_8(1), blocks_of_8(2), blocks_of_8(4)] {
            let blocks = if retries < 3 { 3 } else { 2 };
            let order = if options.window_size.is_some() { Order::Kept } else { Order::Any };
            let scenarios = both(options, blocks, faults(retries, 1, 0));
            let scenarios = scenarios.map(|scenario| Scenario { retries: u32::from(retries), order, ..scenario });
            let scenarios = scenarios.inspect(|scenario| assert!(scenario.must_complete()));
            search(&format!("{retries} losses, {retries} retries, 1 copy"), scenarios);
        }
    }
}

/// What was sent is read again for every copy, and anything may arrive while it is.
#[test]
fn a_sender_that_holds_nothing() {
    let forgetful = |scenario| Scenario { forgetful: true, storage: Storage::Late, order: Order::Kept, ..scenario };
    let gets = |options, blocks, faults| {
        sizes(&options, blocks).into_iter().map(move |size| base(Direction::Read, options, size, faults))
    };
    search("nothing held", gets(PLAIN, 2, faults(1, 1, 1)).map(forgetful));
    search("nothing held, OACK", gets(blocks_of_8(1), 2, faults(1, 1, 1)).map(forgetful));
    search("nothing held, windows of 2", gets(blocks_of_8(2), 3, faults(1, 1, 1)).map(forgetful));
    search("nothing held, windows of 3", gets(blocks_of_8(3), 4, faults(1, 0, 1)).map(forgetful));
}

#[test]
fn storage_answers_late() {
    let late = |scenario| Scenario { storage: Storage::Late, ..scenario };
    search("late storage", both(PLAIN, 2, faults(1, 1, 1)).map(late));
    search("late storage, OACK", both(blocks_of_8(1), 2, faults(1, 1, 1)).map(late));
    let in_order = |scenario| Scenario { order: Order::Kept, storage: Storage::Late, ..scenario };
    search("late storage, windows of 2 in order", both(blocks_of_8(2), 3, faults(1, 1, 1)).map(in_order));
    search("late storage, windows of 3 in order", both(blocks_of_8(3), 4, faults(1, 0, 0)).map(in_order));
}

#[test]
fn one_side_is_cancelled() {
    let cancelled = Faults { losses: 1, copies: 1, early: 0, cancels: 1 };
    search("1 cancel, 1 loss, 1 copy", both(PLAIN, 2, cancelled));
    search("1 cancel, 1 loss, 1 copy, OACK", both(blocks_of_8(1), 2, cancelled));
    let twice = Faults { losses: 0, copies: 1, early: 1, cancels: 2 };
    search("2 cancels, 1 copy, 1 early timer", both(blocks_of_8(1), 1, twice));
    let windows = both(blocks_of_8(2), 2, cancelled).map(|scenario| Scenario { order: Order::Kept, ..scenario });
    search("1 cancel, 1 loss, 1 copy, windows of 2", windows);
}

#[test]
fn a_server_that_refuses_options() {
    let scenarios = both(blocks_of_8(4), 0, faults(1, 1, 1)).chain(both(blocks_of_8(1), 0, faults(2, 1, 0)));
    let scenarios = scenarios.flat_map(|scenario| [0, 512, 1027].map(|size| Scenario { size, ..scenario }));
    search(
        "ERROR 8 and again without options",
        scenarios.map(|scenario| Scenario { refuses_options: true, ..scenario }),
    );
}

#[test]
#[ignore = "minutes; run it with --release"]
fn larger_bounds() {
    for options in [PLAIN, blocks_of_8(1)] {
        let scenarios = (1..=3).flat_map(|retries| {
            both(options, 4, faults(2, 2, 1)).map(move |scenario| Scenario { retries, ..scenario })
        });
        search("lock-step, 2 losses, 2 copies, 1 early timer, 1 to 3 retries", scenarios);
        search("lock-step, any losses, 1 copy, 1 early timer", both(options, 3, faults(Faults::UNLIMITED, 1, 1)));
        search("lock-step, 2 losses, 1 copy, 2 early timers", both(options, 3, faults(2, 1, 2)));
    }
    for window in 2..=4 {
        let in_order = |scenario| Scenario { order: Order::Kept, ..scenario };
        let options = blocks_of_8(window);
        search(&format!("windows of {window} in order"), both(options, 4, faults(2, 1, 2)).map(in_order));
        search(
            &format!("windows of {window}, any losses"),
            both(options, 3, faults(Faults::UNLIMITED, 0, 0)).map(in_order),
        );
    }
    search("windows of 2 in any order", both(blocks_of_8(2), 4, faults(1, 1, 1)));
    search("windows of 3 in any order", both(blocks_of_8(3), 4, faults(1, 1, 0)));
    search("windows of 4 in any order", both(blocks_of_8(4), 4, faults(1, 0, 0)));
}
