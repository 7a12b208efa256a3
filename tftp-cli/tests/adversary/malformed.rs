//! Datagrams that are nothing, or too much of something.

use tempfile::tempdir;

use crate::peer::{Peer, RRQ, WRQ, ack, data, error, error_code, oack, request, rrq, settle, wrq};
use crate::support::{Ports, Serve};
use crate::transfers::{Download, Upload, assert_serves};

/// How often each is varied at random.
const VARIATIONS: usize = 40;

/// Every kind that is known to be sent.
fn kinds() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![
        b"".into(),
        b"\0".into(),
        b"\0\x01".into(),
        b"\0\x01\0".into(),
        b"\0\x02".into(),
        b"\0\x03".into(),
        b"\0\x03\0".into(),
        b"\0\x04".into(),
        b"\0\x04\0".into(),
        b"\0\x05".into(),
        b"\0\x05\0".into(),
        b"\0\x06".into(),
        b"\xff\xff".into(),
        b"\0\0".into(),
        b"\0\x07".into(),
        b"\0\xff".into(),
        b"\x01\0".into(),
        b"\x01\x01file\0octet\0".into(),
        b"\0\x01file".into(),
        b"\0\x01file\0".into(),
        b"\0\x01file\0\0".into(),
        b"\0\x01file\0oct".into(),
        b"\0\x01file\0binary\0".into(),
        b"\0\x01file\0mail\0".into(),
        b"\0\x02root\0MAIL\0".into(),
        b"\0\x01\0octet\0".into(),
        b"\0\x01file octet".into(),
        b"\0\x01file\0octet".into(),
        b"\0\x01file\0NetAscii\0".into(),
        b"\0\x01file\0octet\0blksize\0".into(),
        b"\0\x01file\0octet\0blksize\x00512".into(),
        b"\0\x01file\0octet\0tsize\x000\0blksize".into(),
        b"\0\x01file\xff\xff\xff\0octet\0".into(),
        ack(0),
        ack(1),
        ack(65_535),
        data(0, b""),
        data(0, b"x"),
        data(1, b"x"),
        data(65_535, &[1; 512]),
        data(1, &[1; 60_000]),
        error(0, b""),
        error(99, b"x"),
        error(5, &[b'x'; 60_000]),
        b"\0\x05\0\x01no end".into(),
        oack(&[]),
        oack(&[("blksize", "8")]),
        oack(&[("foo", "bar")]),
        vec![0; 60_000],
        vec![0xff; 60_000],
        [&b"\0\x01"[..], &[b'a'; 60_000]].concat(),
        [&b"\0\x01file\0octet\0"[..], &[b'a'; 59_000]].concat(),
        [&b"\0\x01file\0octet\0"[..], &[0; 59_000]].concat(),
    ];
    let long = "9".repeat(400);
    for (option, values) in [
        ("blksize", &["0", "7", "65465", "-1", "+8", "0x200", " 8", "8 ", "99999999999", "", "512\u{0}", "１２"][..]),
        ("timeout", &["0", "256", "-1", "1.5", ""]),
        ("utimeout", &["0", "1", "255000001"]),
        ("windowsize", &["0", "65536", "-1", ""]),
        ("tsize", &["-1", "9223372036854775808", "18446744073709551616", ""]),
        ("blksize2", &["0", "3", "65536"]),
        ("rollover", &["2", "-1"]),
        ("foo_blksize_bar", &["512"]),
        ("%n%s%x", &["%n%s%x"]),
        ("", &["", "1"]),
    ] {
        for value in values.iter().chain([&long.as_str()]) {
            for opcode in [RRQ, WRQ] {
                all.push(request(opcode, b"file", &[(option, value)]));
                all.push(request(opcode, b"file", &[(option, value), (option, "512"), (option, value)]));
            }
        }
    }
    // Requests cut off anywhere.
    let whole = rrq(b"file", &[("blksize", "1428"), ("tsize", "0"), ("timeout", "3"), ("windowsize", "8")]);
    all.extend((0..whole.len()).map(|len| whole[..len].to_vec()));
    all
}

/// A datagram with some of its bytes changed, left out or doubled.
fn vary(random: &mut fastrand::Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes[..bytes.len().min(2000)].to_vec();
    for _ in 0..random.usize(1..4) {
        if bytes.is_empty() {
            bytes.push(random.u8(..));
        }
        let at = random.usize(..bytes.len());
        match random.u8(0..5) {
            0 => bytes[at] = random.u8(..),
            1 => bytes[at] = 0,
            2 => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            _ => bytes.insert(at, random.u8(..)),
        }
    }
    bytes
}

/// All kinds and their variations, in bursts that fit into a receive buffer.
fn bursts() -> Vec<Vec<Vec<u8>>> {
    let mut random = fastrand::Rng::with_seed(17);
    let kinds = kinds();
    let mut all = kinds.clone();
    for kind in &kinds {
        all.extend((0..VARIATIONS).map(|_| vary(&mut random, kind)));
    }
    random.shuffle(&mut all);
    all.chunks(200).map(<[_]>::to_vec).collect()
}

/// To where requests go.
#[test]
fn a_burst_of_malformed_datagrams_of_every_kind() {
    for ports in [Ports::Random, Ports::Single] {
        let root = tempdir().unwrap();
        std::fs::write(root.path().join("file"), [1; 3000]).unwrap();
        let server = Serve::directory(ports, root.path(), &["--give-up-after", "2s"]);
        let mut honest = Download::start(server.address(), "file");
        for burst in bursts() {
            for datagram in &burst {
                Peer::new(server.address()).say(datagram);
            }
            settle(server.address());
        }
        honest.step().unwrap();
        assert_eq!(honest.finish().unwrap(), [1; 3000]);
        assert_serves(server.address());
        assert_eq!(std::fs::read(root.path().join("file")).unwrap(), [1; 3000]);
    }
}

/// To a transfer's own port, from the client's host and from others.
#[test]
fn malformed_datagrams_in_the_middle_of_a_transfer() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), [1; 3000]).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let mut reader = Download::start(server.address(), "file").steps(1);
    let mut writer = Upload::start(server.address(), "new", &[2; 3000]).unwrap().steps(2);
    for burst in bursts() {
        for datagram in &burst {
            for (port, victim) in [(reader.port, reader.peer.address()), (writer.port, writer.peer.address())] {
                Peer::new(server.address()).tell(port, datagram);
                Peer::on(victim.ip(), server.address()).tell(port, datagram);
            }
        }
        settle(server.address());
    }
    reader.step().unwrap();
    writer = writer.steps(1);
    assert_eq!(reader.finish().unwrap(), [1; 3000]);
    writer.finish().unwrap();
    assert_eq!(std::fs::read(root.path().join("new")).unwrap(), [2; 3000]);
}

/// From the client itself: its own transfer may end, by an ERROR at most, and no other does.
#[test]
fn malformed_datagrams_from_the_client_itself() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), [1; 3000]).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let other = Download::start(server.address(), "file").steps(1);
    for datagram in kinds() {
        let reader = Download::start(server.address(), "file").steps(1);
        reader.peer.tell(reader.port, &datagram);
        let writer = Upload::start(server.address(), "new", &[2; 3000]).unwrap().steps(1);
        writer.peer.tell(writer.port, &datagram);
        // Lets go, if it is still there.
        for (peer, port) in [(&reader.peer, reader.port), (&writer.peer, writer.port)] {
            peer.tell(port, &error(0, b"leaving"));
        }
        settle(server.address());
        for peer in [&reader.peer, &writer.peer] {
            let answers = peer.pending();
            assert!(answers.len() <= 2, "{datagram:?}: {answers:?}");
        }
    }
    assert_eq!(other.finish().unwrap(), [1; 3000]);
    assert_serves(server.address());
    let left: Vec<_> = std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".tftp-upload-")), "{left:?}");
}

/// A request is for the listening port. Elsewhere it is nothing.
#[test]
fn a_request_to_a_transfer_port_is_not_answered_and_disturbs_nothing() {
    let root = tempdir().unwrap();
    std::fs::write(root.path().join("file"), [1; 3000]).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let mut reader = Download::start(server.address(), "file").steps(1);
    let stranger = Peer::new(server.address());
    for request in [rrq(b"file", &[]), wrq(b"new", &[]), rrq(b"file", &[("blksize", "1024")]), rrq(b"absent", &[])] {
        stranger.tell(reader.port, &request);
        reader.peer.tell(reader.port, &request);
        Peer::on(reader.peer.address().ip(), server.address()).tell(reader.port, &request);
    }
    settle(server.address());
    assert_eq!(stranger.pending().len(), 0);
    reader.step().unwrap();
    assert_eq!(reader.finish().unwrap(), [1; 3000]);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

/// What the server says about it names no path and no inside.
#[test]
fn malformed_requests_meet_silence_or_a_short_error() {
    let root = tempdir().unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    for datagram in kinds() {
        let peer = Peer::new(server.address());
        peer.say(&datagram);
        settle(server.address());
        let answers = peer.pending();
        assert!(answers.len() <= 1, "{datagram:?}: {answers:?}");
        for answer in answers.iter().filter(|answer| error_code(answer).is_some()) {
            assert!(answer.len() < 64 && !answer.contains(&b'/'), "{datagram:?}: {answer:?}");
        }
    }
}
