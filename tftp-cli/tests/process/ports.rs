//! Where a server listens and from where it answers.

use std::net::UdpSocket;

use rustix::process::Signal;

use super::fake::{Raw, request};
use super::support::{Server, command, run};

/// The port that a request for a missing file is answered from.
fn answering_port(server: &Server) -> u16 {
    let raw = Raw::new();
    raw.send(server.address, &request(1, b"missing", &[]));
    let (packet, from) = raw.receive();
    assert_eq!(&packet[..4], [0, 5, 0, 1]);
    from.port()
}

#[test]
fn answers_come_from_another_port_by_default() {
    let server = Server::start(&[]);
    assert_ne!(answering_port(&server), server.address.port());
}

#[test]
fn a_port_range_pins_the_answers() {
    let server = Server::start(&["--port-range", "41000-49000"]);
    for _ in 0..4 {
        assert!((41_000..=49_000).contains(&answering_port(&server)));
    }
}

#[test]
fn single_port_answers_from_the_listening_port() {
    let server = Server::start(&["--single-port"]);
    assert_eq!(answering_port(&server), server.address.port());
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    // Not every system has all of 127.0.0.0/8.
    if UdpSocket::bind("127.0.0.2:0").is_err() {
        return;
    }
    let mut server = Server::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]);
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let raw = Raw::new();
        let asked = server.addresses.iter().find(|address| address.ip().to_string() == ip).unwrap();
        raw.send(*asked, &request(1, b"missing", &[]));
        assert_eq!(raw.receive().1.ip(), asked.ip());
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn settings_come_from_the_environment() {
    let mut command = command(&["serve"]);
    command.env("TFTP_LISTEN", "127.0.0.1:0,127.0.0.1:0").env("TFTP_SINGLE_PORT", "yes").env("TFTP_JSON", "1");
    let mut server = Server::spawn(&mut command);
    assert_eq!(answering_port(&server), server.address.port());
    run(&["put", env!("CARGO_MANIFEST_PATH"), &server.host()]).succeeded();
    let line = server.line("received");
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["file"], "Cargo.toml");
}

#[test]
fn a_port_in_use_is_refused_with_advice() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let ended = run(&["serve", "--listen", &address.to_string()]).failed_with(8);
    let ended = ended.says(&format!("cannot listen on {address}"));
    ended.says(&format!("ss -lunp 'sport = :{}'", address.port())).says("--listen :6969");
}

#[test]
fn an_address_of_another_host_is_refused_with_advice() {
    run(&["serve", "--listen", "192.0.2.1:0"]).failed_with(8).says("this host does not have the address");
}

#[test]
fn the_first_line_has_the_ports_the_system_chose() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    assert_eq!(server.addresses.len(), 2);
    assert!(server.addresses.iter().all(|address| address.port() != 0));
    assert_ne!(server.addresses[0], server.addresses[1]);
}

#[test]
#[cfg(target_os = "linux")]
fn several_threads_share_the_port_and_the_work() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), [7; 100_000]).unwrap();
    let root = root.path().to_str().unwrap();
    for ports in [&[][..], &["--single-port"], &["--port-range", "20000-30000"]] {
        let mut server = Server::start(&[&[root, "--threads", "3"], ports].concat());
        let ended = run(&["bench", &server.url("file"), "--clients", "50", "-w", "4", "--verify", "--json"]);
        let result = ended.succeeded().json();
        assert_eq!(result["transfers"]["completed"], 50, "{result}");
        let threads = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
        let named = |name: &str| name.starts_with("serve-");
        let comm =
            |thread: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(thread.unwrap().path().join("comm"));
        assert_eq!(threads.filter_map(|thread| comm(thread).ok()).filter(|name| named(name)).count(), 2);
        server.signal(Signal::TERM);
        assert_eq!(server.wait(), Some(0));
        let log = server.rest_of_log();
        assert!(log.contains("stopped after 50 downloads"), "{log}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn several_threads_take_no_port_from_another_server() {
    let server = Server::start(&["--threads", "2"]);
    let ended = run(&["serve", "--threads", "2", "--listen", &server.host()]).failed_with(8);
    ended.says(&format!("cannot listen on {}", server.host()));
    let ended = run(&["serve", "--threads", "3", "--port-range", "20000-20001", "--listen", "127.0.0.1:0"]);
    ended.failed_with(8).says("2 ports are not enough for 3 event loops").says("--port-range");
}
