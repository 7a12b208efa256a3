//! Started by a service manager: sockets that it opened, and what it is told.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;

use super::fake::{Raw, request};
use super::support::{DEADLINE, Server, finish, run, run_with_input, shell, text};

/// What systemd does: the socket becomes descriptor 3, and two variables say so.
const PASS: &str = r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" "$@""#;

fn activated(socket: impl Into<OwnedFd>, args: &[&str]) -> Command {
    let mut command = shell(PASS, args);
    command.stdin(socket.into());
    command
}

#[test]
fn the_request_that_started_the_server_is_answered() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let early = Raw::new();
    early.send(address, &request(1, b"missing", &[]));
    let mut server = Server::spawn(&mut activated(socket, &["serve"]));
    assert_eq!(server.addresses, [address]);
    let (packet, from) = early.receive();
    assert_eq!(&packet[..4], [0, 5, 0, 1]);
    assert_eq!(from.ip(), address.ip());
    assert_ne!(from.port(), address.port());
    server.line("using 1 socket of the service manager");
    run_with_input(&["put", "-", &server.url("a")], b"bytes").succeeded();
    assert_eq!(run(&["get", &server.url("a"), "-o", "-"]).succeeded().stdout, b"bytes");
}

#[test]
fn single_port_and_more_addresses_go_with_it() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let args = ["serve", "--single-port", "--listen", "127.0.0.1:0"];
    let server = Server::spawn(&mut activated(socket, &args));
    assert_eq!(server.addresses.len(), 2);
    for address in &server.addresses {
        let raw = Raw::new();
        raw.send(*address, &request(1, b"missing", &[]));
        assert_eq!(raw.receive().1, *address);
    }
}

#[test]
fn a_socket_of_both_families_is_served_in_both() {
    // Systems open IPv6 sockets for IPv4, too, unless told otherwise.
    let Ok(socket) = UdpSocket::bind("[::]:0") else { return };
    let port = socket.local_addr().unwrap().port();
    if UdpSocket::bind(("0.0.0.0", port)).is_ok() || UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    let server = Server::spawn(&mut activated(socket, &["serve"]));
    for (host, bytes) in [("127.0.0.1", b"four"), ("[::1]", b"six!")] {
        let url = format!("tftp://{host}:{port}/{}", host.len());
        run_with_input(&["put", "-", &url], bytes).succeeded();
        assert_eq!(run(&["get", &url, "-o", "-"]).succeeded().stdout, bytes);
    }
    assert_eq!(server.addresses.len(), 1);
}

#[test]
fn a_socket_of_another_kind_is_refused_with_advice() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = finish(activated(socket, &["serve"]).spawn().unwrap(), b"").failed_with(8);
    ended.says("a socket that the service manager passed").says("ListenDatagram=");
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let script = r#"exec 3<&0 0</dev/null; export LISTEN_PID=1 LISTEN_FDS=1; exec "$0" "$@""#;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut command = shell(script, &["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command.stdin(OwnedFd::from(socket)));
    assert_eq!(server.addresses.len(), 1);
    assert_ne!(server.address, address);
}

#[cfg(target_os = "linux")]
#[test]
fn the_service_manager_is_told_of_readiness_and_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let hear = || {
        let mut buffer = [0; 256];
        let len = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let mut command = super::support::command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut server = Server::spawn(command.env("NOTIFY_SOCKET", text(&path)));
    assert!(hear().contains("READY=1"));
    server.signal(Signal::TERM);
    assert!(hear().contains("STOPPING=1"));
    assert_eq!(server.wait(), Some(0));
}
