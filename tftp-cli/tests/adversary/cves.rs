//! What brought other TFTP servers down, or opened them: one test for each.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::loops;
use crate::peer::{Peer, ack, block, data, error, error_code, oack, rrq, settle, wrq};
use crate::support::{Ports, Serve};
use crate::transfers::{Download, assert_serves};

const FILE: &[u8] = b"what may be read";
const SECRET: &[u8] = b"what may not";

/// A directory to be served, with a file in it, and things beside it that are nobody's business.
struct Home {
    home: TempDir,
    server: Serve,
}

impl Home {
    fn new(args: &[&str]) -> Self {
        let home = tempdir().unwrap();
        for directory in ["root", "root-sibling", "root/dir"] {
            std::fs::create_dir(home.path().join(directory)).unwrap();
        }
        std::fs::write(home.path().join("root/file"), FILE).unwrap();
        for secret in ["secret", "root-sibling/secret", "rootsecret"] {
            std::fs::write(home.path().join(secret), SECRET).unwrap();
        }
        let server = Serve::directory(Ports::Random, &home.path().join("root"), args);
        Self { home, server }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn root(&self) -> String {
        self.home.path().join("root").to_str().unwrap().to_owned()
    }

    /// Everything outside the root is as it was.
    fn assert_outside_untouched(&self) {
        let mut names: Vec<_> =
            std::fs::read_dir(self.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["root", "root-sibling", "rootsecret", "secret"]);
        for secret in ["secret", "root-sibling/secret", "rootsecret"] {
            assert_eq!(std::fs::read(self.home.path().join(secret)).unwrap(), SECRET);
        }
        assert_eq!(std::fs::read_dir(self.home.path().join("root-sibling")).unwrap().count(), 1);
    }
}

/// dnsmasq: a long name was copied into a buffer of a fixed size behind the prefix.
#[test]
fn cve_2009_2957_long_file_names() {
    let home = Home::new(&["-v"]);
    for len in [255, 256, 400, 480, 504, 505, 506, 511, 512, 513, 1024, 1460, 9000, 60_000] {
        for request in [rrq(&vec![b'a'; len], &[]), wrq(&vec![b'a'; len], &[]), rrq(&b"/a".repeat(len / 2), &[])] {
            let peer = Peer::new(home.address());
            peer.say(&request);
            settle(home.address());
            // Silence, or an ERROR. A name of 255 bytes can be written.
            for answer in peer.pending() {
                assert!(error_code(&answer).is_some() || (len <= 255 && answer == ack(0)), "{len}: {answer:?}");
            }
        }
    }
    assert_serves(home.address());
}

/// dnsmasq: an option without a value made it follow a null pointer.
#[test]
fn cve_2009_2958_options_without_a_value() {
    let home = Home::new(&[]);
    for tail in [&b"blksize"[..], b"blksize\0", b"blksize\0\0", b"\0", b"\0\0\0", b"blksize\0 \0"] {
        let peer = Peer::new(home.address());
        let (answer, port) = peer.ask(&[&rrq(b"file", &[]), tail].concat());
        assert_eq!(block(&answer), Some((1, FILE)), "{tail:?}");
        peer.tell(port, &ack(1));
    }
    assert_serves(home.address());
}

/// atftpd: a series of multicast requests ended in an assertion.
#[test]
fn cve_2020_6097_multicast_requests() {
    let home = Home::new(&[]);
    for value in ["", "0", "1", "224.0.0.1,1758,1", ",,1", "255.255.255.255,0,0"] {
        for _ in 0..3 {
            let peer = Peer::new(home.address());
            let (answer, port) = peer.ask(&rrq(b"file", &[("multicast", value), ("blksize", "1024")]));
            assert_eq!(answer, oack(&[("blksize", "1024")]), "nothing but what is known is granted");
            peer.tell(port, &ack(0));
            assert_eq!(block(&peer.hear().0), Some((1, FILE)));
            peer.tell(port, &ack(1));
        }
        let (answer, _) = Peer::new(home.address()).ask(&rrq(b"file", &[("multicast", value)]));
        assert_eq!(block(&answer), Some((1, FILE)), "no OACK for it");
    }
    assert_serves(home.address());
}

/// atftpd: many options overflowed the buffer of the OACK, and were read beyond its end.
#[test]
fn cve_2021_41054_more_options_than_an_oack_holds() {
    let home = Home::new(&[]);
    let known = [("blksize", "65464"), ("windowsize", "65535"), ("timeout", "255"), ("tsize", "18446744073709551615")];
    for count in [1, 10, 100, 600] {
        let many: Vec<_> = known.into_iter().cycle().take(4 * count).collect();
        let peer = Peer::new(home.address());
        let (answer, port) = peer.ask(&rrq(b"file", &many));
        assert_eq!(answer[..2], [0, 6], "{answer:?}");
        assert_eq!(answer[2..].split(|byte| *byte == 0).filter(|part| *part == b"blksize").count(), 1, "each once");
        assert!(answer.len() < 100, "{answer:?}");
        // And an OACK from a client, with data behind it.
        peer.tell(port, &[&oack(&many)[..], &[7; 1000]].concat());
        peer.tell(port, &ack(0));
        assert_eq!(block(&peer.hear().0), Some((1, FILE)));
        peer.tell(port, &ack(1));

        let unknown: Vec<_> = (0..count).map(|_| ("x-option", "x-value")).collect();
        let (answer, _) = Peer::new(home.address()).ask(&rrq(b"file", &unknown));
        assert_eq!(block(&answer), Some((1, FILE)));
    }
    assert_serves(home.address());
}

/// tftpd-hpa: the value of utimeout was copied into a buffer that was too small for it.
#[test]
fn cve_2011_2199_long_utimeout() {
    let home = Home::new(&[]);
    let long = "9".repeat(400);
    for value in ["", "0", "9", "10000", "255000000", "255000001", "4294967295", "18446744073709551616", "-1", &long] {
        for option in ["utimeout", "timeout", "blksize", "tsize", "windowsize", "blksize2", "rollover"] {
            let peer = Peer::new(home.address());
            let (answer, port) = peer.ask(&rrq(b"file", &[(option, value)]));
            if answer[..2] == [0, 6] {
                assert!(answer.len() < 60, "{option} {value}: {answer:?}");
                peer.tell(port, &ack(0));
                let (answer, _) = peer.hear();
                assert!(block(&answer).is_some(), "{option} {value}: {answer:?}");
                peer.tell(port, &error(0, b"enough"));
            } else {
                assert_eq!(block(&answer), Some((1, FILE)), "{option} {value}");
                peer.tell(port, &ack(1));
            }
        }
    }
    assert_serves(home.address());
}

/// Tftpd32: names were format strings for its log.
#[test]
fn cve_2006_0328_format_strings() {
    let mut home = Home::new(&["-v"]);
    for name in ["%n%n%s%s%x", "%.1024d", "%99999999999d", "{}{0}{:?}{name}", "$(id)`id`", "%1$n"] {
        for request in [rrq(name.as_bytes(), &[]), wrq(format!("no/{name}").as_bytes(), &[(name, name)])] {
            let (answer, _) = Peer::new(home.address()).ask(&request);
            assert_eq!(error_code(&answer), Some(1), "{name}");
        }
        home.server.wait_for_log(&[&format!("file=\"{name}\""), "direction=get"]);
        home.server.wait_for_log(&[&format!("file=\"no/{name}\""), "direction=put"]);
    }
    assert_serves(home.address());
}

/// TFTP Server SP: a long ERROR overflowed a buffer.
#[test]
fn cve_2008_2161_long_errors() {
    let mut home = Home::new(&[]);
    std::fs::write(Path::new(&home.root()).join("long"), [1; 5000]).unwrap();
    for len in [0, 508, 512, 1024, 1500, 60_000] {
        let long = error(0, &vec![b'E'; len]);
        let stranger = Peer::new(home.address());
        stranger.say(&long);
        stranger.say(&long[..long.len() - 1]);
        let download = Download::start(home.address(), "long").steps(2);
        let client = format!("client={}", download.peer.address());
        download.peer.tell(download.port, &long);
        let line = home.server.wait_for_log(&[&client, "outcome=client_error"]);
        assert!(line.len() < 600, "{} bytes of log", line.len());
        settle(home.address());
        assert_eq!((stranger.pending().len(), download.peer.pending().len()), (0, 0), "no answer to an ERROR");
    }
    assert_serves(home.address());
}

/// Tftpd32: names of DOS devices hung it. Here they are names like others, and devices of this system are no files.
#[test]
fn cve_2002_2237_devices() {
    let home = Home::new(&[]);
    for name in ["con", "aux", "com1", "COM1:", "nul", "prn", "lpt1.txt", "CON.", "a/aux"] {
        let (answer, _) = Peer::new(home.address()).ask(&rrq(name.as_bytes(), &[]));
        assert_eq!(error_code(&answer), Some(1), "{name}");
    }
    let root = home.root();
    let fifo = Path::new(&root).join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(Path::new(&root).join("socket")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", Path::new(&root).join("zero")).unwrap();
    for name in ["fifo", "socket", "zero", "dir", ".", "dir/.", "/"] {
        for request in [rrq(name.as_bytes(), &[]), wrq(name.as_bytes(), &[])] {
            let (answer, _) = Peer::new(home.address()).ask(&request);
            assert_eq!(error_code(&answer), Some(2), "{name}: {answer:?}");
        }
    }
    let (answer, _) = Peer::new(home.address()).ask(&rrq(b"/dev/zero", &[]));
    assert!(error_code(&answer).is_some());
    assert_serves(home.address());
}

/// Many servers: one forged ERROR, and two of them answered each other for ever. See [`loops`].
#[test]
fn cve_2024_2169_servers_that_answer_each_other() {
    loops::nothing_but_a_request_is_answered(&[]);
    loops::nothing_but_a_request_is_answered(&["--single-port"]);
}

/// A way out that shows only after the root was taken off the name.
#[test]
fn cve_2026_21620_traversal_after_the_root_is_stripped() {
    let home = Home::new(&["--overwrite"]);
    let root = home.root();
    let mut names: Vec<String> = [
        "../secret",
        "/../secret",
        "//../secret",
        "./../secret",
        "dir/../../secret",
        "dir/./.././../secret",
        "..\\secret",
        "\\..\\secret",
        "dir\\..\\..\\secret",
        "../root-sibling/secret",
        "../rootsecret",
        "/secret",
        "....//secret",
        "..././secret",
        "%2e%2e/secret",
        "..%2fsecret",
        "..%c0%afsecret",
        "root/../../secret",
        "../root/../secret",
        "/etc/passwd",
        "../../../../../../../../etc/passwd",
        "//etc/passwd",
        "C:\\..\\secret",
        "dir/../../root/../secret",
    ]
    .map(str::to_owned)
    .into();
    names.extend(
        ["/../secret", "secret", "-sibling/secret", "/../root-sibling/secret", "/dir/../../secret", "//..//secret"]
            .map(|tail| format!("{root}{tail}")),
    );
    for name in &names {
        let peer = Peer::new(home.address());
        let (answer, _) = peer.ask(&rrq(name.as_bytes(), &[]));
        assert!(matches!(error_code(&answer), Some(1 | 2)), "{name}: {answer:?}");
        assert!(!answer.windows(4).any(|part| part == b"root"), "{name}: {answer:?} tells where the root is");
        let (answer, port) = peer.ask(&wrq(name.as_bytes(), &[]));
        // What is legal beneath the root may be written there.
        if answer == ack(0) {
            peer.tell(port, &data(1, b"evil"));
            assert_eq!(peer.hear().0, ack(1));
        }
        home.assert_outside_untouched();
    }
    // Bytes that only look like dots and slashes.
    for name in [&b"\xc0\xae\xc0\xae/secret"[..], b"..\xc0\xafsecret", b"\xe0\x80\xae./secret", b"file\0/../secret"] {
        let (answer, _) = Peer::new(home.address()).ask(&rrq(name, &[]));
        assert!(!answer.windows(SECRET.len()).any(|part| part == SECRET));
    }
    home.assert_outside_untouched();
    let (answer, _) = Peer::new(home.address()).ask(&rrq(b"a..b", &[]));
    assert_eq!(error_code(&answer), Some(1), "dots in a name are legal");
}
