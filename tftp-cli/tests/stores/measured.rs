//! What docs/object-stores.md says under "Measured": large loads, an optimised build, and minutes. On demand only.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::Instant;

use rustix::process::Signal;

use super::bench::{Behind, get, put};
use super::support::{self, Server, pattern, text};

const MIB: u64 = 1 << 20;

/// The most memory that the process has ever had, in bytes.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// What was asked of the store: requests for content, and their bytes.
fn fetched(behind: &Behind) -> (usize, u64) {
    let log = behind.proxy.log();
    let ranges: Vec<_> = log.iter().filter(|request| request.method == "GET").filter_map(|get| get.range).collect();
    (ranges.len(), ranges.iter().map(|(first, last)| last - first + 1).sum())
}

/// The last lines of a server's log.
fn end(mut server: Server) -> String {
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    server.rest_of_log().lines().last().unwrap_or_default().to_owned()
}

#[test]
#[ignore = "measures for a minute, and means something in an optimised build"]
fn a_thousand_clients_of_one_object() {
    let Some(behind) = Behind::start(&["--create"]) else { return };
    let content = pattern(32 << 20);
    put(&behind.server, "kernel", &content).succeeded();
    let before = peak(&behind.server);
    behind.proxy.forget();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &content).unwrap();
    let url = behind.server.url("kernel");
    let load = ["--clients", "1000", "--block-size", "8192", "--window-size", "16", "--no-progress"];
    // Without optimisation the hashing alone would take a quarter of an hour.
    let verify: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--verify", text(file.path())] };
    let mut bench = support::command(&[&["bench", &url], &load[..], verify].concat());
    // For as long as it takes.
    let output = bench.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (requests, bytes) = fetched(&behind);
    assert_eq!(bytes, content.len() as u64, "each byte once");
    println!("{said}");
    println!("fetched: {bytes} bytes in {requests} requests");
    println!("peak memory: {} MiB before, {} MiB after", before / MIB, peak(&behind.server) / MIB);
    println!("{}", end(behind.server));
}

/// Content that needs no memory: 64-bit numbers, so that no two places are alike.
fn fill(piece: &mut [u8], start: u64) {
    for (index, word) in piece.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&(start + index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    }
}

fn spawn(args: &[&str]) -> Child {
    let options = ["--block-size", "8192", "--window-size", "64", "--no-progress"];
    support::command(&[args, &options[..]].concat()).stdin(Stdio::piped()).spawn().unwrap()
}

#[test]
#[ignore = "needs 15 GB of disk and several minutes, and means something in an optimised build"]
fn five_gibibytes_up_and_down() {
    let Some(behind) = Behind::start(&["--create"]) else { return };
    let (pieces, words) = (5 << 10, MIB / 8);
    let mut piece = vec![0; 1 << 20];
    let host = behind.server.host();

    let start = Instant::now();
    let mut client = spawn(&["put", "-", &host, "large", "--give-up-after", "15m"]);
    let mut input = client.stdin.take().unwrap();
    for index in 0..pieces {
        fill(&mut piece, index * words);
        input.write_all(&piece).unwrap();
    }
    drop(input);
    let sent = start.elapsed();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!(
        "up: {:?}, of which {:?} until all was read; peak {} MiB",
        start.elapsed(),
        sent,
        peak(&behind.server) / MIB
    );

    behind.proxy.forget();
    let start = Instant::now();
    let mut client = spawn(&["get", &host, "large", "-o", "-"]);
    let mut output = client.stdout.take().unwrap();
    let mut expected = piece.clone();
    for index in 0..pieces {
        output.read_exact(&mut piece).unwrap();
        fill(&mut expected, index * words);
        assert!(piece == expected, "MiB {index}");
    }
    assert_eq!(output.read(&mut piece).unwrap(), 0);
    assert!(client.wait().unwrap().success());
    println!("down: {:?}; peak {} MiB; fetched {:?}", start.elapsed(), peak(&behind.server) / MIB, fetched(&behind));
    get(&behind.server, "is-it-up").succeeded();
    println!("{}", end(behind.server));
}
