//! The fuzzers' corpus, replayed without a fuzzer, and a few hundred inputs from seeds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[cfg(unix)]
mod path_target;

use std::fs;
use std::path::Path;

use tftp_proto::Rng;
use tftp_sim::{captures, content, fuzzing};

/// Runs a target over its corpus, and over inputs that follow from seeds.
fn replay(target: &str, run: fn(&[u8]), random: u64) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        assert!(std::panic::catch_unwind(|| run(&input)).is_ok(), "with {}", path.display());
        count += 1;
    }
    assert!(count > 5, "{count} files in {}", directory.display());
    let words = words();
    for seed in 0..random {
        let input = random_input(seed, &words);
        assert!(std::panic::catch_unwind(|| run(&input)).is_ok(), "with seed {seed}: {}", input.escape_ascii());
    }
}

/// The words of the fuzzers' dictionary.
fn words() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/tftp.dict");
    let text = fs::read_to_string(path).unwrap();
    let quoted = |line: &str| line.split('"').nth(1).map(unescape);
    text.lines().filter(|line| !line.starts_with('#')).filter_map(quoted).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        let (hex, plain) = part.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).unwrap());
        bytes.extend_from_slice(plain.as_bytes());
    }
    bytes
}

/// Bytes without a plan, with words in between.
fn random_input(seed: u64, words: &[Vec<u8>]) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut input = Vec::new();
    for _ in 0..rng.below(40) {
        if rng.below(2) == 0 {
            input.extend_from_slice(&words[rng.below(u32::try_from(words.len()).unwrap()) as usize]);
        } else {
            input.extend(content::bytes(rng.next_u64(), rng.below(20) as usize));
        }
    }
    input
}

#[test]
fn parser() {
    replay("parser", fuzzing::parser, 500);
}

#[test]
fn round_trip() {
    replay("round_trip", fuzzing::round_trip, 500);
}

#[test]
fn options() {
    replay("options", fuzzing::options, 500);
}

#[test]
fn negotiation() {
    replay("negotiation", fuzzing::negotiation, 500);
}

#[test]
fn sender() {
    replay("sender", fuzzing::sender, 500);
}

#[test]
fn receiver() {
    replay("receiver", fuzzing::receiver, 500);
}

#[test]
fn endpoint() {
    replay("endpoint", fuzzing::endpoint, 800);
}

#[test]
fn reference() {
    replay("reference", fuzzing::reference, 800);
}

#[test]
fn netascii() {
    replay("netascii", fuzzing::netascii, 500);
}

#[test]
#[cfg(unix)]
fn path() {
    replay("path", path_target::path, 500);
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
