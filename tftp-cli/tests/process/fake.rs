//! Clients and servers made of raw packets, for what ours would never send.

use std::net::{SocketAddr, UdpSocket};

use super::support::DEADLINE;

/// A socket that speaks TFTP by hand.
pub(crate) struct Raw(pub(crate) UdpSocket);

impl Raw {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) fn send(&self, to: SocketAddr, packet: &[u8]) {
        self.0.send_to(packet, to).unwrap();
    }

    /// The next packet and its sender.
    #[track_caller]
    pub(crate) fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (len, from) = self.0.recv_from(&mut buffer).expect("a packet within the deadline");
        buffer.truncate(len);
        (buffer, from)
    }

    /// The next packet with this opcode; what comes before it is dropped.
    #[track_caller]
    pub(crate) fn receive_opcode(&self, opcode: u8) -> (Vec<u8>, SocketAddr) {
        loop {
            let (packet, from) = self.receive();
            if packet.get(1) == Some(&opcode) {
                return (packet, from);
            }
        }
    }

    /// Acknowledges blocks until the last one; the file.
    #[track_caller]
    pub(crate) fn read_file(&self, first: Vec<u8>, from: SocketAddr) -> Vec<u8> {
        let (mut packet, mut file, mut expected) = (first, Vec::new(), 1u16);
        loop {
            let block = u16::from_be_bytes([packet[2], packet[3]]);
            if packet[1] == 3 && block == expected {
                file.extend_from_slice(&packet[4..]);
                expected = expected.wrapping_add(1);
                self.send(from, &ack(block));
                if packet.len() < 516 {
                    return file;
                }
            }
            (packet, _) = self.receive();
        }
    }
}

/// A request: opcode 1 to read, 2 to write, octet.
pub(crate) fn request(opcode: u8, name: &[u8], options: &[&str]) -> Vec<u8> {
    let mut packet = vec![0, opcode];
    packet.extend_from_slice(name);
    packet.extend_from_slice(b"\0octet\0");
    for option in options {
        packet.extend_from_slice(option.as_bytes());
        packet.push(0);
    }
    packet
}

pub(crate) fn ack(block: u16) -> Vec<u8> {
    [[0, 4], block.to_be_bytes()].concat()
}

pub(crate) fn data(block: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 3][..], &block.to_be_bytes(), payload].concat()
}

pub(crate) fn error(code: u8, message: &[u8]) -> Vec<u8> {
    [&[0, 5, 0, code][..], message, b"\0"].concat()
}

/// An OACK of `name`, `value`, `name`, `value`…
pub(crate) fn oack(options: &[&str]) -> Vec<u8> {
    let mut packet = vec![0, 6];
    for text in options {
        packet.extend_from_slice(text.as_bytes());
        packet.push(0);
    }
    packet
}
