//! Binding, and the socket options that have to be right from the start.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Type};

/// Settings of one socket.
#[derive(Debug, Clone)]
pub struct BindOptions {
    /// Receive buffer to ask for, in bytes; `None` leaves the system's default, which a few hundred small datagrams
    /// fill. Systems cap it silently: compare [`BoundSocket::recv_buffer`].
    pub recv_buffer: Option<usize>,
    /// Send buffer to ask for, in bytes.
    pub send_buffer: Option<usize>,
    /// An IPv6 socket takes IPv6 only, so that IPv4 can have a socket of its own.
    pub only_v6: bool,
    /// Datagrams above the MTU of the path leave in fragments. If not, the system refuses them.
    pub fragmentation: bool,
    /// Several sockets may share the port, and the system spreads the peers over them. Unix only; elsewhere ignored.
    pub reuse_port: bool,
    /// Size in bytes above which the datagrams of a train are sent one by one. It must not exceed the MTU of any path
    /// less the headers. `None` is what Ethernet carries: 1472 for IPv4, 1452 for IPv6. Loopback has no such limit.
    pub segment_limit: Option<usize>,
    /// Each datagram tells which address of this host it was sent to ([`Meta::local_ip`](crate::protocol::Meta)). It
    /// costs a little with each, on a socket bound to all addresses; on Linux it can be done without.
    pub local_ip: bool,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self {
            recv_buffer: None,
            send_buffer: None,
            only_v6: true,
            fragmentation: true,
            reuse_port: false,
            segment_limit: None,
            local_ip: true,
        }
    }
}

/// A bound UDP socket, not yet in the hands of a runtime.
#[derive(Debug)]
pub struct BoundSocket {
    pub(super) socket: UdpSocket,
    pub(super) state: UdpSocketState,
    pub(super) local_addr: SocketAddr,
    pub(super) segment_limit: Option<usize>,
    /// Nobody else receives from it, in this process or another.
    pub(super) is_ours: bool,
    recv_buffer: usize,
    send_buffer: usize,
}

/// Binds a UDP socket.
///
/// # Errors
/// Of kind [`Unsupported`](io::ErrorKind::Unsupported) for an IPv6 address on a host without IPv6: a caller that listens
/// on both families can go on without. Otherwise what the system says, such as `AddrInUse` or `PermissionDenied`.
pub fn bind(addr: SocketAddr, options: &BindOptions) -> io::Result<BoundSocket> {
    let open = || {
        let socket = socket2::Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        if addr.is_ipv6() {
            socket.set_only_v6(options.only_v6)?;
        }
        #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&addr.into())?;
        Ok(UdpSocket::from(socket))
    };
    let socket = open().map_err(|error: io::Error| match addr.is_ipv6() && is_missing_family(addr, &error) {
        true => io::Error::new(io::ErrorKind::Unsupported, "this host has no IPv6"),
        false => error,
    })?;
    Ok(BoundSocket { is_ours: true, ..BoundSocket::from_std(socket, options)? })
}

impl BoundSocket {
    /// Takes a socket that was bound elsewhere, such as one inherited from a service manager. `only_v6` and
    /// `reuse_port` are not applied: it is too late for them.
    ///
    /// # Errors
    /// If the system refuses one of the options that the loop depends on.
    pub fn from_std(socket: UdpSocket, options: &BindOptions) -> io::Result<Self> {
        let local_addr = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        if options.fragmentation {
            allow_fragmentation(&socket, local_addr)?;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        forgo_what_nobody_reads(&socket, local_addr, options);
        let (recv_buffer, send_buffer) = size_buffers(&socket, options)?;
        Ok(Self {
            socket,
            state,
            local_addr,
            segment_limit: options.segment_limit,
            is_ours: false,
            recv_buffer,
            send_buffer,
        })
    }

    /// Whether it takes IPv4 besides IPv6. None that [`bind`] made from the default options does.
    pub(crate) fn is_dual_stack(&self) -> bool {
        self.local_addr.is_ipv6() && SockRef::from(&self.socket).only_v6().is_ok_and(|only| !only)
    }

    /// The same socket once more.
    pub(crate) fn try_clone_std(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    /// The address it is bound to, with the port the system chose if 0 was asked.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The receive buffer granted, in bytes, counted as in [`BindOptions::recv_buffer`].
    pub fn recv_buffer(&self) -> usize {
        self.recv_buffer
    }

    /// The send buffer granted, in bytes.
    pub fn send_buffer(&self) -> usize {
        self.send_buffer
    }
}

/// Whether binding failed because the family does not exist here: not compiled in, or switched off, in which case not
/// even the wildcard and the loopback address can be had.
fn is_missing_family(addr: SocketAddr, error: &io::Error) -> bool {
    #[cfg(unix)]
    let not_supported = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    #[cfg(windows)]
    let not_supported = 10047; // WSAEAFNOSUPPORT
    error.raw_os_error() == Some(not_supported)
        || (error.kind() == io::ErrorKind::AddrNotAvailable && (addr.ip().is_unspecified() || addr.ip().is_loopback()))
}

/// Undoes what `UdpSocketState::new` does for QUIC, which probes the path's MTU by itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn allow_fragmentation(socket: &UdpSocket, local_addr: SocketAddr) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };

    // Of IPv6 sockets too: a dual-stack one sends IPv4.
    set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
    if local_addr.is_ipv6() {
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DONT)?;
        nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::Ipv6DontFrag, &false)?;
    }
    Ok(())
}

#[cfg(target_vendor = "apple")]
fn allow_fragmentation(socket: &UdpSocket, local_addr: SocketAddr) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};

    match local_addr.is_ipv6() {
        true => setsockopt(socket, sockopt::Ipv6DontFrag, &false)?,
        false => setsockopt(socket, sockopt::IpDontFrag, &false)?,
    }
    Ok(())
}

/// Elsewhere no safe wrapper exists; datagrams above the MTU are refused there.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn allow_fragmentation(_socket: &UdpSocket, _local_addr: SocketAddr) -> io::Result<()> {
    Ok(())
}

/// `UdpSocketState::new` also asks for the time and the class of service of every datagram, which QUIC reads, and for the
/// address it was sent to, which a socket bound to one address knows, and not every owner wants. Where that cannot be undone,
/// each datagram costs a little more, and nothing else happens.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn forgo_what_nobody_reads(socket: &UdpSocket, local_addr: SocketAddr, options: &BindOptions) {
    use std::net::IpAddr;

    use nix::sys::socket::{setsockopt, sockopt};

    let _ = setsockopt(socket, sockopt::ReceiveTimestampns, &false);
    let _ = match local_addr.ip().to_canonical() {
        ip if ip.is_unspecified() && options.local_ip => Ok(()),
        IpAddr::V4(_) if local_addr.is_ipv4() => setsockopt(socket, sockopt::Ipv4PacketInfo, &false),
        IpAddr::V4(_) => Ok(()),
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &false),
    };
    let socket = SockRef::from(socket);
    // Of IPv6 sockets too: a dual-stack one receives IPv4.
    let _ = socket.set_recv_tos_v4(false);
    if local_addr.is_ipv6() {
        let _ = socket.set_recv_tclass_v6(false);
    }
}

/// Asks for the buffers and reads back what was granted.
fn size_buffers(socket: &UdpSocket, options: &BindOptions) -> io::Result<(usize, usize)> {
    // Linux reports twice what was asked, because it counts its own bookkeeping.
    let share = if cfg!(any(target_os = "linux", target_os = "android")) { 2 } else { 1 };
    let socket = SockRef::from(socket);
    // Some systems answer a size above their limit with an error instead of the limit; the size granted tells both.
    if let Some(size) = options.recv_buffer {
        let _ = socket.set_recv_buffer_size(size);
        // A privileged process may exceed the limit.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if socket.recv_buffer_size()? / share < size {
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&*socket, size);
        }
    }
    if let Some(size) = options.send_buffer {
        let _ = socket.set_send_buffer_size(size);
    }
    Ok((socket.recv_buffer_size()? / share, socket.send_buffer_size()? / share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn localhost() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn datagrams_may_leave_in_fragments_unless_told_otherwise() {
        use nix::sys::socket::{getsockopt, sockopt};
        use rustix::net::sockopt::{Ipv4PathMtuDiscovery, ip_mtu_discover};

        for fragmentation in [true, false] {
            let options = BindOptions { fragmentation, ..BindOptions::default() };
            let v4 = bind(localhost(), &options).unwrap();
            assert_eq!(ip_mtu_discover(&v4.socket).unwrap() == Ipv4PathMtuDiscovery::DONT, fragmentation);
            match bind("[::1]:0".parse().unwrap(), &options) {
                Ok(v6) => assert_eq!(getsockopt(&v6.socket, sockopt::Ipv6DontFrag).unwrap(), !fragmentation),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
            }
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn datagrams_come_without_what_nobody_reads() {
        use nix::sys::socket::{getsockopt, sockopt};

        let v4 = bind(localhost(), &BindOptions::default()).unwrap();
        assert!(!getsockopt(&v4.socket, sockopt::ReceiveTimestampns).unwrap());
        assert!(!getsockopt(&v4.socket, sockopt::Ipv4PacketInfo).unwrap());
        assert!(!SockRef::from(&v4.socket).recv_tos_v4().unwrap());
        for local_ip in [true, false] {
            let any = bind("0.0.0.0:0".parse().unwrap(), &BindOptions { local_ip, ..BindOptions::default() }).unwrap();
            assert_eq!(getsockopt(&any.socket, sockopt::Ipv4PacketInfo).unwrap(), local_ip);
            if let Ok(any) = bind("[::]:0".parse().unwrap(), &BindOptions { local_ip, ..BindOptions::default() }) {
                assert_eq!(getsockopt(&any.socket, sockopt::Ipv6RecvPacketInfo).unwrap(), local_ip);
            }
        }
        // A dual-stack one, which receives either.
        match bind("[::]:0".parse().unwrap(), &BindOptions { only_v6: false, ..BindOptions::default() }) {
            Ok(v6) => {
                assert!(!getsockopt(&v6.socket, sockopt::ReceiveTimestampns).unwrap());
                assert!(getsockopt(&v6.socket, sockopt::Ipv6RecvPacketInfo).unwrap(), "it has many addresses");
                let socket = SockRef::from(&v6.socket);
                assert!(!socket.recv_tos_v4().unwrap() && !socket.recv_tclass_v6().unwrap());
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
    }

    #[test]
    fn the_buffers_granted_are_told_in_the_unit_they_were_asked_in() {
        let options = BindOptions { recv_buffer: Some(100_000), send_buffer: Some(50_000), ..BindOptions::default() };
        let socket = bind(localhost(), &options).unwrap();
        assert_eq!((socket.recv_buffer(), socket.send_buffer()), (100_000, 50_000));

        // Nobody gets this much; the shortfall shows.
        let socket = bind(localhost(), &BindOptions { send_buffer: Some(1 << 30), ..options }).unwrap();
        assert!(socket.send_buffer() < 1 << 30);
    }

    #[test]
    fn both_families_can_have_a_socket_on_one_port() {
        let Ok(v6) = bind("[::]:0".parse().unwrap(), &BindOptions::default()) else { return };
        let v4 = SocketAddr::from(([0, 0, 0, 0], v6.local_addr().port()));
        // Another test may happen to hold the port.
        match bind(v4, &BindOptions::default()) {
            Ok(v4) => assert_eq!(v4.local_addr().port(), v6.local_addr().port()),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }

    #[test]
    fn a_port_is_shared_only_if_both_ask_for_it() {
        let first = bind(localhost(), &BindOptions::default()).unwrap();
        let error = bind(first.local_addr(), &BindOptions::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);

        if cfg!(target_os = "linux") {
            let shared = BindOptions { reuse_port: true, ..BindOptions::default() };
            assert_eq!(bind(first.local_addr(), &shared).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            let first = bind(localhost(), &shared).unwrap();
            assert!(bind(first.local_addr(), &shared).is_ok());
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_host_without_ipv6_is_recognised() {
        let no_family = io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
        let no_address = io::Error::from_raw_os_error(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error());
        let [any, localhost, other] = ["[::]:69", "[::1]:69", "[2001:db8::1]:69"].map(|addr| addr.parse().unwrap());
        assert!(is_missing_family(other, &no_family));
        assert!(is_missing_family(any, &no_address) && is_missing_family(localhost, &no_address));
        // An address that this host merely does not have.
        assert!(!is_missing_family(other, &no_address));
    }
}
