//! The system call that sends.

/// Size in bytes from which a payload had better be sent from where it lies. Measured on Linux: a shorter one is sooner
/// copied than named to the system.
pub(crate) const GATHER_FROM: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 16 << 10 } else { usize::MAX };

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use gathering::send;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use whole::send;

/// From where the bytes lie, and with no control message that is not needed: `quinn-udp` sends one buffer, and its class
/// of service with each.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod gathering {
    use std::io::{self, IoSlice};
    use std::net::{IpAddr, SocketAddr};
    use std::os::fd::AsRawFd as _;

    use nix::errno::Errno;
    use nix::libc;
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, SockaddrIn6, SockaddrLike, sendmsg};
    use quinn_udp::UdpSocketState;
    use rustix::net::{SendFlags, sendto};

    use crate::runtime::SocketRef;

    /// Sends a datagram, or a train of datagrams of size `train`.
    pub(in crate::udp) fn send(
        io: SocketRef<'_>,
        _state: &UdpSocketState,
        destination: SocketAddr,
        source: Option<IpAddr>,
        train: Option<usize>,
        slices: &[IoSlice<'_>],
    ) -> io::Result<()> {
        // The system has less to look at. A socket whose receiver waits must not make its sender wait.
        if let ([whole], None, None) = (slices, train, source) {
            rustix::io::retry_on_intr(|| sendto(io.0, whole, SendFlags::DONTWAIT, &destination))?;
            return Ok(());
        }
        let segment;
        let train = match train {
            Some(size) => {
                segment = u16::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
                Some(ControlMessage::UdpGsoSegments(&segment))
            }
            None => None,
        };
        let (v4, v6);
        let source = match source {
            Some(IpAddr::V4(ip)) => {
                let s_addr = u32::from_ne_bytes(ip.octets());
                let ipi_spec_dst = libc::in_addr { s_addr };
                v4 = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst, ipi_addr: libc::in_addr { s_addr: 0 } };
                Some(ControlMessage::Ipv4PacketInfo(&v4))
            }
            Some(IpAddr::V6(ip)) => {
                v6 = libc::in6_pktinfo { ipi6_ifindex: 0, ipi6_addr: libc::in6_addr { s6_addr: ip.octets() } };
                Some(ControlMessage::Ipv6PacketInfo(&v6))
            }
            None => None,
        };
        match (train, source) {
            (Some(train), Some(source)) => send_to(io, destination, slices, &[train, source]),
            (Some(one), None) | (None, Some(one)) => send_to(io, destination, slices, &[one]),
            (None, None) => send_to(io, destination, slices, &[]),
        }
    }

    fn send_to(
        io: SocketRef<'_>,
        destination: SocketAddr,
        slices: &[IoSlice<'_>],
        control: &[ControlMessage<'_>],
    ) -> io::Result<()> {
        match destination {
            SocketAddr::V4(v4) => send_msg(io, &SockaddrIn::from(v4), slices, control),
            SocketAddr::V6(v6) => send_msg(io, &SockaddrIn6::from(v6), slices, control),
        }
    }

    fn send_msg<A: SockaddrLike>(
        io: SocketRef<'_>,
        destination: &A,
        slices: &[IoSlice<'_>],
        control: &[ControlMessage<'_>],
    ) -> io::Result<()> {
        loop {
            match sendmsg(io.0.as_raw_fd(), slices, control, MsgFlags::MSG_DONTWAIT, Some(destination)) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// From one buffer.
#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod whole {
    use std::io::{self, IoSlice};
    use std::net::{IpAddr, SocketAddr};

    use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};

    use crate::runtime::SocketRef;

    /// Sends a datagram, or a train of datagrams of size `train`.
    pub(in crate::udp) fn send(
        io: SocketRef<'_>,
        state: &UdpSocketState,
        destination: SocketAddr,
        source: Option<IpAddr>,
        train: Option<usize>,
        slices: &[IoSlice<'_>],
    ) -> io::Result<()> {
        let all: Vec<u8>;
        let contents: &[u8] = match slices {
            [one] => one,
            pieces => {
                all = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
                &all
            }
        };
        let transmit = Transmit { destination, ecn: None, contents, segment_size: train, src_ip: source };
        state.try_send(UdpSockRef::from(&io.0), &transmit)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, IoSlice};
    use std::net::{IpAddr, SocketAddr, UdpSocket};

    use quinn_udp::UdpSocketState;

    use crate::runtime::SocketRef;
    use crate::udp::{BindOptions, bind};

    type Send =
        fn(SocketRef<'_>, &UdpSocketState, SocketAddr, Option<IpAddr>, Option<usize>, &[IoSlice<'_>]) -> io::Result<()>;

    /// Sends pieces in each way to a plain socket, and answers what it received.
    fn received(from: &str, to: &str, source: Option<&str>, train: Option<usize>, pieces: &[&[u8]]) {
        let receiver = UdpSocket::bind(to).unwrap();
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let sender = bind(from.parse().unwrap(), &BindOptions::default()).unwrap();
        let (source, port) = (source.map(|ip| ip.parse().unwrap()), sender.local_addr().port());
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let whole = pieces.concat();
        for send in [super::send as Send, super::whole::send as Send] {
            let to = receiver.local_addr().unwrap();
            match send(SocketRef::from(&sender.socket), &sender.state, to, source, train, &slices) {
                Ok(()) => {}
                // An older kernel, or another system.
                Err(_) if train.is_some() && sender.state.max_gso_segments() == 1 => continue,
                Err(error) => panic!("{error}"),
            }
            let mut buffer = [0; 100];
            for datagram in whole.chunks(train.unwrap_or(whole.len())) {
                let (len, from) = receiver.recv_from(&mut buffer).unwrap();
                assert_eq!(&buffer[..len], datagram);
                assert_eq!(from.port(), port);
                assert_eq!(from.ip(), source.unwrap_or(sender.local_addr().ip()));
            }
        }
    }

    #[test]
    fn pieces_arrive_as_whole_datagrams_from_the_address_that_was_asked_for() {
        received("127.0.0.1:0", "127.0.0.1:0", None, None, &[b"whole"]);
        received("127.0.0.1:0", "127.0.0.1:0", None, None, &[b"head", b"body"]);
        received("127.0.0.1:0", "127.0.0.1:0", None, Some(5), &[b"hea", b"d1", b"hea", b"d", b"2", b"h3"]);
        if cfg!(target_os = "linux") {
            received("0.0.0.0:0", "127.0.0.1:0", Some("127.0.0.3"), None, &[b"head", b"body"]);
            received("0.0.0.0:0", "127.0.0.1:0", Some("127.0.0.3"), Some(3), &[b"one", b"tw", b"o", b"3"]);
        }
        if UdpSocket::bind("[::1]:0").is_ok() {
            received("[::1]:0", "[::1]:0", None, None, &[b"v6 whole"]);
            received("[::1]:0", "[::1]:0", None, Some(2), &[b"v", b"6v", b"6"]);
            received("[::]:0", "[::1]:0", Some("::1"), None, &[b"v6", b"body"]);
            received("[::]:0", "[::1]:0", Some("::1"), Some(3), &[b"one", b"tw", b"o", b"3"]);
        }
    }
}
