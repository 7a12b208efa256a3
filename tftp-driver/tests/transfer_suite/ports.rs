//! Which addresses and ports take part.

use std::net::{IpAddr, SocketAddr};

use tftp_driver::runtime::Runtime;
use tftp_driver::server::TransferPorts;

use super::rig::{LOCALHOST, Peer, Pieces, Rig, Running, content, download, memory};

/// An RRQ without options.
pub(crate) const RRQ: &[u8] = b"\0\x01file\0octet\0";

pub(crate) async fn there_and_back<R: Runtime>(rig: &Rig<R>, server: SocketAddr) {
    let data = content(1, 50_000);
    let client = rig.client();
    client.put(server, "up", Pieces(data.clone()), None).await.unwrap();
    assert!(download(&client, server, "up").await.unwrap() == data);
}

/// Files moved through a server with these ports, and the port that an answer comes from.
async fn through<R: Runtime>(rig: &Rig<R>, ports: TransferPorts) -> (Running, u16) {
    let memory = memory();
    memory.insert("file", "short").unwrap();
    let server = rig.serve_with(memory, |builder| builder.listen(LOCALHOST.parse().unwrap()).transfer_ports(ports));
    there_and_back(rig, server.address()).await;
    let mut peer = rig.peer();
    peer.send(RRQ, server.address());
    let (data, from) = peer.receive().await;
    assert_eq!(data, b"\0\x03\0\x01short");
    assert_eq!(from.ip(), server.address().ip());
    finish(&mut peer, from);
    (server, from.port())
}

fn finish<S: tftp_driver::runtime::AsyncSocket>(peer: &mut Peer<S>, server: SocketAddr) {
    peer.send(b"\0\x04\0\x01", server);
}

pub(crate) async fn random_ports<R: Runtime>(rig: Rig<R>) {
    let (server, port) = through(&rig, TransferPorts::default()).await;
    assert_ne!(port, server.address().port());
}

pub(crate) async fn a_range_of_ports<R: Runtime>(rig: Rig<R>) {
    // A neighbourhood that is free in part at least.
    let middle = std::net::UdpSocket::bind(LOCALHOST).unwrap().local_addr().unwrap().port();
    let range = middle.saturating_sub(50)..=middle.saturating_add(50);
    let (_server, port) = through(&rig, TransferPorts::Range(range.clone())).await;
    assert!(range.contains(&port));
}

pub(crate) async fn a_single_port<R: Runtime>(rig: Rig<R>) {
    let (server, port) = through(&rig, TransferPorts::Single).await;
    assert_eq!(port, server.address().port());
}

pub(crate) async fn over_ipv6<R: Runtime>(rig: Rig<R>) {
    for ports in [TransferPorts::default(), TransferPorts::Single] {
        let server =
            rig.serve_with(memory(), |builder| builder.listen("[::1]:0".parse().unwrap()).transfer_ports(ports));
        there_and_back(&rig, server.address()).await;
    }
}

pub(crate) async fn several_listen_addresses<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve_with(memory(), |builder| {
        ["127.0.0.1:0", "127.0.0.1:0", "127.0.0.3:0", "[::1]:0"]
            .into_iter()
            .fold(builder, |builder, address| builder.listen(address.parse().unwrap()))
    });
    assert_eq!(server.addresses.len(), 4);
    for address in &server.addresses {
        there_and_back(&rig, *address).await;
    }
}

pub(crate) async fn answers_come_from_the_address_that_was_asked<R: Runtime>(rig: Rig<R>) {
    for ports in [TransferPorts::default(), TransferPorts::Single] {
        let server =
            rig.serve_with(memory(), |builder| builder.listen("0.0.0.0:0".parse().unwrap()).transfer_ports(ports));
        // The client ignores every other source.
        for ip in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
            there_and_back(&rig, (ip.parse::<IpAddr>().unwrap(), server.address().port()).into()).await;
        }
    }
}
