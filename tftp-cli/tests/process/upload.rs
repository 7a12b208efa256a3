//! `put`, where it succeeds.

use std::fs;

use super::support::{Server, names, pattern, run, run_with_input, text};

#[test]
fn files_of_every_size_arrive_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source"), directory.path().join("target"));
    fs::create_dir_all(&source).unwrap();
    fs::create_dir_all(&target).unwrap();
    let server = Server::start(&[text(&target), "--create"]);
    let sizes = [0, 1, 511, 512, 513, 1428, 16 * 1428, 1 << 20];
    for size in sizes {
        let file = source.join(size.to_string());
        fs::write(&file, pattern(size)).unwrap();
        run(&["put", "-q", text(&file), &server.host()]).succeeded();
        assert!(fs::read(target.join(size.to_string())).unwrap() == pattern(size), "{size}");
    }
    assert_eq!(names(&target).len(), sizes.len());
}

#[test]
fn a_path_that_ends_in_a_slash_takes_the_name_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    fs::create_dir_all(target.join("backup")).unwrap();
    let file = directory.path().join("router.cfg");
    fs::write(&file, b"config").unwrap();
    let server = Server::start(&[text(&target), "--create"]);
    run(&["put", text(&file), &server.url("backup/")]).succeeded().says("\"backup/router.cfg\" on 127.0.0.1:");
    assert_eq!(fs::read(target.join("backup/router.cfg")).unwrap(), b"config");
}

#[test]
fn standard_input_has_no_size() {
    let mut server = Server::start(&["--json"]);
    let bytes = pattern(200_001);
    let ended = run_with_input(&["put", "-", &server.host(), "a", "--json"], &bytes).succeeded();
    let value = ended.json();
    assert_eq!(value["command"], "put");
    assert_eq!(value["local"], "-");
    assert_eq!(value["bytes"], 200_001);
    assert_eq!(value["announced_size"], serde_json::Value::Null);
    let line: serde_json::Value = serde_json::from_str(&server.line("received")).unwrap();
    assert!(!line["options"].as_str().unwrap().contains("tsize"), "{line}");
    let ended = run(&["get", &server.url("a"), "-o", "-"]).succeeded();
    assert!(ended.stdout == bytes);
}

#[test]
fn netascii_arrives_as_text_of_this_system() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[text(directory.path()), "--create"]);
    run_with_input(&["put", "-", &server.url("a;mode=netascii"), "-b", "8"], b"one\ntwo\rthree\r\n").succeeded();
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"one\ntwo\rthree\r\n");
}

#[test]
fn a_stream_needs_a_name() {
    run_with_input(&["put", "-", "127.0.0.1:9"], b"a").failed_with(2).says("the path on the server is missing");
    run_with_input(&["put", "-", "tftp://127.0.0.1:9/dir/"], b"a").failed_with(2);
}
