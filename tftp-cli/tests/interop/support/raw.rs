//! A client by hand, for what no real one does on purpose.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket that speaks one datagram at a time.
pub(crate) struct Raw {
    socket: UdpSocket,
}

/// A received datagram, taken apart as far as the tests need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Data(u16, Vec<u8>),
    Ack(u16),
    Error(u16, String),
    Oack(Vec<u8>),
    Other(Vec<u8>),
}

impl Packet {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        match bytes {
            [0, 3, a, b, data @ ..] => Self::Data(u16::from_be_bytes([*a, *b]), data.to_vec()),
            [0, 4, a, b] => Self::Ack(u16::from_be_bytes([*a, *b])),
            [0, 5, a, b, message @ ..] => {
                let message = message.strip_suffix(&[0]).unwrap_or(message);
                Self::Error(u16::from_be_bytes([*a, *b]), String::from_utf8_lossy(message).into_owned())
            }
            [0, 6, options @ ..] => Self::Oack(options.to_vec()),
            other => Self::Other(other.to_vec()),
        }
    }
}

impl Raw {
    pub(crate) fn new(local: IpAddr) -> Self {
        let socket = UdpSocket::bind((local, 0)).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { socket }
    }

    /// From now on the kernel drops whatever comes from elsewhere.
    pub(crate) fn connect(&self, to: SocketAddr) {
        self.socket.connect(to).expect("connecting a UDP socket");
    }

    pub(crate) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to).expect("sending");
    }

    /// An RRQ or WRQ without options.
    pub(crate) fn request(&self, to: SocketAddr, opcode: u8, name: &str) {
        self.send(to, &request(opcode, name));
    }

    pub(crate) fn ack(&self, to: SocketAddr, block: u16) {
        self.send(to, &[&[0, 4][..], &block.to_be_bytes()].concat());
    }

    pub(crate) fn data(&self, to: SocketAddr, block: u16, data: &[u8]) {
        self.send(to, &[&[0, 3][..], &block.to_be_bytes(), data].concat());
    }

    pub(crate) fn error(&self, to: SocketAddr, code: u16, message: &str) {
        self.send(to, &[&[0, 5][..], &code.to_be_bytes(), message.as_bytes(), &[0]].concat());
    }

    /// The next datagram and who sent it.
    #[track_caller]
    pub(crate) fn receive(&self) -> (Packet, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (len, from) = self.socket.recv_from(&mut buffer).expect("an answer");
        (Packet::parse(&buffer[..len]), from)
    }
}

fn request(opcode: u8, name: &str) -> Vec<u8> {
    [&[0, opcode][..], name.as_bytes(), b"\0octet\0"].concat()
}
