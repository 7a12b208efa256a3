//! The whole endpoint, in both roles, in virtual time: delivery, endings, sameness, bounds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tftp_proto::endpoint::{ClientRequest, Outcome, Report, Shutdown, TransferId};
use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Direction, Mode, Options};
use tftp_sim::bench::{SERVER, address, ask, client_config, server_config};
use tftp_sim::content;
use tftp_sim::network::{Datagram, Faults};
use tftp_sim::node::Node;
use tftp_sim::packet;
use tftp_sim::store::{Habits, JobKind};
use tftp_sim::world::World;

fn config(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/regressions/endpoint.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(persistence)),
        max_shrink_time: 20_000,
        ..ProptestConfig::default()
    }
}

/// What one client wants.
#[derive(Debug, Clone)]
struct Errand {
    direction: Direction,
    mode: Mode,
    options: Options,
    size: usize,
    /// Bytes that a write of the client has at least.
    gather: usize,
    seed: u64,
}

impl Errand {
    fn file(&self) -> Vec<u8> {
        match self.mode {
            Mode::Netascii => content::text(self.seed, self.size),
            Mode::Octet | Mode::Mail => content::bytes(self.seed, self.size),
        }
    }
}

prop_compose! {
    fn errand()(
        direction in prop_oneof![Just(Direction::Read), Just(Direction::Write)],
        mode in prop_oneof![4 => Just(Mode::Octet), 1 => Just(Mode::Netascii)],
        block_size in option::weighted(0.8, prop_oneof![8u16..16, 500u16..520, Just(1428), Just(8192)]),
        window_size in option::weighted(0.6, 1u16..20),
        timeout in option::weighted(0.1, 1u8..3),
        announce in any::<bool>(),
        rollover in option::weighted(0.2, prop_oneof![Just(Rollover::Zero), Just(Rollover::One)]),
        blocks in 0usize..40,
        edge in 0usize..3,
        gather in prop_oneof![Just(1), 1usize..50_000, Just(usize::MAX)],
        seed in any::<u64>(),
    ) -> Errand {
        let size = (blocks * usize::from(block_size.unwrap_or(512)) + edge).saturating_sub(1).min(100_000);
        let announced = if direction == Direction::Write { size as u64 } else { 0 };
        let transfer_size = announce.then_some(announced);
        let options = Options { block_size, window_size, timeout, transfer_size, rollover, ..Options::NONE };
        Errand { direction, mode, options, size, gather, seed }
    }
}

prop_compose! {
    fn network(worst_loss: u32)(
        loss in 0..=worst_loss,
        duplication in 0u32..300,
        reordering in 0u32..300,
        delay in prop_oneof![0u64..100, 0u64..30_000, 100_000u64..200_000],
        jitter in prop_oneof![Just(0u64), 0u64..50_000],
    ) -> Faults {
        let (delay, jitter) = (Duration::from_micros(delay), Duration::from_micros(jitter));
        Faults { loss, duplication, reordering, delay, jitter }
    }
}

prop_compose! {
    fn habits(worst: u32)(
        latency in prop_oneof![Just(0u64), 0u64..1_000, 0u64..300_000],
        failures in 0..=worst,
        silences in 0..=worst / 10,
    ) -> Habits {
        Habits { latency: Duration::from_micros(latency), failures, silences }
    }
}

/// Errands under way: the clients are the nodes after the server.
struct Town {
    world: World,
    errands: Vec<(Errand, TransferId)>,
}

impl Town {
    fn new(errands: &[Errand], faults: Faults, habits: Habits, pool: u16, seed: u64) -> Self {
        let mut world = World::new(faults, seed);
        let (mut config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), pool);
        config.options.size_of_empty_files = seed.is_multiple_of(2);
        let server = world.add(Node::new(config, addresses, seed));
        if seed.is_multiple_of(3) {
            world.drain_in_parts();
        }
        let mut town = Self { world, errands: Vec::new() };
        for errand in errands {
            let host = u8::try_from(town.world.nodes.len() + 1).unwrap();
            let (config, addresses) = client_config(Ipv4Addr::new(10, 0, 0, host), 1);
            let node = town.world.add(Node::new(config, addresses, seed + u64::from(host)));
            town.world.nodes[node].store.set_habits(habits);
            let name = format!("file-{node}");
            let Errand { mode, options, gather, .. } = *errand;
            let request = ClientRequest { mode, options, gather, ..ask(0, SERVER, errand.direction, &name) };
            let id = match errand.direction {
                Direction::Read => {
                    town.world.nodes[server].store.insert(&name, errand.file());
                    town.world.get(node, request).unwrap()
                }
                Direction::Write => town.world.put(node, request, errand.file()).unwrap(),
            };
            town.errands.push((errand.clone(), id));
        }
        town.world.nodes[server].store.set_habits(habits);
        town
    }

    /// The file of an errand as it arrived.
    fn received(&self, number: usize) -> Option<&[u8]> {
        let (errand, id) = &self.errands[number];
        let node = number + 1;
        match errand.direction {
            Direction::Read => self.world.nodes[node].store.received(*id),
            Direction::Write => self.world.nodes[0].store.file(&format!("file-{node}")),
        }
    }

    fn report(&self, number: usize) -> &Report {
        let [report] = self.world.nodes[number + 1].ledger.reports() else { panic!("one report for each errand") };
        report
    }

    /// What arrived is exact, and who says that it has arrived is right.
    fn check(&self) -> Result<(), TestCaseError> {
        for number in 0..self.errands.len() {
            let (errand, _) = &self.errands[number];
            let received = self.received(number);
            prop_assert!(received.is_none_or(|bytes| bytes == errand.file()), "not byte-exact");
            let report = self.report(number);
            if report.outcome == Outcome::Completed {
                prop_assert!(received.is_some(), "{report:?}");
                prop_assert_eq!(report.bytes, errand.size as u64);
                let log = self.world.nodes[number + 1].store.log();
                let writes: Vec<_> = log.iter().filter(|asked| asked.kind == JobKind::Write).collect();
                let mut before_the_last = writes.iter().rev().skip(1).filter_map(|asked| asked.range);
                prop_assert!(before_the_last.all(|(_, len)| len >= errand.gather));
            }
        }
        for node in &self.world.nodes {
            for report in node.ledger.reports() {
                prop_assert!(report.stats.datagrams_sent > 0 || report.outcome != Outcome::Completed);
            }
            check_writes(node)?;
        }
        Ok(())
    }
}

/// No byte was written twice and none left out (the store checks that each write begins where the last one ended).
fn check_writes(node: &Node) -> Result<(), TestCaseError> {
    let written = |id| {
        let writes = node.store.log().iter().filter(|asked| asked.id == id && asked.kind == JobKind::Write);
        writes.map(|asked| asked.range.unwrap().1).sum::<usize>()
    };
    for asked in node.store.log() {
        if asked.kind == JobKind::Commit
            && let Some(received) = node.store.received(asked.id)
        {
            prop_assert_eq!(written(asked.id), received.len());
        }
    }
    Ok(())
}

const HOUR: Duration = Duration::from_secs(3600);

proptest! {
    #![proptest_config(config(400))]

    /// A bad network for a while, then a good one: every file arrives, and both sides know it.
    #[test]
    fn what_is_delivered_in_the_end_is_byte_exact(
        errands in vec(errand(), 1..4),
        faults in network(400),
        habits in habits(0),
        pool in 0u16..3,
        bad_for in 0u64..4_000_000,
        seed in any::<u32>(),
    ) {
        let mut town = Town::new(&errands, faults, habits, pool, u64::from(seed));
        town.world.run_for(Duration::from_micros(bad_for));
        town.world.network.set_faults(Faults { delay: Duration::from_millis(1), ..Faults::default() });
        town.world.run_to_rest(HOUR);
        town.check()?;
        for number in 0..errands.len() {
            prop_assert!(town.received(number).is_some(), "{:?}", town.report(number));
            // A final ACK that was lost for as long as the other side dallied leaves a sender in doubt.
            let outcome = &town.report(number).outcome;
            let is_success = matches!(outcome, Outcome::Completed | Outcome::DeliveredUnconfirmed | Outcome::TimedOut);
            prop_assert!(is_success, "{outcome:?}");
        }
    }

    /// Any network, any storage, a line that goes dead, owners that lose interest: everything ends, nothing is left.
    #[test]
    fn everything_ends(
        errands in vec(errand(), 1..4),
        faults in network(900),
        habits in habits(100),
        dead_after in option::of(0usize..60),
        cancel_after in option::of((0usize..3, 0u64..3_000_000)),
        shutdown_after in option::of((any::<bool>(), 0u64..5_000_000)),
        seed in any::<u32>(),
    ) {
        let mut town = Town::new(&errands, faults, habits, 2, u64::from(seed));
        if let Some(dead_after) = dead_after {
            let mut count = 0;
            town.world.network.set_filter(Box::new(move |_| {
                count += 1;
                count > dead_after
            }));
        }
        if let Some((number, after)) = cancel_after {
            town.world.run_for(Duration::from_micros(after));
            let number = number % errands.len();
            let id = town.errands[number].1;
            town.world.cancel(number + 1, id);
        }
        if let Some((graceful, after)) = shutdown_after {
            town.world.run_for(Duration::from_micros(after));
            town.world.shutdown(0, if graceful { Shutdown::Graceful } else { Shutdown::Immediate });
        }
        // Storage that never answers holds what it holds; all else has to end.
        let silent = habits.silences > 0;
        if silent {
            town.world.run_for(HOUR);
        } else {
            town.world.run_to_rest(HOUR);
        }
        for (number, (errand, _)) in town.errands.iter().enumerate() {
            let received = town.received(number);
            prop_assert!(received.is_none_or(|bytes| bytes == errand.file()), "not byte-exact");
        }
        if !silent {
            town.check()?;
            prop_assert!(shutdown_after.is_none() || town.world.nodes[0].is_finished());
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_trace(
        errands in vec(errand(), 1..4),
        faults in network(300),
        habits in habits(50),
        seed in any::<u32>(),
    ) {
        let run = || {
            let mut town = Town::new(&errands, faults, habits, 2, u64::from(seed));
            town.world.run_for(HOUR);
            let reports: Vec<Vec<Report>> = town.world.nodes.iter().map(|node| node.ledger.reports().to_vec()).collect();
            (town.world.trace().fingerprint(), town.world.bytes_sent(), reports)
        };
        prop_assert_eq!(run(), run());
    }

    /// The world calls every timer early at each of its stops; however many stops there are, the same happens.
    #[test]
    fn early_and_split_timer_calls_change_nothing(
        errands in vec(errand(), 1..3),
        faults in network(300),
        habits in habits(0),
        stops in vec(0u64..400_000, 0..60),
        seed in any::<u32>(),
    ) {
        let run = |stops: &[u64]| {
            // Not a multiple of three: drains in parts are drawn from the world's own dice at each call.
            let mut town = Town::new(&errands, faults, habits, 2, u64::from(seed) * 3 + 1);
            for stop in stops {
                town.world.run_for(Duration::from_micros(*stop));
                let now = town.world.now();
                for node in &mut town.world.nodes {
                    for _ in 0..2 {
                        node.endpoint.handle_timeout(now);
                        let drained = node.drain(now, usize::MAX, None);
                        assert!(drained.complete && drained.datagrams.is_empty(), "a call too early did something");
                    }
                }
            }
            town.world.run_to_rest(HOUR);
            let reports: Vec<Vec<Report>> = town.world.nodes.iter().map(|node| node.ledger.reports().to_vec()).collect();
            (town.world.trace().fingerprint(), reports)
        };
        prop_assert_eq!(run(&stops), run(&[]));
    }

    /// Strangers may send what they like but requests: what the peers see of each other stays the same.
    #[test]
    fn foreign_addresses_change_nothing(
        errands in vec(errand(), 1..3),
        delay in 0u64..50_000,
        lost in option::of(2usize..20),
        noise in vec((0u64..60_000, 0usize..4, 0u8..6, 0u16..12, 1024u16..1030), 1..40),
        seed in any::<u32>(),
    ) {
        let run = |noise: &[(u64, usize, u8, u16, u16)]| {
            let faults = Faults { delay: Duration::from_micros(delay), ..Faults::default() };
            let mut town = Town::new(&errands, faults, Habits::default(), 2, u64::from(seed) * 3 + 1);
            let seen = Rc::new(RefCell::new(Vec::new()));
            let homes: Vec<_> = town.world.nodes.iter().flat_map(|node| node.sockets().to_vec()).collect();
            let log = Rc::clone(&seen);
            town.world.network.set_filter(Box::new(move |datagram: &Datagram| {
                if !homes.contains(&datagram.from) || !homes.contains(&datagram.to) {
                    return false;
                }
                log.borrow_mut().push(datagram.clone());
                lost.is_some_and(|every| log.borrow().len() % every == 0)
            }));
            for (after, node, kind, number, port) in noise {
                town.world.run_for(Duration::from_micros(*after));
                let node = node % town.world.nodes.len();
                // A neighbour of a client, on the client's own host: the hardest to tell apart.
                let from = address([10, 0, 0, if node == 0 { 2 } else { 9 }], *port);
                let bytes = match kind {
                    0 => packet::data(*number, b"evil"),
                    1 => packet::data(*number, &[7; 512]),
                    2 => packet::ack(*number),
                    3 => packet::error(*number, "evil"),
                    4 => packet::oack(&[("blksize", "8"), ("windowsize", "2")]),
                    _ => vec![0, 9, 0],
                };
                let sockets = town.world.nodes[node].sockets().to_vec();
                for to in sockets {
                    town.world.deliver(&Datagram { from, to, bytes: bytes.clone() });
                }
            }
            town.world.run_to_rest(HOUR);
            let reports: Vec<Vec<Report>> = town.world.nodes.iter().map(|node| node.ledger.reports().to_vec()).collect();
            let seen = seen.borrow().clone();
            (seen, reports)
        };
        let (quiet, reports) = run(&[]);
        let (noisy, reports_in_noise) = run(&noise);
        prop_assert_eq!(reports, reports_in_noise);
        prop_assert_eq!(quiet, noisy);
    }
}

proptest! {
    #![proptest_config(config(10))]

    /// Block numbers go round, to 0 or to 1, in both directions, in lock-step and in windows, under loss.
    #[test]
    fn files_beyond_65535_blocks_arrive(
        direction in prop_oneof![Just(Direction::Read), Just(Direction::Write)],
        rollover in prop_oneof![Just(None), Just(Some(Rollover::Zero)), Just(Some(Rollover::One))],
        window in prop_oneof![Just(1u16), 2u16..64],
        beyond in 0usize..70,
        rest in 0usize..8,
        loss in 0u32..4,
        seed in any::<u64>(),
    ) {
        let size = (65_500 + beyond) * 8 + rest;
        let window_size = (window > 1).then_some(window);
        let options = Options { block_size: Some(8), window_size, rollover, ..Options::NONE };
        let errand = Errand { direction, mode: Mode::Octet, options, size, gather: 1, seed };
        let faults = Faults { loss, duplication: loss, delay: Duration::from_micros(100), ..Faults::default() };
        let mut town = Town::new(&[errand], faults, Habits::default(), 1, seed % 1_000_000);
        town.world.run_to_rest(HOUR * 4);
        town.check()?;
        prop_assert!(town.received(0).is_some(), "{:?}", town.report(0));
    }
}
