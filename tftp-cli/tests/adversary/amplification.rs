//! What a server sends to somebody who never asked: counted to the byte.

use std::io::Write as _;

use tempfile::tempdir;

use crate::peer::{Peer, ack, block, error_code, request, rrq, settle, wrq};
use crate::support::{Ports, Serve};

/// The first packet, and four repetitions.
const MOST: usize = 5;

/// A request in the name of somebody who will not answer.
struct Forged {
    what: &'static str,
    request: Vec<u8>,
    /// How its end is logged.
    outcome: Option<&'static str>,
    victim: Peer,
}

/// Sends all, waits until the server has no more to say, and gives what each victim got.
fn send(server: &mut Serve, cases: Vec<(&'static str, Vec<u8>, Option<&'static str>)>) -> Vec<(Forged, Vec<Vec<u8>>)> {
    let forged: Vec<_> = cases
        .into_iter()
        .map(|(what, request, outcome)| Forged { what, request, outcome, victim: Peer::new(server.address()) })
        .collect();
    for case in &forged {
        case.victim.say(&case.request);
    }
    settle(server.address());
    for case in &forged {
        if let Some(outcome) = case.outcome {
            let client = format!("client={} ", case.victim.address());
            server.wait_for_log(&[&client, &format!("outcome={outcome}")]);
        }
    }
    settle(server.address());
    forged
        .into_iter()
        .map(|case| {
            let got = case.victim.pending();
            let bytes: usize = got.iter().map(Vec::len).sum();
            let factor = bytes as f64 / case.request.len() as f64;
            // With the headers of IPv4 and UDP.
            let on_wire = (bytes + 28 * got.len()) as f64 / (case.request.len() + 28) as f64;
            let _ = writeln!(
                std::io::stderr(),
                "{}: {} bytes asked, {} datagrams of {bytes} bytes sent: {factor:.1} times, {on_wire:.1} with headers",
                case.what,
                case.request.len(),
                got.len()
            );
            (case, got)
        })
        .collect()
}

#[test]
fn what_a_forged_request_makes_the_server_send() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("f"), vec![1; 1 << 20]).unwrap();
    std::fs::write(root.path().join("short"), [1; 100]).unwrap();
    let all = [("blksize", "65464"), ("windowsize", "64"), ("tsize", "0"), ("timeout", "1"), ("rollover", "0")];
    let greedy = [("blksize", "65464"), ("windowsize", "64"), ("tsize", "0")];
    let mut server = Serve::directory(Ports::Random, root.path(), &["-v", "--timeout", "50ms"]);
    let results = send(
        &mut server,
        vec![
            ("RRQ", rrq(b"f", &[]), Some("timeout")),
            ("RRQ of a short file", rrq(b"short", &[]), Some("timeout")),
            ("RRQ with options", rrq(b"f", &greedy), Some("timeout")),
            ("RRQ with every option", rrq(b"f", &all), Some("timeout")),
            ("WRQ", wrq(b"new", &[]), Some("timeout")),
            ("WRQ with options", wrq(b"new2", &greedy), Some("timeout")),
            ("RRQ of a missing file", rrq(b"x", &[]), Some("not_found")),
            ("RRQ out of the root", rrq(b"../x", &[]), Some("denied")),
            ("WRQ of an existing file", wrq(b"f", &[]), Some("denied")),
            ("RRQ without a name", rrq(b"", &[]), Some("refused")),
            ("RRQ in mail mode", b"\0\x01f\0mail\0".into(), Some("refused")),
            ("RRQ in an unknown mode", b"\0\x01f\0x\0".into(), None),
            ("RRQ without a mode", b"\0\x01f\0".into(), None),
            ("ERROR", b"\0\x05\0\0\0".into(), None),
            ("DATA", request(3, b"f", &[]), None),
        ],
    );
    for (case, got) in results {
        let what = case.what;
        match what {
            "RRQ" | "RRQ of a short file" => {
                let size = if what == "RRQ" { 516 } else { 104 };
                assert_eq!(got.len(), MOST, "{what}");
                assert!(
                    got.iter().all(|bytes| bytes.len() == size && block(bytes).is_some_and(|(n, _)| n == 1)),
                    "{what}"
                );
            }
            "WRQ" => assert_eq!(got, vec![ack(0); MOST], "{what}"),
            "RRQ with options" | "RRQ with every option" | "WRQ with options" => {
                assert_eq!(got.len(), MOST, "{what}");
                // Not longer than the request but for the digits of the size.
                assert!(
                    got.iter().all(|bytes| bytes[..2] == [0, 6] && bytes.len() <= case.request.len()),
                    "{what}: {got:?}"
                );
            }
            "ERROR" | "DATA" => assert!(got.is_empty(), "{what}: {got:?}"),
            _ => {
                assert_eq!(got.len(), 1, "{what}: {got:?}");
                assert!(error_code(&got[0]).is_some() && got[0].len() < 48, "{what}: {got:?}");
            }
        }
    }
}

/// Repetitions are the operator's to choose, down to none.
#[test]
fn without_retries_a_forged_request_is_answered_once() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("f"), vec![1; 1 << 20]).unwrap();
    let mut server = Serve::directory(Ports::Random, root.path(), &["--timeout", "50ms", "--retries", "0"]);
    let cases = vec![
        ("RRQ, no retries", rrq(b"f", &[]), Some("timeout")),
        ("WRQ, no retries", wrq(b"n", &[]), Some("timeout")),
    ];
    for (case, got) in send(&mut server, cases) {
        assert_eq!(got.len(), 1, "{}", case.what);
    }
}

/// A forger who repeats the request does not get more than one answer for each: the amplification stays what it is.
#[test]
fn repeating_a_forged_request_does_not_multiply_it() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("f"), vec![1; 1 << 20]).unwrap();
    let mut server = Serve::directory(Ports::Random, root.path(), &["--timeout", "50ms"]);
    let victim = Peer::new(server.address());
    let request = rrq(b"f", &[]);
    let times = 20;
    for _ in 0..times {
        victim.say(&request);
        settle(server.address());
    }
    server.wait_for_log(&[&format!("client={} ", victim.address()), "outcome=timeout"]);
    settle(server.address());
    let got = victim.pending();
    assert!(got.len() <= times + MOST, "{} datagrams for {times} requests", got.len());
}
