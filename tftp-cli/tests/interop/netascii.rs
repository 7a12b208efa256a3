//! Text, with line ends translated on both sides.

use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::support::{Client, Foreign, Ports, Program, Running, Serve, installed, same};

/// Lone CRs, lone LFs, both, NULs, and each of them across the edges of blocks of 512 bytes on the wire.
fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> =
        [&b""[..], b"\n", b"\r", b"\r\n", b"\n\r", b"line\nline\r\nline\rend", b"\0\r\0\n\r\r\n\n"]
            .iter()
            .map(|text| text.to_vec())
            .collect();
    for filling in 508..=513 {
        for end in [&b"\n"[..], b"\r", b"\r\n", b"\n\n\n", b"\r\r\r", b"\r\0\n"] {
            texts.push([&b"x".repeat(filling)[..], end, b"tail"].concat());
            texts.push([&b"x".repeat(filling)[..], end].concat());
        }
    }
    texts.push(b"\n".repeat(3000));
    texts.push(b"\r".repeat(3000));
    texts
}

fn encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'\n' => out.extend(b"\r\n"),
            b'\r' => out.extend(b"\r\0"),
            other => out.push(*other),
        }
    }
    out
}

fn run(command: &mut Command) {
    Running::start(command).finish().assert_success();
}

fn tftp_hpa(server: &Serve, verb: &str, from: &Path, to: &Path) {
    let (ip, port) = (server.address().ip().to_string(), server.address().port().to_string());
    run(Command::new("tftp").args(["-m", "netascii", &ip, &port, "-c", verb]).arg(from).arg(to));
}

#[test]
fn tftp_hpa_both_ways() {
    if Client::TFTP_HPA.installed().is_none() {
        return;
    }
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    for (number, text) in texts().iter().enumerate() {
        let (up, down) = (format!("up-{number}"), format!("down-{number}"));
        let local = here.path().join(&up);
        std::fs::write(&local, text).unwrap();
        tftp_hpa(&server, "put", &local, Path::new(&up));
        same(&root.path().join(&up), text).unwrap();

        std::fs::write(root.path().join(&down), text).unwrap();
        tftp_hpa(&server, "get", Path::new(&down), &here.path().join(&down));
        same(&here.path().join(&down), text).unwrap();
    }
    server.assert_drains();
}

#[test]
fn curl_sees_the_encoded_text() {
    if installed("curl", "curl").is_none() {
        return;
    }
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    for (number, text) in texts().iter().enumerate() {
        let name = format!("file-{number}");
        std::fs::write(root.path().join(&name), text).unwrap();
        let local = here.path().join(&name);
        // curl translates nothing itself.
        run(Command::new("curl")
            .args(["-q", "-g", "-sS", "--noproxy", "*", "--use-ascii", "-o"])
            .arg(&local)
            .arg(format!("tftp://{}/{name}", server.address())));
        // For an empty download, curl may leave no file.
        if !text.is_empty() || local.exists() {
            same(&local, &encoded(text)).unwrap();
        }
    }
    server.assert_drains();
}

fn ours(args: &[&str]) {
    run(Command::new(env!("CARGO_BIN_EXE_tftp-cli")).args(args).args(["--mode", "netascii"]));
}

#[test]
fn our_client_with_our_server() {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    for (number, text) in texts().iter().enumerate().step_by(5) {
        let (local, back) = (here.path().join("local"), here.path().join("back"));
        std::fs::write(&local, text).unwrap();
        let url = format!("tftp://{}/file-{number}", server.address());
        ours(&["put", local.to_str().unwrap(), &url]);
        same(&root.path().join(format!("file-{number}")), text).unwrap();
        ours(&["get", &url, "-o", back.to_str().unwrap()]);
        same(&back, text).unwrap();
    }
    server.assert_drains();
}

/// tftpd-hpa answers a netascii request that asks for its size with ERROR 8: our client must do without.
#[test]
fn our_client_with_tftpd_hpa() {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let Some(server) = Foreign::start(Program::TftpdHpa, root.path()) else { return };
    for (number, text) in texts().iter().enumerate().step_by(7) {
        let (local, back) = (here.path().join("local"), here.path().join("back"));
        std::fs::write(&local, text).unwrap();
        let url = format!("tftp://{}/file-{number}", server.address());
        ours(&["put", local.to_str().unwrap(), &url]);
        same(&root.path().join(format!("file-{number}")), text).unwrap();
        ours(&["get", &url, "-o", back.to_str().unwrap()]);
        same(&back, text).unwrap();
    }
}
