//! Receiving one datagram by a system call that waits for it.
//!
//! A loop's sockets do not block, because the call that takes several datagrams would wait for all of them. To wait for
//! one a socket changes its mode, and back when the loop asks it for several again.

use std::io;
use std::time::Duration;

use quinn_udp::RecvMeta;

use super::Socket;
use crate::runtime::AsyncSocket;

/// Whether receiving from a socket waits for a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), expect(dead_code, reason = "nothing waits there"))]
pub(super) enum Waiting {
    /// It must not, for whoever else has the socket would wait, too.
    Never,
    /// It could, once it has a limit.
    Unlimited,
    Not,
    Now,
}

impl Waiting {
    pub(super) fn new(is_ours: bool) -> Self {
        if is_ours { Self::Unlimited } else { Self::Never }
    }
}

impl<S> Socket<S> {
    /// Whether it may be waited for.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self.waiting, Waiting::Not | Waiting::Now)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl<S: AsyncSocket> Socket<S> {
    /// Whoever waits does so for no longer than this, or what the system's clock makes of it.
    pub(crate) fn limit_waiting(&mut self, limit: Duration) {
        use rustix::net::sockopt::{Timeout, set_socket_timeout};

        if self.waiting == Waiting::Unlimited
            && set_socket_timeout(self.io.socket().0, Timeout::Recv, Some(limit)).is_ok()
        {
            self.waiting = Waiting::Not;
        }
    }

    /// Receives a datagram, or a train of them, into `slot`. A signal ends the waiting, too: one that comes again and
    /// again must not make it endless.
    pub(super) fn wait(&mut self, slot: &mut [u8]) -> io::Result<RecvMeta> {
        self.start_waiting()?;
        linux::receive(self.io.socket(), slot)
    }

    /// Receiving waits from now on. Sending never does.
    fn start_waiting(&mut self) -> io::Result<()> {
        match self.waiting {
            Waiting::Now => {}
            Waiting::Not => {
                rustix::io::ioctl_fionbio(self.io.socket().0, false)?;
                self.waiting = Waiting::Now;
            }
            Waiting::Unlimited | Waiting::Never => return Err(io::ErrorKind::Unsupported.into()),
        }
        Ok(())
    }

    /// Receiving does not wait any more.
    pub(super) fn stop_waiting(&mut self) -> io::Result<()> {
        if self.waiting == Waiting::Now {
            rustix::io::ioctl_fionbio(self.io.socket().0, true)?;
            self.waiting = Waiting::Not;
        }
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use std::io::{self, IoSliceMut};
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
    use quinn_udp::RecvMeta;

    use crate::runtime::SocketRef;

    /// Room for the segment size, the address, and what else a socket may be asked to tell.
    #[repr(align(16))]
    struct Control([u8; 256]);

    pub(super) fn receive(io: SocketRef<'_>, slot: &mut [u8]) -> io::Result<RecvMeta> {
        let mut control = Control([0; 256]);
        let mut slots = [IoSliceMut::new(slot)];
        let received =
            recvmsg::<SockaddrStorage>(io.0.as_raw_fd(), &mut slots, Some(&mut control.0), MsgFlags::empty())?;
        let address = received.address.as_ref().and_then(|address| match address.as_sockaddr_in() {
            Some(v4) => Some(SocketAddr::V4(SocketAddrV4::from(*v4))),
            None => address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))),
        });
        let mut meta = RecvMeta::default();
        meta.addr = address.ok_or(io::ErrorKind::InvalidData)?;
        meta.len = received.bytes;
        meta.stride = received.bytes;
        for message in received.cmsgs()? {
            match message {
                ControlMessageOwned::UdpGroSegments(size) => {
                    meta.stride = usize::try_from(size).map_err(|_| io::ErrorKind::InvalidData)?;
                }
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    meta.dst_ip = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    meta.dst_ip = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => {}
            }
        }
        Ok(meta)
    }
}

/// Elsewhere sending might wait, too.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl<S: AsyncSocket> Socket<S> {
    pub(crate) fn limit_waiting(&mut self, _limit: Duration) {}

    pub(super) fn wait(&mut self, _slot: &mut [u8]) -> io::Result<RecvMeta> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn stop_waiting(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::ErrorKind;
    use std::net::{IpAddr, UdpSocket};
    use std::time::Duration;

    use quinn_udp::UdpSockRef;

    use super::linux::receive;
    use crate::runtime::SocketRef;
    use crate::udp::{BindOptions, BoundSocket, bind};

    fn waiting(address: &str) -> BoundSocket {
        let socket = bind(address.parse().unwrap(), &BindOptions::default()).unwrap();
        socket.socket.set_nonblocking(false).unwrap();
        socket.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        socket
    }

    /// A datagram, a train of three and an empty one are told apart, with their peer and the address they were sent to.
    fn tells_what_came(bound_to: &str, sent_to: &str) {
        let socket = waiting(bound_to);
        let to = (sent_to.parse::<IpAddr>().unwrap(), socket.local_addr().port()).into();
        let peer = UdpSocket::bind((sent_to, 0)).unwrap();
        let state = quinn_udp::UdpSocketState::new(UdpSockRef::from(&peer)).unwrap();
        let mut slot = [0; 1000];
        for (contents, segment) in [(&b"datagram"[..], None), (b"threefourfive", Some(5)), (b"", None)] {
            if segment.is_some() && state.max_gso_segments() == 1 {
                continue;
            }
            let train =
                quinn_udp::Transmit { destination: to, ecn: None, contents, segment_size: segment, src_ip: None };
            state.try_send(UdpSockRef::from(&peer), &train).unwrap();
            let meta = receive(SocketRef::from(&socket.socket), &mut slot).unwrap();
            assert_eq!(&slot[..meta.len], contents);
            assert_eq!(meta.stride, segment.unwrap_or(contents.len()));
            assert_eq!(meta.addr, peer.local_addr().unwrap());
            assert_eq!(meta.dst_ip, Some(to.ip()).filter(|_| socket.local_addr().ip().is_unspecified()));
        }
        let empty = receive(SocketRef::from(&socket.socket), &mut slot).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock, "it waits no longer than it may");
    }

    #[test]
    fn what_is_waited_for_comes_with_all_that_is_known_of_it() {
        tells_what_came("127.0.0.1:0", "127.0.0.1");
        tells_what_came("0.0.0.0:0", "127.0.0.3");
        if UdpSocket::bind("[::1]:0").is_ok() {
            tells_what_came("[::1]:0", "::1");
            tells_what_came("[::]:0", "::1");
        }
    }
}
