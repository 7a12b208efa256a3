//! Where files come from and go to: one SOURCE or several.

use std::fs;

use super::support::{Server, command, names, run, run_with_input, text};

fn put(server: &Server, name: &str, bytes: &[u8]) -> i32 {
    run_with_input(&["put", "-", &server.host(), name], bytes).code.unwrap()
}

fn get(server: &Server, name: &str) -> Result<String, i32> {
    let ended = run(&["get", &server.host(), name, "-o", "-"]);
    match ended.code {
        Some(0) => Ok(String::from_utf8(ended.stdout).unwrap()),
        code => Err(code.unwrap()),
    }
}

/// Directories with a file of their own, `own`, and what else is said.
fn directory(own: &str, files: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in files {
        fs::write(directory.path().join(file), own).unwrap();
    }
    directory
}

#[test]
fn a_file_that_one_source_lacks_comes_from_the_next() {
    let (first, second) = (directory("1", &["a", "both"]), directory("2", &["b", "both"]));
    let url = format!("file://{}", second.path().display());
    let server = Server::start(&[text(first.path()), &url, "memory:"]);
    let first_line = format!("serving directory {}, then directory {}", text(first.path()), text(second.path()));
    assert!(server.first.contains(&first_line), "{}", server.first);
    assert_eq!(get(&server, "a").as_deref(), Ok("1"));
    assert_eq!(get(&server, "b").as_deref(), Ok("2"));
    assert_eq!(get(&server, "both").as_deref(), Ok("1"));
    assert_eq!(get(&server, "c"), Err(3));
    // Memory is the only one that takes uploads by default, and hides nothing of the others.
    assert_eq!(put(&server, "c", b"3"), 0);
    assert_eq!(get(&server, "c").as_deref(), Ok("3"));
    assert_eq!(put(&server, "b", b"3"), 4);
    assert_eq!((names(first.path()).len(), names(second.path()).len()), (2, 2));
}

#[test]
fn uploads_go_to_the_first_that_takes_them_and_replace_nothing_elsewhere() {
    let (first, second) = (directory("1", &["a"]), directory("2", &["b"]));
    let sources = [text(first.path()), text(second.path()), "--create"];
    let server = Server::start(&sources);
    assert_eq!((put(&server, "new", b"new"), put(&server, "a", b"new"), put(&server, "b", b"new")), (0, 4, 4));
    assert_eq!((names(first.path()), names(second.path())), (vec!["a".into(), "new".into()], vec!["b".into()]));
    let server = Server::start(&[&sources[..], &["--overwrite"]].concat());
    assert_eq!((put(&server, "a", b"new"), put(&server, "b", b"new")), (0, 0));
    assert_eq!(get(&server, "b").as_deref(), Ok("new"));
    assert_eq!(fs::read(second.path().join("b")).unwrap(), b"2");
}

#[test]
fn uploads_go_where_they_are_told_to() {
    let (first, second, apart) = (directory("1", &["a"]), directory("2", &["b"]), directory("", &[]));
    let sources = [text(first.path()), text(second.path()), "--create", "--upload-to"];
    let server = Server::start(&[&sources[..], &[text(second.path())]].concat());
    assert_eq!((put(&server, "new", b"new"), put(&server, "a", b"new"), put(&server, "b", b"new")), (0, 4, 4));
    assert_eq!(names(second.path()), ["b", "new"]);
    let server = Server::start(&[&sources[..], &[text(apart.path())]].concat());
    assert_eq!((put(&server, "c", b"c"), put(&server, "a", b"a")), (0, 0));
    assert_eq!((get(&server, "c"), get(&server, "a").as_deref()), (Err(3), Ok("1")));
    assert_eq!(names(apart.path()), ["a", "c"]);
}

#[test]
fn the_environment_names_several_with_commas_the_command_line_does_not() {
    let (first, second, odd) = (directory("1", &["a"]), directory("2", &["b"]), tempfile::tempdir().unwrap());
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("TFTP_SOURCE", format!("{},{}", text(first.path()), text(second.path())));
    let server = Server::spawn(&mut serve);
    assert_eq!((get(&server, "a").as_deref(), get(&server, "b").as_deref()), (Ok("1"), Ok("2")));
    let with_comma = odd.path().join("a,b");
    fs::create_dir(&with_comma).unwrap();
    fs::write(with_comma.join("c"), "3").unwrap();
    let server = Server::start(&[text(&with_comma)]);
    assert_eq!(get(&server, "c").as_deref(), Ok("3"));
}

#[test]
fn a_source_that_cannot_be_served_says_what_can() {
    run(&["serve", "ftp://host/files"]).failed_with(2).says("ftp: is not among what can be served").says("memory:");
    run(&["serve", "file://srv/tftp"]).failed_with(2).says("three slashes");
    run(&["serve", "/srv", "--upload-to", "/in"]).failed_with(2).says("--upload-to needs --create or --overwrite");
    run(&["serve", "/nowhere/at/all"]).failed_with(6).says("cannot serve the directory /nowhere/at/all");
}
