//! What a peer can make a server hold, write and send: bounded, whatever it does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tftp_proto::endpoint::{Admission, Event, Limits, Outcome};
use tftp_sim::bench::{Bench, PEER, SERVER, address, server_config};
use tftp_sim::content;
use tftp_sim::network::{Datagram, Faults};
use tftp_sim::node::Node;
use tftp_sim::packet::{self, ack, data, rrq, wrq};
use tftp_sim::store::{Habits, JobKind};
use tftp_sim::world::World;

fn config(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/regressions/bounds.txt");
    let failure_persistence = Some(Box::new(persistence) as Box<_>);
    ProptestConfig { cases, failure_persistence, max_shrink_time: 20_000, ..ProptestConfig::default() }
}

/// The jobs of one kind that the first node's storage was given, with offset and length.
fn ranges(world: &World, kind: JobKind) -> Vec<(u64, usize)> {
    let log = world.nodes[0].store.log().iter();
    log.filter(|asked| asked.kind == kind).map(|asked| asked.range.unwrap()).collect()
}

proptest! {
    #![proptest_config(config(300))]

    /// A peer that sends the blocks of its file in any order, many of them again and again, with strange ones between.
    #[test]
    fn a_duplicate_never_writes_twice(
        blocks in 0u16..30,
        rest in 0usize..8,
        window in 1u16..9,
        steps in vec((0u16..6, any::<bool>(), 0u64..3_000), 0..400),
        latency in prop_oneof![Just(0u64), 0u64..20_000],
        seed in any::<u64>(),
    ) {
        let file = content::bytes(seed, usize::from(blocks) * 8 + rest);
        let block = |number: u16| {
            let start = usize::from(number - 1) * 8;
            data(number, &file[start.min(file.len())..(start + 8).min(file.len())])
        };
        let last = blocks + 1;
        let mut bench = Bench::server();
        bench.store().set_habits(Habits { latency: Duration::from_micros(latency), ..Habits::default() });
        bench.world.send(PEER, SERVER, wrq("f", "octet", &[("blksize", "8"), ("windowsize", &window.to_string())]));
        bench.world.run_for(Duration::from_millis(100));
        let tid = bench.world.take(PEER)[0].from;
        let (mut received, mut highest) = (0u16, 0u16);
        for (ahead, garbled, after) in steps {
            // A few behind, the next, a few ahead; what cannot be taken may hold anything.
            let number = (received + ahead).saturating_sub(2).clamp(1, last);
            let mut bytes = block(number);
            if number == received + 1 {
                received += 1;
            } else if garbled {
                bytes[4..].fill(0xee);
            }
            bench.world.send(PEER, tid, bytes);
            bench.world.run_for(Duration::from_micros(after));
            for arrival in bench.world.take(PEER) {
                if packet::opcode(&arrival.bytes) == Some(4) {
                    highest = highest.max(packet::number(&arrival.bytes).unwrap());
                }
            }
            prop_assert!(highest <= received, "ACK {highest} of {received} blocks");
        }
        bench.rest();
        let mut end = 0;
        for (offset, len) in ranges(&bench.world, JobKind::Write) {
            prop_assert_eq!(offset, end);
            end += len as u64;
        }
        match bench.outcomes()[..] {
            [Outcome::Completed] => prop_assert!(bench.store().file("f") == Some(&file[..])),
            [Outcome::TimedOut] => prop_assert!(bench.store().file("f").is_none()),
            ref other => prop_assert!(false, "{other:?}"),
        }
    }

    /// Requests from everywhere while a limit holds: never more transfers, jobs or bytes than allowed; honest clients
    /// that repeat themselves are served in the end.
    #[test]
    fn transfers_jobs_and_buffers_stay_within_their_limits(
        transfers in 1usize..12,
        opening in 1usize..12,
        per_network in 1usize..12,
        budget in prop_oneof![Just(0usize), 0usize..100_000],
        requests in vec((0u8..4, 1u16..400, any::<bool>(), 0u16..3, 0u64..40_000), 1..150),
        latency in 0u64..200_000,
        seed in any::<u64>(),
    ) {
        let (mut config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 3);
        let admission = Arc::new(Admission::new(Limits { transfers, opening, per_network }));
        config.admission = Arc::clone(&admission);
        config.buffer_budget = budget;
        let mut world = World::new(Faults::default(), seed);
        world.add(Node::new(config, addresses, seed));
        world.nodes[0].store.set_habits(Habits { latency: Duration::from_micros(latency), ..Habits::default() });
        world.nodes[0].store.insert("f", content::bytes(seed, 200_000));
        for (host, port, write, follow_up, after) in requests {
            let from = address([10, 0, host, 2], port);
            let name = format!("up-{host}-{port}");
            let options = [("blksize", "1428"), ("windowsize", "64")];
            let request = if write { wrq(&name, "octet", &options) } else { rrq("f", "octet", &options) };
            world.send(from, SERVER, request);
            world.run_for(Duration::from_micros(after));
            prop_assert!(admission.transfers() <= transfers, "{} transfers", admission.transfers());
            for arrival in world.take(from) {
                // The peer answers, and goes on for a while: some prove their address, some send data.
                let answer = if write { data(1, &[1; 1428]) } else { ack(follow_up) };
                if follow_up > 0 {
                    world.send(from, arrival.from, answer);
                }
            }
            let active = world.nodes[0].endpoint.active_transfers();
            // Those that have ended but wait for storage still stand in the table.
            prop_assert!(active <= transfers + world.nodes[0].store.log().len());
            // Chunks that wait for an ACK have a sixteenth of the budget, but for a small read each.
            let held = world.nodes[0].endpoint.chunk_bytes();
            prop_assert!(held <= active * (budget / 16).max(4 << 10), "{held} bytes of {active} transfers");
        }
        world.run_to_rest(Duration::from_secs(3600));
        prop_assert_eq!(admission.transfers(), 0);
        for (_, len) in ranges(&world, JobKind::Read) {
            prop_assert!(len <= 64 << 10);
        }
        // One window beyond what waits to be written.
        for (_, len) in ranges(&world, JobKind::Write) {
            prop_assert!(len <= 2 * 64 * 1428, "a write of {len} bytes");
        }
        // A client that repeats its request is served once there is room.
        let late = address([10, 0, 99, 2], 999);
        world.send(late, SERVER, rrq("f", "octet", &[]));
        world.run_for(Duration::from_secs(1));
        prop_assert_eq!(world.take(late).len(), 1);
    }

    /// What a forged source address gets: little, and not for long.
    #[test]
    fn an_unproved_address_gets_little(
        block_size in 8u32..70_000,
        window in 1u32..70_000,
        with_options in any::<bool>(),
        write in any::<bool>(),
        strays in vec((0u8..4, any::<u16>()), 0..4),
        repeat_after in option::of(0u64..4_000_000),
    ) {
        let mut bench = Bench::server();
        bench.store().insert("f", content::bytes(1, 300_000));
        let (block_size, window) = (block_size.to_string(), window.to_string());
        let all = [("blksize", &block_size[..]), ("windowsize", &window[..])];
        let options = if with_options { &all[..] } else { &[] };
        let request = if write { wrq("g", "octet", options) } else { rrq("f", "octet", options) };
        let mut asked = 1;
        bench.world.send(PEER, SERVER, request.clone());
        if let Some(after) = repeat_after {
            bench.world.run_for(Duration::from_micros(after));
            bench.world.send(PEER, SERVER, request);
            asked += 1;
        }
        bench.world.settle();
        // A forger knows neither the port nor the block: what it sends goes to the listener.
        for (kind, number) in strays {
            let bytes = match kind {
                0 => ack(number),
                1 => data(number, b"x"),
                2 => packet::error(number, "x"),
                _ => packet::oack(&[("blksize", "8")]),
            };
            bench.world.deliver(&Datagram { from: PEER, to: SERVER, bytes });
        }
        bench.rest();
        let arrivals = bench.world.take(PEER);
        let bytes: usize = arrivals.iter().map(|arrival| arrival.bytes.len()).sum();
        // One answer and four repeats for each request, each no larger than a packet of RFC 1350.
        prop_assert!(arrivals.len() <= 6 * asked, "{} datagrams", arrivals.len());
        prop_assert!(bytes <= 6 * asked * 516, "{bytes} bytes");
        prop_assert!(bench.events().iter().filter(|event| matches!(event, Event::Finished(_))).count() <= asked);
    }
}
