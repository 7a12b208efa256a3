//! What the system limits: open files, file sizes, and readers of the log that do not read.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;

use rustix::process::Signal;

use super::fake::{Raw, request};
use super::support::{Server, command, names, pattern, run, run_with_input, send_signal, shell, text, wait};

#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let mut command = shell(r#"ulimit -Sn 64; exec "$0" "$@""#, &["serve", "--listen", "127.0.0.1:0", "-v"]);
    let mut server = Server::spawn(&mut command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut numbers = line["Max open files".len()..].split_whitespace();
    assert_eq!(numbers.next(), numbers.next(), "{line}");
    server.signal(Signal::TERM);
    assert!(server.rest_of_log().contains("raised the limit of open files from=64 to="));
}

#[test]
fn an_upload_beyond_the_limit_of_file_sizes_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let args = ["serve", "--listen", "127.0.0.1:0", "--create", text(directory.path())];
    let mut server = Server::spawn(&mut shell(r#"ulimit -f 16; exec "$0" "$@""#, &args));
    run_with_input(&["put", "-", &server.url("large")], &pattern(100_000)).failed_with(4).says("the server refused");
    assert!(server.line("outcome=storage_error").contains("ERROR failed"));
    run_with_input(&["put", "-", &server.url("small")], b"small").succeeded();
    assert_eq!(run(&["get", &server.url("small"), "-o", "-"]).succeeded().stdout, b"small");
    assert_eq!(names(directory.path()), ["small"]);
}

/// Fills the log until something must give: a request with a long name is a long line.
fn shout(address: SocketAddr) {
    let name = [b'\x01'; 400];
    let raw = Raw::new();
    for _ in 0..1500 {
        raw.send(address, &request(1, &name, &[]));
        // Each is answered, whoever reads the log or does not.
        raw.receive_opcode(5);
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let mut child = command(&["serve", "--listen", "127.0.0.1:0", "-v"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    stderr.read_line(&mut first).unwrap();
    let address = first.split('"').nth(1).unwrap().parse().unwrap();
    shout(address);
    // Whoever reads again learns what is missing.
    let mut told = String::new();
    while !told.contains("log lines were lost") {
        told.clear();
        assert_ne!(stderr.read_line(&mut told).unwrap(), 0, "the log has ended");
    }
    let lost: u64 = told.rsplit("lines=").next().unwrap().trim().parse().unwrap();
    assert!(lost > 0 && lost < 1500, "{told}");
    // Nor does it hold up the end.
    shout(address);
    send_signal(&child, Signal::TERM);
    assert_eq!(wait(&mut child).code(), Some(0));
}
