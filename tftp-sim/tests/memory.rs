//! What downloads hold in memory: with few of them what speed wants, with many a share of the budget, and never twice what
//! one read would bring again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::Ipv4Addr;
use std::time::Duration;

use tftp_proto::endpoint::{ClientRequest, Outcome};
use tftp_proto::wire::{Direction, Mode, Options};
use tftp_sim::bench::{Bench, PEER, SERVER, US, address, ask, client_config, server_config};
use tftp_sim::content;
use tftp_sim::network::Faults;
use tftp_sim::node::Node;
use tftp_sim::packet::{ack, data, number, oack, rrq};
use tftp_sim::store::{Habits, JobKind};
use tftp_sim::world::World;

const BLOCK: usize = 1428;
const WINDOW: u16 = 16;
const WINDOW_BYTES: usize = BLOCK * WINDOW as usize;
const OPTIONS: [(&str, &str); 2] = [("blksize", "1428"), ("windowsize", "16")];
/// What may always be held.
const SMALL_READ: usize = 4 << 10;

/// A server with a budget of which 64 KiB are for chunks that wait.
fn server(file: &[u8]) -> Bench {
    let mut bench = Bench::server_with(|config| config.buffer_budget = 1 << 20);
    bench.store().insert("f", file);
    bench
}

fn held(bench: &mut Bench) -> usize {
    bench.node().endpoint.chunk_bytes()
}

fn reads(bench: &mut Bench) -> usize {
    bench.store().count(JobKind::Read)
}

/// A window comes to [`PEER`], in however many trains.
fn check_window(bench: &mut Bench, file: &[u8], first: u16) {
    let mut blocks = bench.heard(PEER);
    for _ in 0..5000 {
        // The last block may have been asked for once more.
        blocks.dedup();
        if blocks.len() >= usize::from(WINDOW) {
            break;
        }
        blocks.extend(bench.wait(PEER, Duration::from_millis(1)).into_iter().map(|(_, block)| block));
    }
    check_blocks(&blocks, file, first);
}

fn check_blocks(blocks: &[Vec<u8>], file: &[u8], first: u16) {
    let numbers: Vec<_> = blocks.iter().filter_map(|block| number(block)).collect();
    assert_eq!(numbers, (first..first + WINDOW).collect::<Vec<_>>());
    for (number, block) in numbers.into_iter().zip(blocks) {
        assert!(*block == data(number, &file[usize::from(number - 1) * BLOCK..][..BLOCK]), "block {number}");
    }
}

/// Requests that are answered and go no further.
fn others(bench: &mut Bench, count: u16) {
    for port in 0..count {
        bench.request(address([10, 9, 0, 1], 2000 + port), rrq("f", "octet", &OPTIONS));
    }
}

#[test]
fn alone_a_download_is_read_ahead_and_repeated_from_memory() {
    let file = content::bytes(1, 300_000);
    let mut bench = Bench::server();
    bench.store().insert("f", &file[..]);
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &OPTIONS));
    bench.world.send(PEER, tid, ack(0));
    check_window(&mut bench, &file, 1);
    let (before, chunks) = (reads(&mut bench), held(&mut bench));
    assert!(chunks >= 2 * WINDOW_BYTES, "{chunks} bytes");
    bench.wait(PEER, Duration::from_secs(3));
    assert!(bench.reports().is_empty() && reads(&mut bench) == before, "what is repeated is not read again");
}

#[test]
fn among_many_what_was_sent_goes_and_is_read_again_if_it_is_lost() {
    let file = content::bytes(1, 300_000);
    let mut bench = server(&file);
    others(&mut bench, 20);
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &OPTIONS));
    bench.world.send(PEER, tid, ack(0));
    check_window(&mut bench, &file, 1);
    assert_eq!(held(&mut bench), 0, "nothing is held while an ACK is awaited");
    // Nothing came, or the ACK was lost: the same once more, from storage.
    let before = reads(&mut bench);
    let again = bench.wait(PEER, Duration::from_millis(1500));
    let blocks: Vec<_> = again.into_iter().map(|(_, block)| block).take(usize::from(WINDOW)).collect();
    check_blocks(&blocks, &file, 1);
    assert!(reads(&mut bench) > before);
    // A gap in mid-window: what follows it, read again, and no byte before it.
    let skip = bench.store().log().len();
    bench.world.send(PEER, tid, ack(5));
    check_window(&mut bench, &file, 6);
    let ranges: Vec<_> = bench.store().log()[skip..].iter().map(|asked| asked.range.unwrap()).collect();
    assert_eq!(ranges[0].0, 5 * BLOCK as u64, "{ranges:?}");
    assert_eq!(ranges.iter().map(|(_, len)| len).sum::<usize>(), WINDOW_BYTES, "a window, and no more: {ranges:?}");
}

#[test]
fn how_many_there_are_counts_while_they_run() {
    let file = content::bytes(1, 500_000);
    let mut bench = server(&file);
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &OPTIONS));
    bench.world.send(PEER, tid, ack(0));
    check_window(&mut bench, &file, 1);
    assert!(held(&mut bench) >= 2 * WINDOW_BYTES, "alone");
    others(&mut bench, 20);
    for block in [16, 32, 48] {
        bench.world.send(PEER, tid, ack(block));
        check_window(&mut bench, &file, block + 1);
    }
    assert_eq!(held(&mut bench), 0, "among many");
    // The others fall silent and are given up.
    let mut block = 48;
    while bench.active() > 1 {
        block += 1;
        assert!(block < 250, "they are still there");
        bench.world.send(PEER, tid, ack(block));
        bench.wait(PEER, Duration::from_secs(1));
    }
    bench.world.send(PEER, tid, ack(block + 1));
    check_window(&mut bench, &file, block + 2);
    assert!(held(&mut bench) >= WINDOW_BYTES, "alone again");
}

#[test]
fn small_reads_stay_until_they_are_sent() {
    let file = content::bytes(1, 100_000);
    let mut bench = server(&file);
    others(&mut bench, 20);
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[("blksize", "1428")]));
    for block in 0..40 {
        let heard = bench.say(PEER, tid, ack(block));
        assert_eq!(heard, [data(block + 1, &file[usize::from(block) * BLOCK..][..BLOCK])]);
        assert!(held(&mut bench) <= SMALL_READ);
    }
    assert_eq!(reads(&mut bench), 20, "two blocks at once");
}

/// Forged requests cost what one answer does, however often it is repeated.
#[test]
fn an_address_that_never_answered_costs_one_read() {
    let mut bench = server(&content::bytes(1, 100_000));
    others(&mut bench, 20);
    bench.request(PEER, rrq("f", "octet", &[]));
    assert_eq!(reads(&mut bench), 1);
    let again = bench.wait(PEER, Duration::from_secs(60));
    assert!(again.len() > 1, "repeated");
    assert_eq!(reads(&mut bench), 1);
    assert!(held(&mut bench) == 0, "given up");
}

/// A storm: every transfer completes although nothing waits in memory, at any moment.
#[test]
fn a_crowd_is_served_from_a_small_budget() {
    const CLIENTS: u8 = 60;
    for (mode, options, loss) in [
        (Mode::Octet, Options { block_size: Some(1428), window_size: Some(16), ..Options::NONE }, 0),
        (Mode::Octet, Options { block_size: Some(1428), window_size: Some(64), ..Options::NONE }, 10),
        (Mode::Netascii, Options { block_size: Some(512), window_size: Some(8), ..Options::NONE }, 20),
        (Mode::Octet, Options::NONE, 20),
    ] {
        let mut world = World::new(Faults { loss, delay: Duration::from_micros(300), ..Faults::default() }, 7);
        let (mut config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 4);
        config.buffer_budget = 16 << 20;
        let mut server = Node::new(config, addresses, 1);
        server.store.set_habits(Habits { latency: Duration::from_micros(200), ..Habits::default() });
        let text = mode == Mode::Netascii;
        let file = if text { content::text(1, 150_000) } else { content::bytes(1, 150_000) };
        server.store.insert("f", file.clone());
        world.add(server);
        let mut ids = Vec::new();
        for client in 0..CLIENTS {
            let (config, addresses) = client_config(Ipv4Addr::new(10, 0, 1, client), 1);
            let node = world.add(Node::new(config, addresses, u64::from(client)));
            let request = ClientRequest { options, mode, ..ask(0, SERVER, Direction::Read, "f") };
            ids.push(world.get(node, request).unwrap());
        }
        let share = (1 << 20) / usize::from(CLIENTS);
        let mut most = 0;
        for _ in 0..3_000 {
            world.run_for(Duration::from_micros(500));
            let endpoint = &world.nodes[0].endpoint;
            most = most.max(endpoint.chunk_bytes());
            // A block of which storage has brought a part is held until it brings the rest.
            let each = share + usize::from(options.block_size.unwrap_or(512));
            let crowd = endpoint.active_transfers() == usize::from(CLIENTS);
            assert!(
                !crowd || endpoint.chunk_bytes() <= usize::from(CLIENTS) * each,
                "{} bytes",
                endpoint.chunk_bytes()
            );
        }
        assert!(most > 0);
        world.run_to_rest(Duration::from_secs(3600));
        for (node, id) in world.nodes[1..].iter().zip(ids) {
            assert_eq!(node.ledger.reports()[0].outcome, Outcome::Completed, "{options:?}");
            assert!(node.store.received(id) == Some(&file[..]), "{options:?}");
        }
    }
}

#[test]
fn a_source_that_cannot_be_read_twice_is_never_asked_to() {
    let mut bench = Bench::client();
    let file = content::bytes(1, 200_000);
    let options = Options { block_size: Some(1428), window_size: Some(16), ..Options::NONE };
    bench.put("up", options, &file[..]);
    bench.heard(SERVER);
    let heard = bench.say(SERVER, US, oack(&OPTIONS));
    assert_eq!(heard.iter().map(|block| number(block)).collect::<Vec<_>>(), (1..=16).map(Some).collect::<Vec<_>>());
    let before = reads(&mut bench);
    bench.wait(SERVER, Duration::from_secs(3));
    assert_eq!(reads(&mut bench), before, "a window that is repeated comes from memory");
}
