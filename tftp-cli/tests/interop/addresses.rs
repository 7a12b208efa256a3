//! Answers leave from the address that was asked, whatever the server is bound to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tempfile::tempdir;

use crate::support::{Client, Packet, Ports, Raw, Serve, content, same, skip, unique_loopback};

fn wildcard(ports: &[&str]) -> Serve {
    let mut args = vec!["--listen", "0.0.0.0:0"];
    args.extend(ports);
    Serve::start_with(&args)
}

fn host_has_ipv6() -> bool {
    let found = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !found {
        skip("this host has no IPv6 loopback");
    }
    found
}

/// Uploads and downloads one file by hand, and looks at the source of every answer.
fn by_hand(asked: SocketAddr, local: IpAddr, connected: bool) {
    for (opcode, answer) in [(2, Packet::Ack(0)), (1, Packet::Data(1, b"hello".to_vec()))] {
        let raw = Raw::new(local);
        if connected {
            raw.connect(asked);
        }
        raw.request(asked, opcode, "greeting");
        let (packet, from) = raw.receive();
        assert_eq!((&packet, from.ip()), (&answer, asked.ip()), "{asked} asked");
        if opcode == 1 {
            raw.ack(from, 1);
        } else {
            raw.data(from, 1, b"hello");
            assert_eq!(raw.receive(), (Packet::Ack(1), from));
        }
        assert_eq!(connected, from.port() == asked.port(), "{asked} answered from {from}");
    }
}

#[test]
fn wildcard_ipv4_answers_from_the_asked_address() {
    for _ in 0..4 {
        let server = wildcard(&[]);
        by_hand(SocketAddr::new(unique_loopback(), server.address().port()), Ipv4Addr::LOCALHOST.into(), false);
        server.assert_drains();
    }
}

#[test]
fn wildcard_ipv4_single_port_serves_connected_sockets() {
    let server = wildcard(&["--single-port"]);
    by_hand(SocketAddr::new(unique_loopback(), server.address().port()), Ipv4Addr::LOCALHOST.into(), true);
    server.assert_drains();
}

#[test]
fn every_client_gets_its_answer_from_the_asked_address() {
    let here = tempdir().unwrap();
    let (bytes, local) = (content(1, 5000), here.path().join("file"));
    std::fs::write(&local, &bytes).unwrap();
    let server = wildcard(&[]);
    for (number, client) in Client::ALL.into_iter().filter_map(Client::installed).enumerate() {
        let asked = SocketAddr::new(unique_loopback(), server.address().port());
        let (name, back) = (format!("file-{number}"), here.path().join("back"));
        client.upload(asked, &local, &name);
        client.download(asked, &name, &back);
        same(&back, &bytes).unwrap();
    }
    server.assert_drains();
}

#[test]
fn ipv6_loopback() {
    if !host_has_ipv6() {
        return;
    }
    let here = tempdir().unwrap();
    let (bytes, local) = (content(6, 5000), here.path().join("file"));
    std::fs::write(&local, &bytes).unwrap();
    for ports in [&[][..], &["--single-port"]] {
        let server = Serve::start_with(&[&["--listen", "[::1]:0"], ports].concat());
        for (number, client) in Client::ALL.into_iter().filter_map(Client::installed).enumerate() {
            let (name, back) = (format!("file-{number}"), here.path().join("back"));
            client.upload(server.address(), &local, &name);
            client.download(server.address(), &name, &back);
            same(&back, &bytes).unwrap();
        }
        server.assert_drains();
    }
}

#[test]
fn one_server_on_several_addresses_of_both_families() {
    let one = SocketAddr::new(unique_loopback(), 0).to_string();
    let two = SocketAddr::new(unique_loopback(), 0).to_string();
    let mut args = vec!["--listen", &one, "--listen", &two];
    if host_has_ipv6() {
        args.extend(["--listen", "[::1]:0"]);
    }
    let server = Serve::start_with(&args);
    assert_eq!(server.addresses().len(), args.len() / 2, "{:?}", server.addresses());
    for (number, address) in server.addresses().iter().enumerate() {
        let local = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let (raw, name) = (Raw::new(local), format!("file-{number}"));
        raw.request(*address, 2, &name);
        let (packet, from) = raw.receive();
        assert_eq!((packet, from.ip()), (Packet::Ack(0), address.ip()));
        raw.data(from, 1, b"x");
        assert_eq!(raw.receive(), (Packet::Ack(1), from));
    }
    server.assert_drains();
}

#[test]
fn a_second_server_on_the_same_address_is_refused() {
    let server = Serve::start(Ports::Random, &[]);
    let address = server.address().to_string();
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_tftp-cli"))
        .args(["serve", "--listen", &address])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains(&address), "{}: {said}", second.status);
    server.assert_drains();
}
