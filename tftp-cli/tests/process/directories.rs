//! What the server does with a directory beyond serving it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use rustix::process::Signal;

use super::fake::{Raw, ack, data, request};
use super::support::{Server, names, run, run_with_input, text, wait_until};

fn put(server: &Server, name: &str, bytes: &[u8]) -> super::support::Ended {
    run_with_input(&["put", "-", &server.host(), name], bytes)
}

/// An upload of which one block has arrived.
fn half_way(server: &Server, name: &[u8]) -> Raw {
    let raw = Raw::new();
    raw.send(server.address, &request(2, name, &[]));
    let (packet, from) = raw.receive();
    assert_eq!(packet, ack(0));
    raw.send(from, &data(1, &[1; 512]));
    assert_eq!(raw.receive().0, ack(1));
    raw
}

#[test]
fn uploads_get_their_directories_mode_and_owner() {
    let directory = tempfile::tempdir().unwrap();
    let mut args = vec![text(directory.path()), "--create", "--create-dirs", "--chmod", "640"];
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        args.extend(["--owner", "nobody:4711"]);
    }
    let server = Server::start(&args);
    put(&server, "switches/7/running.cfg", b"config").succeeded();
    let metadata = fs::metadata(directory.path().join("switches/7/running.cfg")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    if is_root {
        assert_eq!((metadata.uid() != 0, metadata.gid()), (true, 4711));
    }
}

#[test]
fn an_owner_that_cannot_be_had_is_found_out_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let root = text(directory.path());
    run(&["serve", root, "--create", "--owner", "no-such-user"]).failed_with(2).says("there is no user no-such-user");
    run(&["serve", root, "--create", "--chmod", "rw"]).failed_with(2).says("three octal digits");
    run(&["serve", root, "--chmod", "640"]).failed_with(2).says("--chmod is for uploads, and none are taken");
    run(&["serve", "memory:", "--min-free", "1GB"]).failed_with(2).says("they go to memory");
}

#[test]
fn room_that_must_stay_free_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start(&[text(directory.path()), "--create", "--min-free", "1000000TB"]);
    put(&server, "a", b"a").failed_with(4).says("ERROR 3");
    let refused = server.line("direction=put");
    assert!(refused.contains(" WARN refused") && refused.contains("must stay so"), "{refused}");
    assert!(names(directory.path()).is_empty());
}

#[test]
fn case_and_absolute_links_are_minded_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("Boot")).unwrap();
    fs::write(directory.path().join("Boot/BCD"), b"bcd").unwrap();
    symlink("/Boot/BCD", directory.path().join("absolute")).unwrap();
    let get = |server: &Server, name: &str| run(&["get", &server.host(), name, "-o", "-"]).code;
    let plain = Server::start(&[text(directory.path())]);
    assert_eq!((get(&plain, "\\boot\\bcd"), get(&plain, "absolute")), (Some(3), Some(4)));
    let lenient = Server::start(&[text(directory.path()), "--ignore-case", "--absolute-links", "from-root"]);
    assert_eq!((get(&lenient, "\\boot\\bcd"), get(&lenient, "absolute")), (Some(0), Some(0)));
}

#[test]
fn of_two_servers_on_one_directory_one_takes_an_upload_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let args = [text(directory.path()), "--create", "--overwrite"];
    let (first, mut second) = (Server::start(&args), Server::start(&args));
    let _upload = half_way(&first, b"file");
    put(&second, "file", b"second").failed_with(4).says("ERROR 2").says("being written by another client");
    assert!(second.line("direction=put").contains("another server is writing a file of this name"));
    put(&second, "other", b"second").succeeded();

    // Dead, the first is in nobody's way, and what it had is gone.
    first.signal(Signal::KILL);
    wait_until("the name is free", || put(&second, "file", b"second").code == Some(0));
    assert_eq!(fs::read(directory.path().join("file")).unwrap(), b"second");
    assert_eq!(names(directory.path()), ["file", "other"]);
}
