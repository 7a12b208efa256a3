//! What a client says cannot become a log line of its own, nor reach a terminal.

use tempfile::tempdir;

use crate::peer::{Peer, error, rrq, settle, wrq};
use crate::support::{Ports, Serve};
use crate::transfers::{Download, Upload};

const HOSTILE: [&[u8]; 9] = [
    b"a\n2026-01-01T00:00:00.000000Z  INFO sent client=192.0.2.1:1 file=\"b\" outcome=completed",
    b"a\r\nWARN x",
    b"\x1b[2J\x1b]0;title\x07\x1b[31m",
    b"\x9b31m\x85\xe2\x80\xa8\xe2\x80\xae",
    b"\" outcome=completed \"",
    b"\\\" outcome=completed",
    b"{\"outcome\":\"completed\"}",
    b"%n%s%x\x7f\x08\x08",
    b"\xff\xfe\xc0\xaf",
];

/// As a name to read and to write, as an option, and as the text of an ERROR.
fn say_hostile_things(server: &mut Serve) -> usize {
    let mut expected = 0;
    for text in HOSTILE {
        let option = String::from_utf8_lossy(text).into_owned();
        for request in [rrq(text, &[(&option, &option)]), wrq(&[b"no/", text].concat(), &[])] {
            Peer::new(server.address()).ask(&request);
            expected += 1;
        }
        let reader = Download::start(server.address(), "file");
        reader.peer.tell(reader.port, &error(0, text));
        let writer = Upload::start(server.address(), "new", b"x").unwrap();
        writer.peer.tell(writer.port, &error(77, text));
        settle(server.address());
        for peer in [&reader.peer, &writer.peer] {
            server.wait_for_log(&[&peer.address().to_string(), "client_error"]);
        }
        expected += 2;
    }
    expected
}

#[test]
fn names_options_and_errors_stay_within_their_line() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), [1; 1000]).unwrap();
    let mut server = Serve::directory(Ports::Random, root.path(), &["-v"]);
    let expected = say_hostile_things(&mut server);
    let log = server.log();
    for line in log.lines() {
        assert!(line.starts_with("20") && line.as_bytes().get(10) == Some(&b'T'), "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!unquoted(line).contains("completed"), "{line:?}");
    }
    let told = log.lines().filter(|line| line.contains("client=") && !line.contains("not-there-")).count();
    assert_eq!(told, expected, "{log}");
}

#[test]
fn json_lines_hold_hostile_text_and_no_more() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), [1; 1000]).unwrap();
    let mut server = Serve::directory(Ports::Random, root.path(), &["-v", "--json"]);
    say_hostile_things(&mut server);
    for line in server.log().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(value["outcome"], "completed");
        assert!(!line.bytes().any(|byte| byte < b' '), "{line:?}");
    }
}

/// The line without what stands in quotes.
fn unquoted(line: &str) -> String {
    let mut chars = line.chars();
    let (mut out, mut inside) = (String::new(), false);
    while let Some(char) = chars.next() {
        match char {
            '"' => inside = !inside,
            '\\' => drop(chars.next()),
            char if !inside => out.push(char),
            _ => {}
        }
    }
    assert!(!inside, "a quote that does not end: {line}");
    out
}
