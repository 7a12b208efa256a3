//! Endpoints in both roles against each other, over a bad network and storage that is slow and fails: always
//! byte-exact or a clean error, always exactly one end, and always an end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tftp_proto::Rng;
use tftp_proto::endpoint::{ClientRequest, Outcome, TransferId};
use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Direction, Mode, Options};
use tftp_sim::bench::{SERVER, address, ask, client_config, server_config};
use tftp_sim::content;
use tftp_sim::network::{Datagram, Faults, lose_first};
use tftp_sim::node::Node;
use tftp_sim::packet::{self, number, opcode};
use tftp_sim::store::Habits;
use tftp_sim::world::World;

/// Says which seed it was when a test panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with seed {}", self.0);
        }
    }
}

/// A file that some client moves.
#[derive(Debug)]
struct Errand {
    node: usize,
    id: TransferId,
    direction: Direction,
    name: String,
    file: Vec<u8>,
}

/// A server as the first node, and nothing else.
fn world_with_server(faults: Faults, seed: u64, pool: u16) -> World {
    let mut world = World::new(faults, seed);
    let (mut config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), pool);
    config.options.size_of_empty_files = seed.is_multiple_of(2);
    config.buffer_budget = [0, 1 << 16, 1 << 28][usize::try_from(seed % 3).unwrap()];
    world.add(Node::new(config, addresses, seed));
    world
}

/// A client of its own host with one errand.
fn add_errand(world: &mut World, seed: u64, change: impl FnOnce(&mut ClientRequest), file: Vec<u8>) -> Errand {
    let host = u8::try_from(world.nodes.len() + 1).unwrap();
    let (config, addresses) = client_config(Ipv4Addr::new(10, 0, 0, host), 1);
    let node = world.add(Node::new(config, addresses, seed + 1));
    let name = format!("file-{node}");
    let mut request = ask(0, SERVER, Direction::Read, &name);
    change(&mut request);
    let direction = request.direction;
    let id = match direction {
        Direction::Read => {
            world.nodes[0].store.insert(&name, file.clone());
            world.get(node, request).unwrap()
        }
        Direction::Write => world.put(node, request, file.clone()).unwrap(),
    };
    Errand { node, id, direction, name, file }
}

/// Checks how an errand went; answers whether the file arrived.
fn check(world: &World, errand: &Errand) -> bool {
    let client = &world.nodes[errand.node];
    let [report] = client.ledger.reports() else { panic!("one report: {:?}", client.ledger.reports()) };
    let received = match errand.direction {
        Direction::Read => client.store.received(errand.id),
        Direction::Write => world.nodes[0].store.file(&errand.name),
    };
    if let Some(received) = received {
        assert!(received == errand.file, "not byte-exact: {report:?}");
    }
    match &report.outcome {
        Outcome::Completed => {
            assert!(received.is_some(), "completed without a file: {report:?}");
            assert_eq!(report.bytes, errand.file.len() as u64, "{report:?}");
        }
        Outcome::DeliveredUnconfirmed => assert_eq!(errand.direction, Direction::Write),
        Outcome::TimedOut | Outcome::PeerError { .. } | Outcome::StorageFailed { .. } => {}
        other => panic!("not a clean end: {other:?}"),
    }
    received.is_some()
}

fn pick<T: Copy>(rng: &mut Rng, among: &[T]) -> T {
    among[usize::try_from(rng.below(u32::try_from(among.len()).unwrap())).unwrap()]
}

fn random_faults(rng: &mut Rng) -> Faults {
    Faults {
        loss: pick(rng, &[0, 0, 10, 50, 100, 200]),
        duplication: pick(rng, &[0, 0, 50, 200]),
        reordering: pick(rng, &[0, 0, 100, 300]),
        delay: Duration::from_micros(pick(rng, &[0, 50, 1_000, 20_000, 150_000])),
        jitter: Duration::from_micros(pick(rng, &[0, 10, 1_000, 50_000])),
    }
}

/// A random errand, with a size near an edge of blocks or windows.
fn random_errand(world: &mut World, rng: &mut Rng, seed: u64) -> Errand {
    let window = pick(rng, &[1u16, 1, 2, 3, 8, 16, 64]);
    let block_size = pick(rng, &[8u16, 9, 100, 511, 512, 513, 1428, 8192, 65_464]);
    let options = Options {
        block_size: pick(rng, &[None, Some(block_size), Some(block_size)]),
        block_size2: pick(rng, &[None, None, None, Some(1024)]),
        window_size: (window > 1).then_some(window),
        timeout: pick(rng, &[None, None, None, Some(1), Some(3)]),
        micro_timeout: pick(rng, &[None, None, None, Some(70_000)]),
        transfer_size: pick(rng, &[None, Some(0)]),
        rollover: pick(rng, &[None, None, Some(Rollover::Zero), Some(Rollover::One)]),
    };
    let blocks = pick(rng, &[0, 1, 2, usize::from(window), usize::from(window) + 1, 3 * usize::from(window), 30]);
    let edge = blocks * usize::from(options.block_size.or(options.block_size2).unwrap_or(512));
    let size = (edge + pick(rng, &[0, 1, 2])).saturating_sub(1).min(300_000);
    let mode = pick(rng, &[Mode::Octet, Mode::Octet, Mode::Octet, Mode::Netascii]);
    let file = match mode {
        Mode::Netascii => content::text(rng.next_u64(), size),
        Mode::Octet | Mode::Mail => content::bytes(rng.next_u64(), size),
    };
    let direction = pick(rng, &[Direction::Read, Direction::Write]);
    let change = |request: &mut ClientRequest| {
        request.direction = direction;
        request.mode = mode;
        request.options = options;
        if direction == Direction::Write && options.transfer_size.is_some() {
            request.options.transfer_size = Some(size as u64);
        }
    };
    add_errand(world, seed, change, file)
}

/// Datagrams of strangers: garbage, and packets that would do harm if they were taken for the peer's.
fn make_noise(world: &mut World, rng: &mut Rng) {
    for _ in 0..pick(rng, &[0, 0, 5, 40]) {
        world.run_for(Duration::from_micros(u64::from(rng.below(30_000))));
        let node = usize::try_from(rng.below(u32::try_from(world.nodes.len()).unwrap())).unwrap();
        let sockets = world.nodes[node].sockets();
        let to = sockets[usize::try_from(rng.below(u32::try_from(sockets.len()).unwrap())).unwrap()];
        // Not from the server's own address: whoever can send from there is the server, until one port has answered.
        let hosts = [[10, 0, 0, 2], [10, 0, 0, 3], [203, 0, 113, 9]];
        let from = address(pick(rng, &hosts), 1 + u16::try_from(rng.below(30_000)).unwrap());
        let block = u16::try_from(rng.below(20)).unwrap();
        let bytes = match rng.below(7) {
            0 => content::bytes(rng.next_u64(), usize::try_from(rng.below(600)).unwrap()),
            1 => packet::data(block, b"evil"),
            2 => packet::ack(block),
            3 => packet::error(block, "evil"),
            4 => packet::oack(&[("blksize", "8")]),
            5 => packet::rrq("file-1", "octet", &[]),
            _ => packet::wrq(&format!("noise-{block}"), "octet", &[]),
        };
        world.send(from, to, bytes);
    }
}

#[test]
fn any_schedule_is_byte_exact_or_a_clean_error() {
    let seeds = 2_000;
    let mut arrived = 0;
    let mut errands = 0;
    for seed in 0..seeds {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let faults = random_faults(&mut rng);
        let mut world = world_with_server(faults, seed, pick(&mut rng, &[0, 1, 4]));
        if rng.below(2) == 0 {
            world.drain_in_parts();
        }
        let latency = Duration::from_micros(pick(&mut rng, &[0, 100, 20_000]));
        world.nodes[0].store.set_habits(Habits { latency, ..Habits::default() });
        let errands_now: Vec<_> =
            (0..=rng.below(3)).map(|number| random_errand(&mut world, &mut rng, seed + u64::from(number))).collect();
        make_noise(&mut world, &mut rng);
        world.run_to_rest(Duration::from_secs(3600));
        for errand in &errands_now {
            errands += 1;
            arrived += u64::from(check(&world, errand));
        }
    }
    assert!(arrived > errands * 9 / 10, "only {arrived} of {errands} files arrived");
}

#[test]
fn storage_that_fails_or_never_answers_leaves_no_wrong_file() {
    let mut failed = 0;
    for seed in 0..1_000 {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let faults = random_faults(&mut rng);
        let mut world = world_with_server(faults, seed, 2);
        let latency = Duration::from_micros(pick(&mut rng, &[0, 1_000, 500_000]));
        let habits = Habits { latency, failures: pick(&mut rng, &[0, 50, 300]), silences: pick(&mut rng, &[0, 20]) };
        world.nodes[0].store.set_habits(habits);
        let errands: Vec<_> =
            (0..=rng.below(3)).map(|number| random_errand(&mut world, &mut rng, seed + u64::from(number))).collect();
        for errand in &errands {
            // A client's own storage may take its time, but always answers.
            world.nodes[errand.node].store.set_habits(Habits { silences: 0, ..habits });
        }
        world.run_to_rest(Duration::from_secs(3600));
        for errand in &errands {
            failed += u64::from(!check(&world, errand));
        }
    }
    assert!(failed > 100, "only {failed}: the faults were not felt");
}

#[test]
fn a_perfect_network_and_storage_need_no_retransmission() {
    for seed in 0..300 {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let faults = Faults { delay: Duration::from_micros(200), ..Faults::default() };
        let mut world = world_with_server(faults, seed, 4);
        let errand = random_errand(&mut world, &mut rng, seed);
        world.run_to_rest(Duration::from_secs(200));
        assert!(check(&world, &errand));
        for node in &world.nodes {
            for report in node.ledger.reports() {
                assert_eq!(report.outcome, Outcome::Completed);
                assert_eq!(report.stats.retransmissions, 0, "{report:?}");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let course = |seed: u64| {
        let mut rng = Rng::new(seed);
        let faults = Faults { loss: 100, duplication: 100, reordering: 100, ..random_faults(&mut rng) };
        let mut world = world_with_server(faults, seed, 4);
        world.trace().keep_lines();
        for number in 0..3 {
            random_errand(&mut world, &mut rng, seed + number);
        }
        make_noise(&mut world, &mut rng);
        world.run_to_rest(Duration::from_secs(3600));
        (world.trace().fingerprint(), world.trace().lines().join("\n"))
    };
    let mut fingerprints = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let first = course(seed);
        assert!(first == course(seed), "seed {seed}");
        fingerprints.insert(first.0);
    }
    assert_eq!(fingerprints.len(), 50, "and different seeds give different ones");
}

/// Block size 8 and more than 65,535 blocks, at the endpoint.
fn wraps(direction: Direction, window: u16, rollover: Option<Rollover>, loss: u32) {
    let faults = Faults { loss, duplication: loss, delay: Duration::from_micros(100), ..Faults::default() };
    let mut world = world_with_server(faults, 5, 4);
    let options =
        Options { block_size: Some(8), window_size: (window > 1).then_some(window), rollover, ..Options::NONE };
    let change = |request: &mut ClientRequest| {
        request.direction = direction;
        request.options = options;
    };
    let errand = add_errand(&mut world, 5, change, content::bytes(9, 65_540 * 8 + 5));
    world.run_to_rest(Duration::from_secs(36_000));
    assert!(check(&world, &errand), "{direction:?} {window} {rollover:?}");
    assert_eq!(world.nodes[errand.node].ledger.reports()[0].outcome, Outcome::Completed);
}

#[test]
fn files_beyond_65535_blocks_wrap_to_0_and_to_1() {
    for direction in [Direction::Read, Direction::Write] {
        wraps(direction, 64, None, 5);
        wraps(direction, 7, Some(Rollover::One), 5);
        wraps(direction, 64, Some(Rollover::One), 0);
    }
    wraps(Direction::Read, 1, None, 0);
}

/// Loses the first datagram that `matches` picks; all must end well on both sides, within `soon`.
fn survives(direction: Direction, options: Options, what: &str, matches: impl Fn(&Datagram) -> bool + 'static) {
    let mut world = world_with_server(Faults { delay: Duration::from_millis(1), ..Faults::default() }, 2, 4);
    world.network.set_filter(lose_first(1, matches));
    let change = |request: &mut ClientRequest| {
        request.direction = direction;
        request.options = options;
    };
    let errand = add_errand(&mut world, 2, change, content::bytes(1, 512 * 6 + 100));
    world.run_to_rest(Duration::from_secs(200));
    assert!(check(&world, &errand), "{direction:?}: {what}");
    for node in &world.nodes {
        let reports = node.ledger.reports();
        assert_eq!(reports.len(), 1, "{direction:?}: {what}: {reports:?}");
        assert_eq!(reports[0].outcome, Outcome::Completed, "{direction:?}: {what}");
        assert!(reports[0].duration < Duration::from_secs(3), "{direction:?}: {what}: {:?}", reports[0].duration);
    }
}

#[test]
fn a_lost_request_oack_first_ack_or_final_ack_is_recovered_in_both_directions() {
    let plain = Options::NONE;
    let windowed = Options { block_size: Some(512), window_size: Some(4), ..Options::NONE };
    let lockstep = Options { block_size: Some(512), ..Options::NONE };
    for direction in [Direction::Read, Direction::Write] {
        for options in [plain, windowed, lockstep] {
            let kind = |code: u8| move |datagram: &Datagram| opcode(&datagram.bytes) == Some(code);
            let numbered = |code: u8, block: u16| {
                move |datagram: &Datagram| {
                    opcode(&datagram.bytes) == Some(code) && number(&datagram.bytes) == Some(block)
                }
            };
            survives(direction, options, "request", |datagram| matches!(opcode(&datagram.bytes), Some(1 | 2)));
            survives(direction, options, "OACK", kind(6));
            survives(direction, options, "first ACK", kind(4));
            survives(direction, options, "ACK 0", numbered(4, 0));
            survives(direction, options, "final ACK", numbered(4, 7));
            survives(direction, options, "first DATA", numbered(3, 1));
            survives(direction, options, "final DATA", numbered(3, 7));
        }
    }
}

#[test]
fn two_hundred_transfers_at_once_in_both_directions() {
    let faults =
        Faults { loss: 20, duplication: 20, reordering: 50, delay: Duration::from_millis(1), ..Faults::default() };
    let mut world = world_with_server(faults, 4, 8);
    let errands: Vec<_> = (0..200u64)
        .map(|number| {
            let file = content::bytes(number, usize::try_from(number * 97).unwrap());
            let change = |request: &mut ClientRequest| {
                request.direction = if number % 2 == 0 { Direction::Read } else { Direction::Write };
                request.options.window_size = (number % 3 == 0).then_some(8);
            };
            add_errand(&mut world, number, change, file)
        })
        .collect();
    world.run_to_rest(Duration::from_secs(600));
    for errand in &errands {
        assert!(check(&world, errand));
    }
}

#[test]
fn a_host_that_vanishes_is_given_up_and_leaves_nothing_behind() {
    for seed in 0..100u64 {
        let _seed = Seed(seed);
        let mut rng = Rng::new(seed);
        let mut world = world_with_server(Faults { delay: Duration::from_millis(1), ..Faults::default() }, seed, 4);
        let errand = random_errand(&mut world, &mut rng, seed);
        world.run_for(Duration::from_micros(u64::from(rng.below(30_000))));
        // From now on nothing from or to the client arrives.
        let gone: SocketAddr = world.nodes[errand.node].sockets()[0];
        world.network.set_filter(Box::new(move |datagram| datagram.from == gone || datagram.to == gone));
        world.run_to_rest(Duration::from_secs(600));
        check(&world, &errand);
    }
}
