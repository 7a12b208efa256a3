//! What packets cost: `cargo bench -p tftp-proto [-- PART OF A NAME]`.
//!
//! Prints the instructions that one operation takes, where valgrind is installed, and the nanoseconds, which vary with
//! the machine and with what else it does. Instructions do not, so they can be compared between versions: the program runs
//! itself in valgrind with two numbers of operations, and the difference is theirs alone.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases {
    pub(crate) mod endpoint;
    pub(crate) mod transfer;
    pub(crate) mod wire;
}

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// One operation, ready to be repeated.
pub(crate) type Operation = Box<dyn FnMut()>;

/// A name, and what prepares its operation.
pub(crate) type Case = (&'static str, fn() -> Operation);

/// Operations in the shorter and the longer run that are compared.
const SHORT: u64 = 1_000;
const LONG: u64 = 6_000;
/// How long times are taken for each case.
const PATIENCE: Duration = Duration::from_millis(200);

fn main() {
    let cases: Vec<Case> = [cases::wire::CASES, cases::transfer::CASES, cases::endpoint::CASES].concat();
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, count] = &args[..]
        && flag == "--repeat"
    {
        let (_, prepare) = cases.iter().find(|(case, _)| case == name).expect("no such case");
        let mut operation = prepare();
        for _ in 0..count.parse().unwrap() {
            operation();
        }
        return;
    }
    // Cargo adds options of its own.
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    println!("{:<58} {:>12} {:>9}", "", "instructions", "ns");
    for (name, prepare) in cases {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())) {
            let instructions = instructions(name).map_or("-".into(), |count| format!("{count:.0}"));
            println!("{name:<58} {instructions:>12} {:>9.1}", nanoseconds(prepare()));
        }
    }
}

fn nanoseconds(mut operation: Operation) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < PATIENCE {
        for _ in 0..100 {
            operation();
        }
        count += 100;
    }
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

/// `None`: valgrind is not installed.
fn instructions(name: &str) -> Option<f64> {
    let [short, long] = [SHORT, LONG].map(|count| total(name, count));
    Some((long? - short?) as f64 / (LONG - SHORT) as f64)
}

fn total(name: &str, count: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(env::current_exe().ok()?)
        .args(["--repeat", name, &count.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8(output.stderr).ok()?;
    let line = report.lines().find(|line| line.contains("refs:"))?;
    line.rsplit(' ').next()?.replace(',', "").parse().ok()
}

/// Keeps the compiler from leaving something out.
pub(crate) fn keep<T>(value: T) {
    black_box(value);
}
