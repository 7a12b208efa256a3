//! The floor: a server that does nothing but answer. No timer, no check, no file; what is lost stays lost.
//!
//! What it costs is what the kernel and copying the bytes cost. It receives with `recvmmsg` and GRO and sends windows
//! as GSO trains, in one thread, over one socket.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, SockRef, Type};
use tftp_proto::wire::{Direction, Options, Packet, Repr, write_data_header};

/// Datagrams, or trains, for one system call.
const SLOTS: usize = 32;
const SLOT_SIZE: usize = 1 << 16;
/// As many datagrams and bytes as the kernel takes in one train.
const MAX_TRAIN: usize = 64;
const MAX_TRAIN_BYTES: usize = 65_507;
/// What every file repeats: as large as the files of the table, so that caches help no more than they help others.
const CONTENT: usize = 64 << 20;
/// Room for the requests of a storm.
const RECEIVE_BUFFER: usize = 8 << 20;

/// One transfer, by its peer.
struct Peer {
    direction: Direction,
    block_size: usize,
    window: u64,
    /// Bytes in the file.
    size: u64,
    /// The last block acknowledged, or received.
    block: u64,
}

struct Floor {
    socket: UdpSocket,
    state: UdpSocketState,
    content: Vec<u8>,
    out: Vec<u8>,
    peers: HashMap<SocketAddr, Peer>,
}

pub(crate) fn run(listen: SocketAddr, crowd: bool) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(RECEIVE_BUFFER);
    socket.bind(&listen.into())?;
    let socket = UdpSocket::from(socket);
    let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
    rustix::net::sockopt::set_ip_mtu_discover(&socket, rustix::net::sockopt::Ipv4PathMtuDiscovery::DONT)?;
    // `quinn-udp` asks for the time, the class of service and the destination of each datagram, which nobody reads.
    setsockopt(&socket, sockopt::ReceiveTimestampns, &false)?;
    if listen.is_ipv4() {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &false)?;
        SockRef::from(&socket).set_recv_tos_v4(false)?;
    }
    // A batch cannot wait for its first datagram only, so a crowd's socket does not block, and poll(2) waits for it.
    SockRef::from(&socket).set_nonblocking(crowd)?;
    let mut floor = Floor {
        socket,
        state,
        content: vec![0; CONTENT + SLOT_SIZE],
        out: vec![0; MAX_TRAIN * SLOT_SIZE],
        peers: HashMap::new(),
    };
    fastrand::Rng::with_seed(1).fill(&mut floor.content);
    let mut bytes = vec![0; SLOTS * SLOT_SIZE];
    let mut metas = [RecvMeta::default(); SLOTS];
    loop {
        let mut slots: Vec<IoSliceMut<'_>> = bytes.chunks_exact_mut(SLOT_SIZE).map(IoSliceMut::new).collect();
        let usable = if crowd { &mut slots[..] } else { &mut slots[..1] };
        let received = match floor.state.recv(UdpSockRef::from(&floor.socket), usable, &mut metas) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&floor.socket, PollFlags::IN)], None)?;
                continue;
            }
            Err(_) => continue,
        };
        for (meta, slot) in metas.iter().zip(bytes.chunks_exact(SLOT_SIZE)).take(received) {
            for datagram in slot.get(..meta.len).unwrap_or_default().chunks(meta.stride.max(1)) {
                if let Ok(packet) = Packet::parse(datagram) {
                    floor.answer(meta.addr, packet);
                }
            }
        }
    }
}

impl Floor {
    fn answer(&mut self, from: SocketAddr, packet: Packet<'_>) {
        match packet {
            Packet::Request(request) => {
                let asked = request.options.parse().options;
                let options = Options { block_size: asked.block_size, window_size: asked.window_size, ..Options::NONE };
                let peer = Peer {
                    direction: request.direction,
                    block_size: asked.block_size.unwrap_or(512).into(),
                    window: asked.window_size.unwrap_or(1).into(),
                    size: size_of(request.filename),
                    block: 0,
                };
                self.peers.insert(from, peer);
                match request.direction {
                    _ if !options.is_empty() => self.send_repr(from, Repr::Oack(options)),
                    Direction::Read => self.send_window(from, 0),
                    Direction::Write => self.send_repr(from, Repr::Ack { block: 0 }),
                }
            }
            Packet::Ack { block } => self.send_window(from, block),
            Packet::Data { block, payload } => self.take(from, block, payload),
            Packet::Oack(_) | Packet::Error { .. } => {}
        }
    }

    /// The window behind an acknowledged block.
    fn send_window(&mut self, to: SocketAddr, acked: u16) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        if peer.direction != Direction::Read {
            return;
        }
        peer.block += u64::from(acked.wrapping_sub(peer.block as u16));
        let last = peer.size / peer.block_size as u64 + 1;
        if peer.block >= last {
            self.peers.remove(&to);
            return;
        }
        let (first, end) = (peer.block + 1, (peer.block + peer.window).min(last));
        let segment = peer.block_size + 4;
        let in_train = (MAX_TRAIN_BYTES / segment).clamp(1, MAX_TRAIN);
        let mut filled = 0;
        for block in first..=end {
            let offset = (block - 1) * peer.block_size as u64;
            let len = usize::try_from(peer.size - offset).unwrap_or(usize::MAX).min(peer.block_size);
            let start = (offset % CONTENT as u64) as usize;
            let Some((header, payload)) = self.out[filled..filled + 4 + len].split_first_chunk_mut() else { return };
            write_data_header(header, block as u16);
            payload.copy_from_slice(&self.content[start..start + len]);
            filled += 4 + len;
            if (block + 1 - first) % in_train as u64 == 0 || block == end {
                transmit(&self.socket, &self.state, to, &self.out[..filled], segment);
                filled = 0;
            }
        }
    }

    fn take(&mut self, from: SocketAddr, block: u16, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if block != (peer.block + 1) as u16 {
            return;
        }
        peer.block += 1;
        let last = payload.len() < peer.block_size;
        let due = last || peer.block % peer.window == 0;
        // It has to get somewhere.
        let start = (peer.block as usize * peer.block_size) % CONTENT;
        self.content[start..start + payload.len()].copy_from_slice(payload);
        if due {
            self.send_repr(from, Repr::Ack { block });
        }
        if last {
            self.peers.remove(&from);
        }
    }

    fn send_repr(&mut self, to: SocketAddr, repr: Repr<'_>) {
        if let Ok(len) = repr.emit(&mut self.out) {
            transmit(&self.socket, &self.state, to, &self.out[..len], len);
        }
    }
}

fn transmit(socket: &UdpSocket, state: &UdpSocketState, destination: SocketAddr, contents: &[u8], segment: usize) {
    let segment_size = (segment < contents.len()).then_some(segment);
    let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
    // Nothing is done about a failure, by design; except that a full buffer has to be waited for.
    while let Err(error) = state.try_send(UdpSockRef::from(socket), &transmit)
        && error.kind() == io::ErrorKind::WouldBlock
    {
        let _ = poll(&mut [PollFd::new(socket, PollFlags::OUT)], None);
    }
}

/// The number at the end of a name.
fn size_of(name: &[u8]) -> u64 {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = name.get(name.len() - digits..).unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_size() {
        assert_eq!(size_of(b"file-1048576"), 1_048_576);
        assert_eq!(size_of(b"probe"), 0);
        assert_eq!(size_of(b"a1b22"), 22);
    }
}
