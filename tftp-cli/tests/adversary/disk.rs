//! A disk that fills up in mid-upload: ERROR 3, nothing partial, and life goes on.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::support::{Ports, Serve, content, eventually, same, skip, unique_loopback};
use crate::transfers::{download, upload};

const DISK_FULL: u16 = 3;

/// `tftp-cli serve`, after `prepare` in a shell of its own.
fn serve(wrapper: &[&str], prepare: &str, root: &Path) -> Serve {
    let script = format!("{prepare} && exec \"$0\" \"$@\"");
    let mut words = wrapper.to_vec();
    words.extend(["sh", "-c", &script]);
    let listen = format!("{}:0", unique_loopback());
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(env!("CARGO_BIN_EXE_tftp-cli"));
    Serve::start_command(command.args(["serve", "--create", "--overwrite", "--listen", &listen]).arg(root))
}

/// `names` sees the directory as the server does.
fn fills_up(server: &Serve, names: impl Fn() -> Vec<String>) {
    let (old, small, large) = (content(1, 20_000), content(2, 30_000), content(3, 1 << 20));
    upload(server.address(), "old", &old).unwrap();
    for name in ["old", "new"] {
        assert_eq!(upload(server.address(), name, &large), Err(DISK_FULL), "{name}");
        eventually("nothing partial left", || (names() == ["old"]).then_some(()));
        assert!(download(server.address(), "old").unwrap() == old, "the old version is whole");
    }
    assert_eq!(download(server.address(), "new"), Err(1));
    upload(server.address(), "new", &small).unwrap();
    assert!(download(server.address(), "new").unwrap() == small);
    assert_eq!(names(), ["new", "old"]);
}

fn list(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_limit_on_the_size_of_files() {
    let root = tempdir().unwrap();
    // In blocks of 512 or of 1024 bytes, by shell. The signal would end the process.
    let server = serve(&[], "trap '' XFSZ && ulimit -f 400", root.path());
    fills_up(&server, || list(root.path()));
    same(&root.path().join("new"), &content(2, 30_000)).unwrap();
}

#[test]
fn a_file_system_without_room() {
    let root = tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=256k none '{}'", root.path().display());
    for wrapper in [&["unshare", "--map-root-user", "--mount"][..], &["unshare", "--mount"]] {
        let possible = Command::new(wrapper[0]).args(&wrapper[1..]).args(["sh", "-c", &mount]).output();
        if possible.is_ok_and(|output| output.status.success()) {
            let server = serve(wrapper, &mount, root.path());
            let inside = format!("/proc/{}/root{}", server.id(), root.path().display());
            fills_up(&server, || list(Path::new(&inside)));
            return;
        }
    }
    skip("a mount namespace with a tmpfs of our own is not allowed");
}

/// What was announced is neither believed nor prepared for.
#[test]
fn an_announced_size_reserves_nothing() {
    use crate::peer::{Peer, ack, data, error_code, settle, wrq};
    let root = tempdir().unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &["--max-upload", "1MiB"]);
    for size in ["9223372036854775807", "9223372036854775808", "18446744073709551615", "1048577"] {
        let (answer, port) = Peer::new(server.address()).ask(&wrq(b"file", &[("tsize", size)]));
        // More than allowed, or no number that a size can have.
        let refused = error_code(&answer) == Some(DISK_FULL);
        assert!(refused || answer == ack(0), "{size}: {answer:?}");
        let _ = port;
    }
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let peer = Peer::new(server.address());
    let (answer, port) = peer.ask(&wrq(b"big", &[("tsize", "9223372036854775807")]));
    assert_eq!(answer, [&b"\0\x06tsize\0"[..], b"9223372036854775807\0"].concat());
    peer.tell(port, &data(1, b"small"));
    assert_eq!(peer.hear().0, ack(1));
    same(&root.path().join("big"), b"small").unwrap();
    settle(server.address());
    assert!(crate::memory::peak(server.id()) < 100 << 10);
}
