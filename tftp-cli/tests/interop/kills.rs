//! `kill -9` in the middle: nothing partial is seen, nothing is left, nobody hangs.

use std::path::Path;

use tempfile::tempdir;

use crate::support::{Client, Gate, Ports, Relay, Running, Serve, content, eventually, same};

/// DATA packets before everything stands still: far from both ends of the file.
const MIDDLE: usize = 60;

/// Enough for several times that in the largest blocks used here.
const SIZE: usize = 1 << 21;

/// Every client in its own way.
const CLIENTS: [Client; 6] =
    [Client::TFTP_HPA, Client::ATFTP_WINDOW, Client::CURL, Client::BUSYBOX_BLOCKS, Client::OURS, Client::OURS_PLAIN];

/// The names in a directory, hidden ones included.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The names that a client could ask for.
fn visible(directory: &Path) -> Vec<String> {
    names(directory).into_iter().filter(|name| !name.starts_with(".tftp-upload-")).collect()
}

/// Starts a transfer, and brings it to a stop in its middle.
fn halfway(server: &Serve, start: impl FnOnce(std::net::SocketAddr) -> Running) -> (Running, Gate, Relay) {
    let gate = Gate::default();
    let relay = Relay::start(server.address(), gate.rule(MIDDLE));
    let process = start(relay.address());
    gate.wait_until_closed();
    (process, gate, relay)
}

#[test]
fn client_killed_in_mid_download() {
    for client in CLIENTS.into_iter().filter_map(Client::installed) {
        let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = content(1, SIZE);
        std::fs::write(root.path().join("file"), &bytes).unwrap();
        let mut server = Serve::directory(Ports::Random, root.path(), &["--give-up-after", "1s"]);
        let local = here.path().join("file");
        let (mut process, _gate, _relay) =
            halfway(&server, |address| Running::start(&mut client.get(address, "file", &local)));
        process.kill();
        server.wait_for_log(&["direction=get", "outcome=timeout"]);
        client.download(server.address(), "file", &local);
        same(&local, &bytes).unwrap();
        server.assert_drains();
    }
}

/// Without a relay in between, so that the kernel answers for the dead client: port unreachable.
#[test]
fn client_killed_in_mid_download_with_icmp() {
    let Some(client) = Client::TFTP_HPA.installed() else { return };
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = content(2, 64 << 20);
    std::fs::write(root.path().join("file"), &bytes).unwrap();
    let mut server = Serve::directory(Ports::Random, root.path(), &["--give-up-after", "1s"]);
    let local = here.path().join("file");
    let mut process = Running::start(&mut client.get(server.address(), "file", &local));
    eventually("the first bytes of a download", || {
        std::fs::metadata(&local).is_ok_and(|metadata| metadata.len() > 0).then_some(())
    });
    process.kill();
    server.wait_for_log(&["direction=get", "outcome=timeout"]);
    assert!(std::fs::metadata(&local).unwrap().len() < bytes.len() as u64, "killed too late");
    server.assert_drains();
}

#[test]
fn client_killed_in_mid_upload() {
    for client in CLIENTS.into_iter().filter_map(Client::installed) {
        let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
        let bytes = content(3, SIZE);
        let local = here.path().join("file");
        std::fs::write(&local, &bytes).unwrap();
        let mut server = Serve::directory(Ports::Random, root.path(), &["--give-up-after", "1s"]);
        let (mut process, _gate, _relay) =
            halfway(&server, |address| Running::start(&mut client.put(address, &local, "file")));
        assert_eq!(visible(root.path()), [""; 0]);
        process.kill();
        server.wait_for_log(&["direction=put", "outcome=timeout"]);
        eventually("a clean directory", || names(root.path()).is_empty().then_some(()));
        client.upload(server.address(), &local, "file");
        same(&root.path().join("file"), &bytes).unwrap();
        assert_eq!(names(root.path()), ["file"]);
        server.assert_drains();
    }
}

#[test]
fn client_killed_in_mid_upload_to_memory() {
    let here = tempdir().unwrap();
    let local = here.path().join("file");
    let bytes = content(4, SIZE);
    std::fs::write(&local, &bytes).unwrap();
    // Room for one such file only: the killed upload's must be given back.
    let mut server = Serve::start(Ports::Random, &["memory:", "--max-memory", "3MiB", "--give-up-after", "1s"]);
    let (mut process, _gate, _relay) =
        halfway(&server, |address| Running::start(&mut Client::OURS_PLAIN.put(address, &local, "file")));
    process.kill();
    server.wait_for_log(&["direction=put", "outcome=timeout"]);
    Client::OURS.upload(server.address(), &local, "file");
    Client::OURS.download(server.address(), "file", &here.path().join("back"));
    same(&here.path().join("back"), &bytes).unwrap();
    server.assert_drains();
}

#[test]
fn server_killed_in_mid_upload() {
    for client in CLIENTS.into_iter().filter_map(Client::installed) {
        for old in [None, Some(content(5, 70_000))] {
            let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
            let bytes = content(6, SIZE);
            let (stored, local) = (root.path().join("file"), here.path().join("file"));
            std::fs::write(&local, &bytes).unwrap();
            if let Some(old) = &old {
                std::fs::write(&stored, old).unwrap();
            }
            let server = Serve::directory(Ports::Random, root.path(), &["--overwrite"]);
            let (mut process, _gate, _relay) =
                halfway(&server, |address| Running::start(&mut client.put(address, &local, "file")));
            server.kill();
            let untouched = || match &old {
                None => assert_eq!(visible(root.path()), [""; 0]),
                Some(old) => same(&stored, old).unwrap(),
            };
            untouched();
            process.kill();

            let server = Serve::directory(Ports::Random, root.path(), &["--overwrite"]);
            untouched();
            assert_eq!(names(root.path()), visible(root.path()), "the new server cleans up");
            client.upload(server.address(), &local, "file");
            same(&stored, &bytes).unwrap();
            assert_eq!(names(root.path()), ["file"]);
            server.assert_drains();
        }
    }
}

/// Our client notices, says so with its exit code, and leaves the old file alone.
#[test]
fn server_killed_in_mid_download() {
    for old in [None, Some(content(7, 70_000))] {
        let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
        std::fs::write(root.path().join("file"), content(8, SIZE)).unwrap();
        let local = here.path().join("file");
        if let Some(old) = &old {
            std::fs::write(&local, old).unwrap();
        }
        let server = Serve::directory(Ports::Random, root.path(), &[]);
        let (process, _gate, _relay) = halfway(&server, |address| {
            Running::start(Client::OURS.get(address, "file", &local).args(["--give-up-after", "1s"]))
        });
        server.kill();
        let finished = process.finish();
        assert_eq!(finished.status.code(), Some(5), "{}", finished.stderr);
        match old {
            None => assert_eq!(names(here.path()), [""; 0]),
            Some(old) => {
                same(&local, &old).unwrap();
                assert_eq!(names(here.path()), ["file"]);
            }
        }
    }
}

/// Killed without a chance to clean up, our client leaves no partial file either.
#[test]
fn our_client_killed_in_mid_download_leaves_nothing() {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    std::fs::write(root.path().join("file"), content(9, SIZE)).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let (mut process, _gate, _relay) =
        halfway(&server, |address| Running::start(&mut Client::OURS.get(address, "file", &here.path().join("file"))));
    process.kill();
    assert_eq!(visible(here.path()), [""; 0]);
}
