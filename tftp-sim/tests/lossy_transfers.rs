//! Two transfers over a bad network: always byte-exact or a clean error, and always an end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::Rng;
use tftp_proto::seq::Rollover;
use tftp_proto::transfer::Ending;
use tftp_proto::wire::{Direction, Mode, Options};
use tftp_sim::content;
use tftp_sim::network::{Datagram, Faults, Network, lose_first};
use tftp_sim::packet::{number, opcode};
use tftp_sim::pair::{Case, Verdict, run};

const DIRECTIONS: [Direction; 2] = [Direction::Read, Direction::Write];

fn is_exact_or_clean(case: &Case, verdict: &Verdict, context: &str) {
    if let Some(received) = &verdict.received {
        assert!(*received == case.file, "{context}: not byte-exact");
    }
    let (sender, receiver) = match case.direction {
        Direction::Read => (verdict.server, Some(verdict.client)),
        Direction::Write => (Some(verdict.client), verdict.server),
    };
    if sender == Some(Ending::Completed) || sender == Some(Ending::DeliveredUnconfirmed) {
        assert!(verdict.received.is_some() || sender != Some(Ending::Completed), "{context}: completed unreceived");
    }
    if receiver == Some(Ending::Completed) {
        assert!(verdict.received.is_some(), "{context}: completed without a file");
    }
    let clean = [Some(Ending::Completed), Some(Ending::DeliveredUnconfirmed), Some(Ending::TimedOut), None];
    assert!(clean.contains(&verdict.server) && clean.contains(&Some(verdict.client)), "{context}: {verdict:?}");
}

/// A random file, size near an edge of blocks or windows, with random options.
fn random_case(rng: &mut Rng) -> Case {
    let direction = DIRECTIONS[rng.below(2) as usize];
    let block_size = [8u16, 9, 64, 511, 512, 513, 1428, 8192][rng.below(8) as usize];
    let window = [1u16, 1, 2, 3, 4, 7, 16, 64][rng.below(8) as usize];
    let blocks = [0, 1, 2, u64::from(window), u64::from(window) + 1, 3 * u64::from(window), 40][rng.below(7) as usize];
    let edge = blocks * u64::from(block_size);
    let size = (edge + u64::from(rng.below(3))).saturating_sub(1);
    let mode = if rng.below(4) == 0 { Mode::Netascii } else { Mode::Octet };
    let options = Options {
        block_size: (rng.below(8) > 0).then_some(block_size),
        window_size: (window > 1).then_some(window),
        transfer_size: (rng.below(2) == 0).then_some(0),
        timeout: (rng.below(8) == 0).then_some(1),
        rollover: [None, None, Some(Rollover::Zero), Some(Rollover::One)][rng.below(4) as usize],
        ..Options::NONE
    };
    let size = usize::try_from(size).unwrap().min(200_000);
    let file =
        if mode == Mode::Netascii { content::text(rng.next_u64(), size) } else { content::bytes(rng.next_u64(), size) };
    let mut case = Case::new(direction, options, file);
    case.mode = mode;
    case.read_size = [1, 512, 4096, 65_536][rng.below(4) as usize];
    case.storage = Duration::from_micros([0, 0, 500, 20_000][rng.below(4) as usize]);
    case
}

fn random_faults(rng: &mut Rng, worst_loss: u32) -> Faults {
    Faults {
        loss: rng.below(worst_loss + 1),
        duplication: rng.below(100),
        reordering: rng.below(200),
        delay: Duration::from_micros([50, 1_000, 20_000, 200_000][rng.below(4) as usize]),
        jitter: Duration::from_micros([0, 10, 1_000, 50_000][rng.below(4) as usize]),
    }
}

#[test]
fn any_schedule_is_byte_exact_or_a_clean_error() {
    let mut completed = 0;
    let seeds = 3000;
    for seed in 0..seeds {
        let mut rng = Rng::new(seed);
        let case = random_case(&mut rng);
        let faults = random_faults(&mut rng, 200);
        let verdict = run(&case, Network::new(faults, seed), seed, false);
        is_exact_or_clean(&case, &verdict, &format!("seed {seed}"));
        completed += u64::from(verdict.received.is_some());
    }
    assert!(completed > seeds * 9 / 10, "only {completed} of {seeds} files arrived");
}

#[test]
fn a_perfect_network_needs_no_retransmission() {
    for seed in 0..500 {
        let mut rng = Rng::new(seed);
        let case = random_case(&mut rng);
        let faults = Faults { delay: Duration::from_micros(300), ..Faults::default() };
        let verdict = run(&case, Network::new(faults, seed), seed, false);
        assert_eq!(verdict.received.as_ref(), Some(&case.file), "seed {seed}");
        assert_eq!((verdict.client, verdict.server), (Ending::Completed, Some(Ending::Completed)), "seed {seed}");
        // A commit that takes longer than the sender's interval is the one excuse.
        if case.storage < Duration::from_millis(1) {
            let cost = (verdict.client_stats.retransmissions, verdict.server_stats.retransmissions);
            assert_eq!(cost, (0, 0), "seed {seed}: {case:?}");
        }
    }
}

#[test]
fn a_network_that_only_duplicates_and_reorders_loses_no_file() {
    for seed in 0..500 {
        let mut rng = Rng::new(seed);
        let case = random_case(&mut rng);
        let faults = Faults { duplication: 500, reordering: 300, delay: Duration::from_millis(2), ..Faults::default() };
        let verdict = run(&case, Network::new(faults, seed), seed, false);
        assert_eq!(verdict.received.as_ref(), Some(&case.file), "seed {seed}");
    }
}

#[test]
fn block_numbers_wrap_to_0_and_to_1_under_loss() {
    for (direction, rollover, window) in [
        (Direction::Read, None, 16),
        (Direction::Write, None, 16),
        (Direction::Read, Some(Rollover::Zero), 1),
        (Direction::Read, Some(Rollover::One), 16),
        (Direction::Write, Some(Rollover::One), 64),
    ] {
        let options = Options { block_size: Some(8), window_size: Some(window), rollover, ..Options::NONE };
        // One past two rounds of numbers for windows, one past one round in lock-step.
        let blocks = if window == 1 { 65_537 } else { 131_080 };
        let mut case = Case::new(direction, options, content::bytes(7, blocks * 8 + 3));
        case.read_size = 65_536;
        let loss = if window == 1 { 1 } else { 5 };
        let faults = Faults { loss, duplication: 3, delay: Duration::from_micros(100), ..Faults::default() };
        let verdict = run(&case, Network::new(faults, 3), 3, false);
        assert!(
            verdict.received.as_ref() == Some(&case.file),
            "{direction:?} {rollover:?} {window}: {:?}",
            verdict.client
        );
    }
}

/// The first datagram that `matches` picks is lost; the file must arrive all the same, and soon.
fn survives_loss_of(direction: Direction, window: u16, what: &str, matches: impl Fn(&Datagram) -> bool + 'static) {
    let options = Options { block_size: Some(512), window_size: Some(window), ..Options::NONE };
    let case = Case::new(direction, options, content::bytes(1, 512 * 10 + 5));
    let mut network = Network::new(Faults { delay: Duration::from_millis(1), ..Faults::default() }, 1);
    network.set_filter(lose_first(1, matches));
    let verdict = run(&case, network, 1, true);
    let context = format!("{direction:?} window {window}: lost {what}");
    assert_eq!(verdict.received.as_ref(), Some(&case.file), "{context}");
    assert_eq!((verdict.client, verdict.server), (Ending::Completed, Some(Ending::Completed)), "{context}");
    let last_data = verdict.log.iter().rev().find(|(_, datagram)| opcode(&datagram.bytes) == Some(3)).unwrap();
    assert!(last_data.0 < tftp_proto::Instant::ZERO + Duration::from_secs(3), "{context}: {:?}", last_data.0);
}

#[test]
fn every_first_loss_is_recovered_in_both_directions() {
    for direction in DIRECTIONS {
        for window in [1, 4] {
            let kind = |code| move |datagram: &Datagram| opcode(&datagram.bytes) == Some(code);
            let numbered = |code, block| {
                move |datagram: &Datagram| {
                    opcode(&datagram.bytes) == Some(code) && number(&datagram.bytes) == Some(block)
                }
            };
            survives_loss_of(direction, window, "request", |datagram| matches!(opcode(&datagram.bytes), Some(1 | 2)));
            survives_loss_of(direction, window, "OACK", kind(6));
            survives_loss_of(direction, window, "first ACK", kind(4));
            survives_loss_of(direction, window, "final ACK", numbered(4, 11));
            for block in 1..=11 {
                survives_loss_of(direction, window, &format!("DATA {block}"), numbered(3, block));
                survives_loss_of(direction, window, &format!("ACK {block}"), numbered(4, block));
            }
        }
    }
}
