//! The fuzzers' corpus, replayed without a fuzzer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::fs;
use std::path::Path;

use tftp_proto::Rng;
use tftp_sim::{captures, content, fuzzing};

fn replay(target: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        run(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 5, "{count} files in {}", directory.display());
}

#[test]
fn the_parsers_corpus() {
    replay("parser", fuzzing::parser);
}

#[test]
fn the_endpoints_corpus() {
    replay("endpoint", fuzzing::endpoint);
}

#[test]
fn the_parser_takes_damaged_captures() {
    let mut rng = Rng::new(1);
    for capture in captures::all() {
        fuzzing::parser(capture);
        for _ in 0..300 {
            let mut bytes = capture.to_vec();
            for _ in 0..=rng.below(4) {
                let place = rng.below(u32::try_from(bytes.len()).unwrap()) as usize;
                match rng.below(4) {
                    0 => bytes[place] = rng.next_u64().to_le_bytes()[0],
                    1 => bytes[place] = 0,
                    2 => drop(bytes.remove(place)),
                    _ => bytes.insert(place, b"0129\0bto"[rng.below(8) as usize]),
                }
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            fuzzing::parser(&bytes);
        }
    }
}

#[test]
fn the_endpoint_takes_random_scripts() {
    for seed in 0..1500 {
        let mut rng = Rng::new(seed);
        let len = rng.below(400) as usize;
        let script = content::bytes(seed, len);
        let outcome = std::panic::catch_unwind(|| fuzzing::endpoint(&script));
        assert!(outcome.is_ok(), "with seed {seed}");
    }
}
