//! The log: one line for each transfer, whatever a client calls its files.

use rustix::process::Signal;

use super::fake::{Raw, ack, data, error, request};
use super::support::{Server, run, run_with_input, text};

/// Asks for a file that is not there, and waits for the answer.
fn ask(server: &Server, name: &[u8]) {
    let raw = Raw::new();
    raw.send(server.address, &request(1, name, &[]));
    raw.receive_opcode(5);
}

#[test]
fn the_first_line_says_what_is_served_where_and_who_may_write() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[text(directory.path()), "--port-range", "41000-49000"]);
    let expected = format!(
        "INFO serving directory {}, read-only listen=\"{}\" ports=41000-49000",
        directory.path().display(),
        server.address
    );
    assert!(server.first.ends_with(&expected), "{}", server.first);
}

#[test]
fn one_line_for_each_transfer_says_everything() {
    let mut server = Server::start(&[]);
    run_with_input(&["put", "-", &server.url("a")], &[7; 5000]).succeeded();
    let line = server.line("direction=put");
    assert!(line.contains("INFO received client=127.0.0.1:"), "{line}");
    assert!(line.contains(r#" file="a" direction=put bytes=5000 seconds="#), "{line}");
    assert!(line.contains(r#" options="blksize=1428 windowsize=16" retransmissions=0 "#), "{line}");
    assert!(line.ends_with(" outcome=completed"), "{line}");
    run(&["get", &server.url("a;mode=netascii"), "-o", "-"]).succeeded();
    let line = server.line("direction=get");
    assert!(line.contains("INFO sent client=127.0.0.1:"), "{line}");
    assert!(line.contains(" mode=netascii ") && line.ends_with(" outcome=completed"), "{line}");
}

#[test]
fn hostile_names_stay_on_their_line() {
    let mut server = Server::start(&["-v"]);
    for (name, logged) in [
        (
            &b"a\n2026-01-01T00:00:00Z  INFO sent file=\"b\" outcome=completed"[..],
            r#"file="a\n2026-01-01T00:00:00Z  INFO sent file=\"b\" outcome=completed""#,
        ),
        (b"\x1b[2J\x1b]0;title\x07", r#"file="\x1b[2J\x1b]0;title\x07""#),
        (b"%n%s%x{}", r#"file="%n%s%x{}""#),
        ("\u{202e}txt.exe\u{9b}0m".as_bytes(), r#"file="\u{202e}txt.exe\u{9b}0m""#),
        (b"\xff\xfe\xc0\xaf", r#"file="\xff\xfe\xc0\xaf""#),
        (b"C:\\Boot\\BCD", r#"file="C:\\Boot\\BCD""#),
    ] {
        ask(&server, name);
        let line = server.line("client=");
        assert!(line.contains(logged), "{logged} in {line}");
    }
    server.signal(Signal::TERM);
    let log = server.rest_of_log();
    assert_eq!(log.lines().filter(|line| line.contains("client=")).count(), 6, "{log}");
    assert!(!log.bytes().any(|byte| byte.is_ascii_control() && byte != b'\n'), "{log:?}");
}

#[test]
fn json_lines_hold_the_same_and_hostile_names_too() {
    let mut server = Server::start(&["--json", "-v"]);
    let first: serde_json::Value = serde_json::from_str(&server.first).unwrap();
    assert!(first["message"].as_str().unwrap().starts_with("serving memory"));
    ask(&server, b"a\n\"\x1b[2J");
    let line: serde_json::Value = serde_json::from_str(&server.line("client")).unwrap();
    assert_eq!(line["file"], "a\n\"\u{1b}[2J");
    assert_eq!(line["outcome"], "denied");
    assert_eq!(line["bytes"], 0);
    assert_eq!(line["direction"], "get");
    let hidden = "\u{202e}gnp.exe\u{9b}31m\u{2066}";
    ask(&server, hidden.as_bytes());
    let line = server.line("exe");
    assert!(line.is_ascii() && line.contains(r"\u202egnp.exe\u009b31m\u2066"), "{line}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["file"], hidden);
    let ended = run(&["get", &server.host(), hidden, "-o", "-", "--json"]).failed_with(3);
    assert!(ended.stderr.is_ascii() && ended.stderr.contains(r"\u202egnp"), "{}", ended.stderr);
    server.signal(Signal::TERM);
    for line in server.rest_of_log().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

/// What a boot ROM does: look for what is not there, ask for a size.
fn behave_like_firmware(server: &Server) {
    ask(server, b"pxelinux.cfg/01-aa-bb");
    let raw = Raw::new();
    raw.send(server.address, &request(1, b"a", &["tsize", "0"]));
    let (_, from) = raw.receive_opcode(6);
    raw.send(from, &error(8, b"User aborted the transfer"));
    run(&["get", &server.url("a"), "-o", "-"]).succeeded();
}

#[test]
fn probes_and_missing_files_are_quiet() {
    let mut server = Server::start(&[]);
    run_with_input(&["put", "-", &server.url("a")], &[7; 5000]).succeeded();
    behave_like_firmware(&server);
    server.line("INFO sent");
    server.signal(Signal::TERM);
    let log = server.rest_of_log();
    assert!(!log.contains("probe client") && !log.contains("pxelinux.cfg"), "{log}");
    let last = "stopped after 1 download (4.9 KiB), 1 upload (4.9 KiB), 1 not found, 1 size probe, 0 failed, 0 dropped";
    assert!(log.trim_end().ends_with(last), "{log}");
}

#[test]
fn verbose_shows_probes_and_missing_files() {
    let mut server = Server::start(&["-v"]);
    run_with_input(&["put", "-", &server.url("a")], &[7; 5000]).succeeded();
    behave_like_firmware(&server);
    assert!(server.line("pxelinux.cfg").contains("DEBUG not found client="));
    assert!(server.line("size_probe").contains("DEBUG size probe client="));
}

#[test]
fn quiet_leaves_warnings_only() {
    let mut command = super::support::command(&["serve", "--listen", "127.0.0.1:0", "-q"]);
    let child = command.spawn().unwrap();
    // Nothing says when it is ready, so it is asked to stop until it does.
    super::support::send_signal(&child, Signal::TERM);
    let ended = super::support::finish(child, b"");
    assert_eq!(ended.stderr, "");
}

#[test]
fn saturation_is_told_in_summary() {
    let mut server = Server::start(&["--max-transfers", "1"]);
    let busy = Raw::new();
    busy.send(server.address, &request(2, b"a", &[]));
    let (first, from) = busy.receive();
    assert_eq!(first, ack(0));
    // Who has not answered would make room.
    busy.send(from, &data(1, &[7; 512]));
    assert_eq!(busy.receive().0, ack(1));
    let waiting = Raw::new();
    waiting.send(server.address, &request(1, b"b", &[]));
    waiting.send(server.address, &request(1, b"b", &[]));
    let line = server.line("too many requests at once");
    assert!(line.contains("WARN") && line.contains("max_transfers=1"), "{line}");
    waiting.0.set_read_timeout(Some(std::time::Duration::from_millis(1))).unwrap();
    assert!(waiting.0.recv_from(&mut [0; 600]).is_err(), "a request beyond the limit must stay unanswered");
}

#[test]
fn one_client_cannot_take_the_places_of_others() {
    let mut server = Server::start(&["--max-per-client", "1"]);
    let busy = Raw::new();
    busy.send(server.address, &request(2, b"a", &[]));
    let (_, from) = busy.receive();
    busy.send(from, &data(1, &[7; 512]));
    assert_eq!(busy.receive().0, ack(1));
    let again = Raw::new();
    again.send(server.address, &request(1, b"b", &[]));
    let line = server.line("too many requests at once");
    assert!(line.contains("max_per_client=1"), "{line}");
    let other = Raw(std::net::UdpSocket::bind("127.0.0.2:0").unwrap());
    other.send(server.address, &request(1, b"b", &[]));
    assert_eq!(other.receive_opcode(5).0[..4], [0, 5, 0, 1]);
}

#[test]
fn who_has_to_make_room_is_not_said_to_be_silent() {
    let mut server = Server::start(&["--max-transfers", "1"]);
    for name in [b"a", b"b"] {
        let raw = Raw::new();
        raw.send(server.address, &request(2, name, &[]));
        assert_eq!(raw.receive().0, ack(0));
    }
    let line = server.line(r#"file="a""#);
    let reason = r#"outcome=evicted reason="it never answered, and its place was needed""#;
    assert!(line.contains("WARN gave up client=") && line.ends_with(reason), "{line}");
}

#[test]
fn who_breaks_the_protocol_is_logged_with_what_it_was_told() {
    let mut server = Server::start(&[]);
    let raw = Raw::new();
    raw.send(server.address, &request(2, b"a", &[]));
    let (_, from) = raw.receive_opcode(4);
    raw.send(from, &data(1, &[7; 513]));
    let told = raw.receive_opcode(5).0;
    let told = std::str::from_utf8(&told[4..]).unwrap().trim_end_matches('\0');
    assert!(server.line("outcome=refused").contains(told), "{told}");
}

#[test]
fn no_path_of_the_server_reaches_a_client() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[text(directory.path())]);
    for (opcode, name) in [(1, &b"missing"[..]), (1, b"../x"), (2, b"new"), (1, b""), (1, b"a\x01b")] {
        let raw = Raw::new();
        raw.send(server.address, &request(opcode, name, &[]));
        let (packet, _) = raw.receive_opcode(5);
        let text = String::from_utf8_lossy(&packet).into_owned();
        assert!(!text.contains('/') && !text.contains("tmp"), "{text}");
    }
}
