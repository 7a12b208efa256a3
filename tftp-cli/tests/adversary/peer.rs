//! A peer played by hand: it says exactly what it is told to, and knows exactly what it has heard.

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::support::unique_loopback;

/// When an answer that must come is taken to be missing. Far above what anything here needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Before something is sent again, as a client does, and how often.
const INTERVAL: Duration = Duration::from_secs(2);
const REPEATS: usize = 20;

pub(crate) const RRQ: u8 = 1;
pub(crate) const WRQ: u8 = 2;

/// A socket, and the server it talks to.
pub(crate) struct Peer {
    socket: UdpSocket,
    server: SocketAddr,
    /// How long the socket waits now.
    patience: Cell<Duration>,
}

impl Peer {
    /// On an address of its own.
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self::on(unique_loopback(), server)
    }

    pub(crate) fn on(ip: IpAddr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        Self { socket, server, patience: Cell::new(Duration::ZERO) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("an address")
    }

    /// Sends to where requests go.
    pub(crate) fn say(&self, bytes: &[u8]) {
        self.tell(self.server, bytes);
    }

    /// Sends to a transfer's own port.
    pub(crate) fn tell(&self, to: SocketAddr, bytes: &[u8]) {
        // The kernel reports an ICMP error of an earlier datagram here.
        let sent = self.socket.send_to(bytes, to).or_else(|_| self.socket.send_to(bytes, to)).expect("sending");
        assert_eq!(sent, bytes.len());
    }

    /// The next datagram, and who sent it.
    #[track_caller]
    pub(crate) fn hear(&self) -> (Vec<u8>, SocketAddr) {
        self.hear_within(PATIENCE).expect("an answer")
    }

    /// The next datagram, if one comes within this time.
    pub(crate) fn hear_within(&self, patience: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        if self.patience.replace(patience) != patience {
            self.socket.set_read_timeout(Some(patience)).expect("a timeout");
        }
        let mut buffer = vec![0; 65_536];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                buffer.truncate(len);
                Some((buffer, from))
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
                None
            }
        }
    }

    /// The next datagram; `again` is called when none comes.
    #[track_caller]
    pub(crate) fn insist(&self, again: impl Fn()) -> (Vec<u8>, SocketAddr) {
        for _ in 0..REPEATS {
            if let Some(heard) = self.hear_within(INTERVAL) {
                return heard;
            }
            again();
        }
        panic!("no answer, however often it was asked for");
    }

    /// Asks, and gives the answer and where it came from.
    #[track_caller]
    pub(crate) fn ask(&self, bytes: &[u8]) -> (Vec<u8>, SocketAddr) {
        self.say(bytes);
        self.hear()
    }

    /// What has come and was not heard yet.
    pub(crate) fn pending(&self) -> Vec<Vec<u8>> {
        self.socket.set_nonblocking(true).expect("switching");
        let mut all = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((len, _)) => all.push(buffer[..len].to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.socket.set_nonblocking(false).expect("switching");
        all
    }
}

/// Comes back when the server has dealt with all that was sent to it before, and its answers have been delivered:
/// loopback delivers at once, and each of these requests passes through the server's whole loop.
#[track_caller]
pub(crate) fn settle(server: SocketAddr) {
    let peer = Peer::new(server);
    for round in 0..3 {
        let request = rrq(format!("not-there-{round}").as_bytes(), &[]);
        peer.say(&request);
        // A server with too much to do may pass over a request.
        let (answer, _) = peer.insist(|| peer.say(&request));
        assert_eq!(error_code(&answer), Some(1), "{answer:?}");
    }
}

/// An RRQ in octet mode.
pub(crate) fn rrq(name: &[u8], options: &[(&str, &str)]) -> Vec<u8> {
    request(RRQ, name, options)
}

/// A WRQ in octet mode.
pub(crate) fn wrq(name: &[u8], options: &[(&str, &str)]) -> Vec<u8> {
    request(WRQ, name, options)
}

pub(crate) fn request(opcode: u8, name: &[u8], options: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = [&[0, opcode][..], name, b"\0octet\0"].concat();
    for (option, value) in options {
        bytes.extend([option.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    bytes
}

pub(crate) fn data(block: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 3][..], &block.to_be_bytes(), payload].concat()
}

pub(crate) fn ack(block: u16) -> Vec<u8> {
    [&[0, 4][..], &block.to_be_bytes()].concat()
}

pub(crate) fn error(code: u16, message: &[u8]) -> Vec<u8> {
    [&[0, 5][..], &code.to_be_bytes(), message, &[0]].concat()
}

pub(crate) fn oack(options: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![0, 6];
    for (option, value) in options {
        bytes.extend([option.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    bytes
}

/// The code of an ERROR.
pub(crate) fn error_code(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0, 5, a, b, ..] => Some(u16::from_be_bytes([*a, *b])),
        _ => None,
    }
}

/// The number and payload of a DATA.
pub(crate) fn block(bytes: &[u8]) -> Option<(u16, &[u8])> {
    match bytes {
        [0, 3, a, b, payload @ ..] => Some((u16::from_be_bytes([*a, *b]), payload)),
        _ => None,
    }
}
