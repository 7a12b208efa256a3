//! The network of a machine in QEMU: a cable to one host, on which a TFTP server runs.
//!
//! QEMU hands over Ethernet frames as datagrams on loopback. Here is the other end: it answers ARP and DHCP, and passes what UDP
//! carries on to the server and back. What is under way to a machine that stands still waits in its socket, which holds
//! more frames than its network card.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, ArpPacketSlice, EtherType, Ethernet2Header, NetSlice, PacketBuilder,
    SlicedPacket, TransportSlice,
};

use super::dhcp;

pub(super) const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The server's hardware address.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TFTP: u16 = 69;
const EVERYBODY: [u8; 6] = [0xFF; 6];
const LOOK: Duration = Duration::from_millis(200);

/// Pulled out when dropped.
pub(super) struct Cable {
    host: SocketAddr,
    is_out: Arc<AtomicBool>,
}

impl Cable {
    /// `guest` is where the machine takes its frames; port 69 leads to `server`, and DHCP says to boot `file`.
    pub(super) fn plug(guest: SocketAddr, server: SocketAddr, file: &'static str) -> Self {
        let socket = UdpSocket::bind((guest.ip(), 0)).expect("a socket for frames");
        let host = socket.local_addr().expect("its address");
        socket.set_read_timeout(Some(LOOK)).expect("a time limit for frames");
        let is_out = Arc::new(AtomicBool::new(false));
        let end = End { socket: Arc::new(socket), guest, server, file, is_out: Arc::clone(&is_out) };
        std::thread::spawn(move || end.run());
        Self { host, is_out }
    }

    /// Where the machine sends its frames.
    pub(super) fn host(&self) -> SocketAddr {
        self.host
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.is_out.store(true, Ordering::Relaxed);
    }
}

/// The server's end.
#[derive(Clone)]
struct End {
    socket: Arc<UdpSocket>,
    guest: SocketAddr,
    server: SocketAddr,
    file: &'static str,
    is_out: Arc<AtomicBool>,
}

impl End {
    fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Relaxed)
    }

    fn run(self) {
        let mut ports = BTreeMap::new();
        let mut frame = [0; 2048];
        while !self.is_out() {
            if let Ok(len) = self.socket.recv(&mut frame) {
                self.take(&frame[..len], &mut ports);
            }
        }
    }

    /// A frame of the machine.
    fn take(&self, frame: &[u8], ports: &mut BTreeMap<u16, UdpSocket>) {
        let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return };
        match (&packet.net, &packet.transport) {
            (Some(NetSlice::Arp(arp)), _) => self.answer_arp(arp),
            (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) if ip.header().destination_addr() == SERVER => {
                let machine = frame[6..12].try_into().expect("six bytes");
                let socket = ports.entry(udp.source_port()).or_insert_with(|| self.open(machine, udp.source_port()));
                let port = if udp.destination_port() == TFTP { self.server.port() } else { udp.destination_port() };
                let _ = socket.send_to(udp.payload(), (self.server.ip(), port));
            }
            (Some(NetSlice::Ipv4(_)), Some(TransportSlice::Udp(udp)))
                if udp.destination_port() == dhcp::SERVER_PORT =>
            {
                if let Some(answer) = dhcp::answer(udp.payload(), self.file) {
                    let (to, ports) = ((EVERYBODY, Ipv4Addr::BROADCAST), (dhcp::SERVER_PORT, dhcp::CLIENT_PORT));
                    self.send(to, ports, &answer);
                }
            }
            _ => {}
        }
    }

    fn answer_arp(&self, request: &ArpPacketSlice<'_>) {
        if request.operation() != ArpOperation::REQUEST || request.target_protocol_addr() != SERVER.octets() {
            return;
        }
        let Ok(machine) = request.sender_hw_addr().try_into() else { return };
        let answer = ArpEthIpv4Packet {
            operation: ArpOperation::REPLY,
            sender_mac: MAC,
            sender_ipv4: SERVER.octets(),
            target_mac: machine,
            target_ipv4: MACHINE.octets(),
        };
        let header = Ethernet2Header { source: MAC, destination: machine, ether_type: EtherType::ARP };
        let mut frame = header.to_bytes().to_vec();
        frame.extend(ArpPacket::from(answer).to_bytes());
        let _ = self.socket.send_to(&frame, self.guest);
    }

    /// A port of the machine, and what comes to it.
    fn open(&self, machine: [u8; 6], port: u16) -> UdpSocket {
        let socket = UdpSocket::bind((self.server.ip(), 0)).expect("a port on loopback");
        socket.set_read_timeout(Some(LOOK)).expect("a time limit for datagrams");
        let (incoming, end) = (socket.try_clone().expect("a second handle"), self.clone());
        std::thread::spawn(move || {
            let mut datagram = [0; 2048];
            while !end.is_out() {
                let Ok((len, from)) = incoming.recv_from(&mut datagram) else { continue };
                let source = if from.port() == end.server.port() { TFTP } else { from.port() };
                end.send((machine, MACHINE), (source, port), &datagram[..len]);
            }
        });
        socket
    }

    /// A datagram to the machine.
    fn send(&self, (mac, ip): ([u8; 6], Ipv4Addr), (source, destination): (u16, u16), payload: &[u8]) {
        let builder =
            PacketBuilder::ethernet2(MAC, mac).ipv4(SERVER.octets(), ip.octets(), 64).udp(source, destination);
        let mut frame = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut frame, payload).expect("a frame in memory");
        let _ = self.socket.send_to(&frame, self.guest);
    }
}
