//! Goodput against loss, round trip and window, in virtual time, as a table that a change shows in review.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::fmt::Write as _;
use std::time::Duration;

use tftp_proto::config::Timing;
use tftp_proto::transfer::Ending;
use tftp_proto::wire::{Direction, Options};
use tftp_sim::network::{Faults, Network};
use tftp_sim::pair::{Case, run};
use tftp_sim::{content, golden};

/// Bytes of the file, and of a block.
const SIZE: usize = 4 << 20;
const BLOCK: u16 = 1428;

/// Who moves the file, and how a client that receives goes about a loss.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// It repeats its ACK after a tenth of a second.
    Repeating,
    /// It waits for the server.
    Silent,
    Upload,
}

fn case(kind: Kind, window: u16) -> Case {
    let direction = if matches!(kind, Kind::Upload) { Direction::Write } else { Direction::Read };
    let options = Options { block_size: Some(BLOCK), window_size: (window > 1).then_some(window), ..Options::NONE };
    let mut case = Case::new(direction, options, content::bytes(1, SIZE));
    case.read_size = 65_536;
    case.silent = matches!(kind, Kind::Silent);
    if matches!(kind, Kind::Repeating) {
        case.client_timing = Some(Timing { initial_timeout: Duration::from_millis(100), ..Timing::default() });
    }
    case
}

/// The time until the sender has the last ACK, or has sent everything and lost it. `loss` is per mille, each way.
fn time(case: &Case, loss: u32, round_trip: Duration, seed: u64) -> Duration {
    let faults = Faults { loss, delay: round_trip / 2, ..Faults::default() };
    let verdict = run(case, Network::new(faults, seed), seed, true);
    assert!(verdict.received.as_ref() == Some(&case.file), "{verdict:?}");
    let receiver = if case.direction == Direction::Read { Some(verdict.client) } else { verdict.server };
    assert_eq!(receiver, Some(Ending::Completed));
    // Who dallies sends nothing more, unless it is asked.
    let last = verdict.log.iter().rev().find(|(_, datagram)| datagram.bytes[1] == 3).unwrap().0;
    last - tftp_proto::Instant::ZERO + round_trip
}

fn average(kind: Kind, window: u16, loss: u32, round_trip: Duration, seeds: u32) -> Duration {
    let case = case(kind, window);
    (0..seeds).map(|seed| time(&case, loss, round_trip, u64::from(seed))).sum::<Duration>() / seeds
}

/// Megabytes per second with three digits.
fn goodput(time: Duration) -> String {
    let kilobytes = SIZE as u128 * 1000 / time.as_micros();
    let digits = kilobytes.checked_ilog10().unwrap_or(0);
    let rounded = 10_u128.pow(digits.saturating_sub(2));
    let kilobytes = (kilobytes + rounded / 2) / rounded * rounded;
    match digits {
        0..=2 => format!("{}.{:03}", kilobytes / 1000, kilobytes % 1000),
        3 => format!("{}.{:02}", kilobytes / 1000, kilobytes % 1000 / 10),
        4 => format!("{}.{}", kilobytes / 1000, kilobytes % 1000 / 100),
        _ => format!("{}", kilobytes / 1000),
    }
}

fn table() -> String {
    let mut table = String::from(
        "Megabytes per second: 4 MiB in blocks of 1428 bytes, loss in each direction, a network of any bandwidth.\n\
         A client that receives repeats its ACK after 100 ms, or waits in silence.\n\n\
         loss     round trip   window   get, repeats   get, silent          put\n",
    );
    for (percent, loss) in [("0.1 %", 1), ("1 %", 10), ("5 %", 50)] {
        for micros in [200, 2_000, 20_000] {
            for window in [1, 4, 16, 64] {
                let round_trip = Duration::from_micros(micros);
                let of = |kind| goodput(average(kind, window, loss, round_trip, 3));
                let [repeating, silent, upload] = [Kind::Repeating, Kind::Silent, Kind::Upload].map(of);
                let millis = micros as f64 / 1000.0;
                writeln!(table, "{percent:<8} {millis:>7} ms {window:>8} {repeating:>14} {silent:>13} {upload:>12}")
                    .unwrap();
            }
        }
    }
    table
}

#[test]
fn goodput_under_loss_is_what_the_table_says() {
    golden::check("loss", &table());
}

/// What chance loses is not for long taken for what a receiver cannot take, nor a pause of ours for a long round trip.
#[test]
fn no_transfer_is_much_slower_than_most_where_chance_loses() {
    for (kind, window, most) in [
        // One has lost the last ACK, and repeats the last block to a client that is gone.
        (Kind::Repeating, 16, 3.5),
        (Kind::Repeating, 64, 3.0),
        (Kind::Silent, 16, 4.0),
        (Kind::Silent, 64, 6.0),
        (Kind::Upload, 16, 3.0),
        (Kind::Upload, 64, 3.0),
    ] {
        let case = case(kind, window);
        let mut times: Vec<_> = (0..60).map(|seed| time(&case, 50, Duration::from_micros(200), seed)).collect();
        times.sort_unstable();
        let (median, slowest) = (times[30], times[59]);
        println!("{kind:?}, window {window}: {median:?}, and {slowest:?} at most");
        assert!(slowest <= median.mul_f64(most), "{kind:?}, window {window}: {slowest:?}, where half need {median:?}");
    }
}

#[test]
fn a_loss_of_one_per_cent_is_borne_in_lock_step_and_in_windows() {
    for (kind, window, most) in [
        (Kind::Repeating, 1, 6000),
        (Kind::Silent, 1, 6000),
        (Kind::Upload, 1, 6000),
        (Kind::Repeating, 16, 1500),
        (Kind::Silent, 16, 1500),
        (Kind::Upload, 16, 1500),
    ] {
        let case = case(kind, window);
        let times = (0..20).map(|seed| time(&case, 10, Duration::from_micros(200), seed));
        let slowest = times.clone().max().unwrap();
        let average = times.sum::<Duration>() / 20;
        println!("{kind:?}, window {window}: {average:?} on average, {slowest:?} at most");
        assert!(slowest < Duration::from_millis(most), "{kind:?}, window {window}: {slowest:?}");
    }
}
