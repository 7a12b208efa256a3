//! Ctrl-C drains, twice stops.

use std::fs;

use rustix::process::Signal;

use super::fake::{Raw, ack, request};
use super::support::{Server, names, pattern, run_with_input, shell, text};

/// A download in progress: the first block is here, nothing is acknowledged.
fn begin(server: &Server, name: &[u8]) -> (Raw, Vec<u8>, std::net::SocketAddr) {
    let raw = Raw::new();
    raw.send(server.address, &request(1, name, &[]));
    let (first, from) = raw.receive_opcode(3);
    (raw, first, from)
}

#[test]
fn an_idle_server_stops_at_once_with_success() {
    for (signal, name) in [(Signal::INT, "Ctrl-C: stopping"), (Signal::TERM, "SIGTERM: stopping")] {
        let mut server = Server::start(&[]);
        server.signal(signal);
        server.line(name);
        assert!(server.rest_of_log().contains("INFO stopped after 0 downloads"));
        assert_eq!(server.wait(), Some(0));
    }
}

/// A server of a directory with the file "a", and a download of it in progress. SIGHUP is not ignored, also where these tests
/// run under `nohup`.
#[cfg(target_os = "linux")]
fn busy(directory: &tempfile::TempDir) -> (Server, Raw, Vec<u8>, std::net::SocketAddr) {
    fs::write(directory.path().join("a"), pattern(5000)).unwrap();
    let script = r#"exec env --default-signal=HUP "$0" "$@""#;
    let args = ["serve", text(directory.path()), "--listen", "127.0.0.1:0"];
    let server = Server::spawn(&mut shell(script, &args));
    let (raw, first, from) = begin(&server, b"a");
    (server, raw, first, from)
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_gone_stops_the_server_with_a_line_and_twice_does_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, raw, first, from) = busy(&directory);
    server.signal(Signal::HUP);
    server.line("SIGHUP: taking no new requests, waiting for 1 transfer");
    server.signal(Signal::HUP);
    assert!(raw.read_file(first, from) == pattern(5000));
    assert_eq!(server.wait(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_session_that_ends_with_sigterm_and_sighup_asks_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut server, raw, first, from) = busy(&directory);
    server.signal(Signal::TERM);
    server.signal(Signal::HUP);
    server.line("taking no new requests, waiting for 1 transfer");
    server.signal(Signal::HUP);
    assert!(raw.read_file(first, from) == pattern(5000));
    assert_eq!(server.wait(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn under_nohup_it_goes_on() {
    let script = r#"trap "" HUP; exec "$0" "$@""#;
    let mut server = Server::spawn(&mut shell(script, &["serve", "--listen", "127.0.0.1:0"]));
    server.signal(Signal::HUP);
    run_with_input(&["put", "-", &server.url("a")], b"still here").succeeded();
    server.signal(Signal::TERM);
    assert!(!server.rest_of_log().contains("SIGHUP"));
}

#[test]
fn a_transfer_under_way_is_finished_and_nothing_new_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), pattern(5000)).unwrap();
    let mut server = Server::start(&[text(directory.path())]);
    let (raw, first, from) = begin(&server, b"a");
    server.signal(Signal::INT);
    let line = server.line("Ctrl-C");
    assert!(line.contains("taking no new requests, waiting for 1 transfer; once more to stop at once"), "{line}");
    let late = Raw::new();
    late.send(server.address, &request(1, b"a", &[]));
    assert!(raw.read_file(first, from) == pattern(5000));
    assert_eq!(server.wait(), Some(0));
    assert!(server.rest_of_log().contains("stopped after 1 download (4.9 KiB)"));
    late.0.set_nonblocking(true).unwrap();
    assert!(late.0.recv_from(&mut [0; 600]).is_err(), "a late request must stay unanswered");
}

#[test]
fn twice_stops_at_once_tells_the_client_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&[text(directory.path()), "--create"]);
    let raw = Raw::new();
    raw.send(server.address, &request(2, b"a", &[]));
    let (packet, from) = raw.receive();
    assert_eq!(packet, ack(0));
    raw.send(from, &super::fake::data(1, &[1; 512]));
    assert_eq!(raw.receive_opcode(4).0, ack(1));
    server.signal(Signal::INT);
    server.line("waiting for 1 transfer");
    server.signal(Signal::INT);
    let line = server.line("stopping at once");
    assert!(line.contains("WARN Ctrl-C: stopping at once, 1 transfer given up"), "{line}");
    raw.receive_opcode(5);
    assert_eq!(server.wait(), Some(130));
    let log = server.rest_of_log();
    assert!(log.contains("outcome=shutdown"), "{log}");
    assert_eq!(names(directory.path()), Vec::<String>::new());
}

#[test]
fn sigterm_twice_is_143() {
    let mut server = Server::start(&[]);
    let raw = Raw::new();
    raw.send(server.address, &request(2, b"a", &[]));
    raw.receive();
    server.signal(Signal::TERM);
    server.line("waiting for 1 transfer");
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(143));
}

#[test]
fn a_killed_server_leaves_no_upload_that_a_client_could_get() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&[text(directory.path()), "--create"]);
    let raw = Raw::new();
    raw.send(server.address, &request(2, b"a", &[]));
    let (_, from) = raw.receive();
    raw.send(from, &super::fake::data(1, &[1; 512]));
    raw.receive_opcode(4);
    server.signal(Signal::KILL);
    server.wait();
    assert!(!names(directory.path()).contains(&"a".to_owned()));
    // The next one cleans up.
    let mut server = Server::start(&[text(directory.path()), "--create"]);
    server.line("removed unfinished uploads of an earlier run files=1");
    assert_eq!(names(directory.path()), Vec::<String>::new());
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}
