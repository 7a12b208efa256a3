//! A flood of requests from everywhere: honest clients are served, and memory stays bounded.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tempfile::{TempDir, tempdir};

use crate::memory;
use crate::peer::{Peer, rrq, settle};
use crate::support::{Ports, Serve, content};
use crate::transfers::{download, upload};

/// So many from so many ports and addresses.
const REQUESTS: u32 = 100_000;
/// Between two looks at whether the server keeps up, so that all of them arrive.
const BURST: u32 = 1000;
/// Sockets that are open at once. The ports of those that are closed answer by ICMP, as those of real hosts do.
const OPEN: usize = 2000;
/// What the server may hold at its default limits, in KiB, where 20,000 of the flood have a place at any time. It was 64 to
/// 96 MiB when this was written, most of it stacks of the blocking pool's 512 threads.
const MOST_MEMORY: u64 = 128 << 10;

/// Ends the honest clients' work, also when the flood fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a flood, while honest clients download and upload; says how many transfers these completed.
fn flood(server: SocketAddr, bytes: &[u8], request: impl Fn(u32) -> Vec<u8>) -> [usize; 2] {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (over, downloads) =
            (&over, scope.spawn(|| honest(&over, |_| assert!(download(server, "file").unwrap() == bytes))));
        let uploads = scope.spawn(|| honest(over, |count| upload(server, &format!("honest-{count}"), bytes).unwrap()));
        let end = Over(over);
        let mut open = std::collections::VecDeque::with_capacity(OPEN);
        for number in 0..REQUESTS {
            let [_, a, b, c] = number.to_be_bytes();
            // A network of its own for each: 127.0.64.0 to 127.1.198.160.
            let peer = Peer::on(IpAddr::V4(Ipv4Addr::new(127, a, b.wrapping_add(64), c | 1)), server);
            peer.say(&request(number));
            if open.len() == OPEN {
                open.pop_front();
            }
            open.push_back(peer);
            if number % BURST == BURST - 1 {
                settle(server);
            }
        }
        drop(end);
        [downloads, uploads].map(|thread| thread.join().unwrap())
    })
}

fn honest(over: &AtomicBool, transfer: impl Fn(usize)) -> usize {
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        transfer(count);
        count += 1;
    }
    count
}

fn root() -> (TempDir, Vec<u8>) {
    let (root, bytes) = (tempdir().unwrap(), content(1, 30_000));
    std::fs::write(root.path().join("file"), &bytes).unwrap();
    std::fs::write(root.path().join("large"), content(2, 5 << 20)).unwrap();
    (root, bytes)
}

fn say(what: &str, server: &Serve, [downloads, uploads]: [usize; 2]) {
    let _ = writeln!(
        std::io::stderr(),
        "{REQUESTS} {what}: {} MiB at most, {} threads, {} files open; {downloads} honest downloads and {uploads} uploads meanwhile",
        memory::peak(server.id()) >> 10,
        memory::threads(server.id()),
        memory::open_files(server.id()),
    );
}

/// Half of them plain, half asking for all that costs memory, each from an address that never answers.
#[test]
fn a_flood_of_forged_requests() {
    let (root, bytes) = root();
    let mut server = Serve::directory(Ports::Random, root.path(), &[]);
    let begun = Instant::now();
    let greedy = rrq(b"large", &[("blksize", "65464"), ("windowsize", "64"), ("tsize", "0")]);
    let plain = rrq(b"file", &[]);
    let honest = flood(server.address(), &bytes, |number| if number % 2 == 0 { greedy.clone() } else { plain.clone() });
    say("forged RRQs", &server, honest);
    assert!(honest.iter().all(|count| *count > 0));
    assert!(memory::peak(server.id()) < MOST_MEMORY, "{} KiB", memory::peak(server.id()));
    // Nor is the log flooded.
    server.wait_for_log(&["too many requests came to nothing"]);
    let lines = server.log().lines().filter(|line| line.contains("fell silent")).count() as u64;
    let seconds = begun.elapsed().as_secs();
    assert!(lines <= 100 * (seconds + 2), "{lines} lines in {seconds} s");
}
