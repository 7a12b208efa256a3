//! What a server allows.

use std::fs;

use super::fake::{Raw, ack, oack, request};
use super::support::{Server, names, pattern, run, run_with_input, text, wait_until};

fn put(server: &Server, name: &str, bytes: &[u8]) -> i32 {
    run_with_input(&["put", "-", &server.host(), name], bytes).code.unwrap()
}

fn get(server: &Server, name: &str) -> (i32, Vec<u8>) {
    let ended = run(&["get", &server.host(), name, "-o", "-"]);
    (ended.code.unwrap(), ended.stdout)
}

#[test]
fn a_directory_is_read_only_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("old"), b"old").unwrap();
    // What is uploaded as a new file and over an existing one, and whether that should work.
    for (flags, new, existing) in [
        (&[][..], false, false),
        (&["--read-only"], false, false),
        (&["--create"], true, false),
        (&["--overwrite"], false, true),
        (&["--create", "--overwrite"], true, true),
    ] {
        let mut args = vec![text(directory.path())];
        args.extend_from_slice(flags);
        let server = Server::start(&args);
        assert_eq!(
            put(&server, "new", b"new"),
            if new {
                0
            } else if flags == ["--overwrite"] {
                3
            } else {
                4
            },
            "{flags:?}"
        );
        assert_eq!(put(&server, "old", b"changed"), if existing { 0 } else { 4 }, "{flags:?}");
        assert_eq!(get(&server, "old"), (0, if existing { b"changed".to_vec() } else { b"old".to_vec() }));
        assert_eq!(names(directory.path()).contains(&"new".to_owned()), new);
        let _ = fs::remove_file(directory.path().join("new"));
        fs::write(directory.path().join("old"), b"old").unwrap();
    }
}

#[test]
fn memory_takes_new_files_and_with_overwrite_changed_ones() {
    let server = Server::start(&[]);
    assert!(
        server.first.contains("memory (at most 256.0 MiB), downloads and uploads of new files"),
        "{}",
        server.first
    );
    assert_eq!((put(&server, "a", b"1"), put(&server, "a", b"2")), (0, 4));
    assert_eq!(get(&server, "a"), (0, b"1".to_vec()));
    let server = Server::start(&["memory:", "--overwrite"]);
    assert_eq!((put(&server, "a", b"1"), put(&server, "a", b"2")), (0, 0));
    assert_eq!(get(&server, "a"), (0, b"2".to_vec()));
}

#[test]
fn memory_is_bounded() {
    let server = Server::start(&["--max-memory", "100KB"]);
    assert_eq!(put(&server, "a", &pattern(60_000)), 0);
    assert_eq!(put(&server, "b", &pattern(60_000)), 4);
    assert_eq!(put(&server, "c", &pattern(30_000)), 0);
    assert_eq!(get(&server, "b").0, 3);
}

#[test]
fn uploads_are_capped_announced_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[text(directory.path()), "--create", "--max-upload", "10KB"]);
    assert!(server.first.contains("up to 9.8 KiB each"), "{}", server.first);
    assert_eq!(put(&server, "fits", &pattern(10_000)), 0);
    assert_eq!(put(&server, "stream", &pattern(10_001)), 4);
    let file = directory.path().join("fits");
    fs::write(&file, pattern(10_001)).unwrap();
    run(&["put", text(&file), &server.host(), "file"]).failed_with(4).says("ERROR 3");
    assert_eq!(names(directory.path()), ["fits"]);
}

#[test]
fn a_write_only_server_is_a_drop_box() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[text(directory.path()), "--create", "--write-only"]);
    assert_eq!(put(&server, "a", b"a"), 0);
    assert_eq!(get(&server, "a"), (4, Vec::new()));
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"a");
}

#[test]
fn nothing_leads_out_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(directory.path().join("secret"), b"secret").unwrap();
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    let server = Server::start(&[text(&root), "--create", "--overwrite"]);
    for name in ["../secret", "..\\secret", "link", "/../secret", "x/../../secret"] {
        let (code, bytes) = get(&server, name);
        assert!(code != 0 && bytes.is_empty(), "{name}");
        assert_ne!(put(&server, name, b"changed"), 0, "{name}");
    }
    assert_eq!(fs::read(directory.path().join("secret")).unwrap(), b"secret");
}

#[test]
fn options_are_capped_and_switched_off() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), pattern(5000)).unwrap();
    let asked = ["blksize", "8192", "windowsize", "32", "tsize", "0", "timeout", "2"];
    for (flags, granted) in [
        (
            &["--max-block-size", "1000", "--max-window", "8"][..],
            &["blksize", "1000", "timeout", "2", "tsize", "5000", "windowsize", "8"][..],
        ),
        (&["--disable-option", "tsize", "--disable-option", "timeout"], &["blksize", "8192", "windowsize", "32"]),
    ] {
        let mut args = vec![text(directory.path())];
        args.extend_from_slice(flags);
        let server = Server::start(&args);
        let raw = Raw::new();
        raw.send(server.address, &request(1, b"a", &asked));
        assert_eq!(raw.receive().0, oack(granted), "{flags:?}");
    }
    let all = "blksize,blksize2,timeout,utimeout,tsize,windowsize,rollover";
    let server = Server::start(&[text(directory.path()), "--disable-option", all]);
    let raw = Raw::new();
    raw.send(server.address, &request(1, b"a", &asked));
    let (first, from) = raw.receive();
    assert_eq!((first.len(), &first[..4]), (516, &[0, 3, 0, 1][..]));
    assert!(raw.read_file(first, from) == pattern(5000));
}

#[test]
fn an_abandoned_upload_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&[text(directory.path()), "--create"]);
    let raw = Raw::new();
    raw.send(server.address, &request(2, b"a", &[]));
    let (packet, from) = raw.receive();
    assert_eq!(packet, ack(0));
    raw.send(from, &super::fake::data(1, &[1; 512]));
    assert_eq!(raw.receive().0, ack(1));
    raw.send(from, &super::fake::error(0, b"changed my mind"));
    let line = server.line("direction=put");
    assert!(line.contains(r#"outcome=client_error reason="ERROR 0: changed my mind""#), "{line}");
    wait_until("the upload is cleaned up", || names(directory.path()).is_empty());
}
