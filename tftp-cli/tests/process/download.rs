//! `get`, where it succeeds.

use std::fs;
use std::path::Path;

use super::support::{Server, names, pattern, run, run_in, run_with_input, text};

/// Sizes around the edges of blocks, of the RFC's and of ours.
const SIZES: [usize; 10] = [0, 1, 511, 512, 513, 1427, 1428, 1429, 16 * 1428, 1 << 20];

#[test]
fn files_of_every_size_come_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source"), directory.path().join("target"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&target).unwrap();
    for size in SIZES {
        fs::write(source.join(size.to_string()), pattern(size)).unwrap();
    }
    let server = Server::start(&[text(&source)]);
    // Together, because every download stays a moment for the last acknowledgement.
    std::thread::scope(|scope| {
        for size in SIZES {
            let (url, target) = (server.url(&size.to_string()), target.join(size.to_string()));
            scope.spawn(move || get_in_every_way(&url, size, &target));
        }
    });
    assert!(names(&target).is_empty());
}

fn get_in_every_way(url: &str, size: usize, target: &Path) {
    for extra in [&[][..], &["--no-options"], &["-b", "8192", "-w", "1"], &["-w", "64", "--disable-option", "tsize"]] {
        let mut args = vec!["get", "-q", url, "-o", text(target)];
        args.extend_from_slice(extra);
        run(&args).succeeded();
        assert!(fs::read(target).unwrap() == pattern(size), "{size} with {extra:?}");
        fs::remove_file(target).unwrap();
    }
}

#[test]
fn the_default_name_is_the_last_part_of_the_path() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("source/boot")).unwrap();
    fs::create_dir_all(directory.path().join("work")).unwrap();
    fs::write(directory.path().join("source/boot/menu.c32"), b"menu").unwrap();
    let server = Server::start(&[text(&directory.path().join("source"))]);
    let work = directory.path().join("work");
    let ended = run_in(&work, &["get", &server.host(), "/boot/menu.c32"]).succeeded();
    assert_eq!(fs::read(work.join("menu.c32")).unwrap(), b"menu");
    assert!(ended.stdout.is_empty());
    ended.says("-> menu.c32: 4 B in ");
    assert_eq!(names(&work), ["menu.c32"]);
}

#[test]
fn quiet_says_nothing() {
    let server = Server::start(&[]);
    run_with_input(&["put", "-q", "-", &server.url("a")], b"a").succeeded();
    let ended = run(&["get", "-q", &server.url("a"), "-o", "-"]).succeeded();
    assert_eq!((ended.stdout.as_slice(), ended.stderr.as_str()), (&b"a"[..], ""));
}

#[test]
fn standard_output_gets_the_bytes_and_nothing_else() {
    let server = Server::start(&[]);
    let bytes = pattern(300_000);
    run_with_input(&["put", "-", &server.url("a")], &bytes).succeeded();
    let ended = run(&["get", &server.url("a"), "-o", "-", "--json"]).succeeded();
    assert!(ended.stdout == bytes);
    let value: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(value["local"], "-");
    assert_eq!(value["bytes"], 300_000);
}

#[test]
fn json_tells_what_was_agreed() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&["--max-window", "4"]);
    run_with_input(&["put", "-", &server.url("a b")], &pattern(5000)).succeeded();
    let ended = run_in(directory.path(), &["get", &server.url("a%20b"), "--json", "-b", "1000"]).succeeded();
    assert_eq!(ended.stderr, "");
    let value = ended.json();
    assert_eq!(value["ok"], true);
    assert_eq!(value["command"], "get");
    assert_eq!(value["server"], server.host());
    assert_eq!(value["path"], "a b");
    assert_eq!(value["local"], "a b");
    assert_eq!(value["bytes"], 5000);
    assert_eq!(value["announced_size"], 5000);
    assert_eq!(value["block_size"], 1000);
    assert_eq!(value["window_size"], 4);
    assert_eq!(value["mode"], "octet");
    assert_eq!(value["exit_code"], 0);
    assert!(value["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn netascii_translates_the_ends_of_lines() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("motd"), "one\ntwo\rthree\n").unwrap();
    let server = Server::start(&[text(directory.path())]);
    let ended = run(&["get", &server.url("motd;mode=netascii"), "-o", "-"]).succeeded();
    assert_eq!(ended.stdout, b"one\ntwo\rthree\n");
    ended.says(", netascii");
    let ended = run(&["get", &server.host(), "motd", "-m", "netascii", "-o", "-", "-b", "8"]).succeeded();
    assert_eq!(ended.stdout, b"one\ntwo\rthree\n");
}

#[test]
fn ipv6_literals_work_where_there_is_ipv6() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let server = Server::start(&["--listen", "[::1]:0"]);
    run_with_input(&["put", "-", &server.url("a")], b"six").succeeded();
    let ended = run(&["get", &format!("[::1]:{}", server.address.port()), "a", "-o", "-"]).succeeded();
    assert_eq!(ended.stdout, b"six");
    let url = format!("tftp://localhost:{}/a", server.address.port());
    if run(&["get", "-6", &url, "-o", "-", "-q"]).code == Some(0) {
        run(&["get", "-4", &url, "-o", "-", "--timeout", "20ms", "--retries", "0"]).failed_with(5);
    }
}

#[test]
fn an_existing_file_is_replaced_by_success_only() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[]);
    run_with_input(&["put", "-", &server.url("a")], b"new").succeeded();
    let path = directory.path().join("a");
    fs::write(&path, b"old").unwrap();
    run(&["get", &server.url("missing"), "-o", text(&path)]).failed_with(3);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    run(&["get", &server.url("a"), "-o", text(&path)]).succeeded();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(names(directory.path()), ["a"]);
}

#[test]
fn paths_are_sent_as_they_are() {
    let server = Server::start(&["-v"]);
    let mut server = server;
    for (path, logged) in [("/a//b", r#"file="/a//b""#), ("a/../b", r#"file="a/../b""#), ("x%00y", "")] {
        if logged.is_empty() {
            run(&["get", &server.url(path), "-o", "-"]).failed_with(2).says("NUL");
        } else {
            assert_ne!(run(&["get", &server.url(path), "-o", "-"]).code, Some(0));
            server.line(logged);
        }
    }
}
