//! The sockets of a server, in groups: each address has its listeners and its own ports for transfers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tftp_proto::endpoint::SocketRole;

use super::ports::is_same_host;
use super::{BindError, TransferPorts, Warning};
use crate::udp::{BindOptions, BoundSocket, bind};

/// The port of RFC 1350.
const PORT: u16 = 69;

#[derive(Default)]
pub(super) struct Bound {
    pub(super) sockets: Vec<BoundSocket>,
    /// One for each socket.
    pub(super) roles: Vec<SocketRole>,
    pub(super) local_addrs: Vec<SocketAddr>,
    pub(super) warnings: Vec<Warning>,
}

/// Binds everything, or nothing. `passed` are listeners that are bound already.
pub(super) fn bind_all(
    listen: &[SocketAddr],
    passed: Vec<UdpSocket>,
    ports: &TransferPorts,
    random: u64,
    options: &BindOptions,
) -> Result<Bound, BindError> {
    let mut bound = Bound::default();
    if listen.is_empty() && passed.is_empty() {
        bound.listen_on_defaults(options)?;
    }
    for socket in passed {
        let socket = accept(socket, options).map_err(BindError::Passed)?;
        bound.add_listener(socket, options);
    }
    for address in listen {
        bound.listen(*address, options)?;
    }
    bound.add_transfer_ports(ports, random, options)?;
    Ok(bound)
}

/// Checks and sets up a socket that was bound elsewhere.
fn accept(socket: UdpSocket, options: &BindOptions) -> io::Result<BoundSocket> {
    let socket = BoundSocket::from_std(socket, options)?;
    match socket.local_addr().port() {
        0 => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not bound to a port")),
        _ => Ok(socket),
    }
}

impl Bound {
    fn listen(&mut self, address: SocketAddr, options: &BindOptions) -> Result<(), BindError> {
        let socket = bind(address, options).map_err(|source| BindError::Listen { address, source })?;
        self.add_listener(socket, options);
        Ok(())
    }

    fn add_listener(&mut self, socket: BoundSocket, options: &BindOptions) {
        let address = socket.local_addr();
        if let Some(wanted) = options.recv_buffer
            && socket.recv_buffer() < wanted
        {
            self.warnings.push(Warning::ReceiveBuffer { address, wanted, granted: socket.recv_buffer() });
        }
        // A group is named by the index of its first listener.
        let group = self.local_addrs.iter().position(|other| is_same_host(*other, address));
        self.roles.push(SocketRole::Listener { group: group.unwrap_or(self.sockets.len()) });
        self.sockets.push(socket);
        self.local_addrs.push(address);
    }

    /// Both families, of which a host may lack IPv6.
    fn listen_on_defaults(&mut self, options: &BindOptions) -> Result<(), BindError> {
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
        match self.listen(v6, options) {
            Err(BindError::Listen { source, address }) if source.kind() == io::ErrorKind::Unsupported => {
                self.warnings.push(Warning::Skipped { address, reason: source.to_string() });
            }
            other => other?,
        }
        self.listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)), options)
    }

    /// To be called once every listener is there.
    fn add_transfer_ports(
        &mut self,
        ports: &TransferPorts,
        random: u64,
        options: &BindOptions,
    ) -> Result<(), BindError> {
        for (index, address) in self.local_addrs.clone().into_iter().enumerate() {
            let group = index;
            if !matches!(self.roles.get(index), Some(SocketRole::Listener { group }) if *group == index) {
                continue;
            }
            // A listener that was passed may take IPv4 on its IPv6 address, and its transfers are answered in kind.
            let dual_stack = |(socket, role): (&BoundSocket, &SocketRole)| {
                matches!(role, SocketRole::Listener { group } if *group == index) && socket.is_dual_stack()
            };
            let only_v6 = options.only_v6 && !self.sockets.iter().zip(&self.roles).any(dual_stack);
            let sockets = ports
                .bind(address, random, &BindOptions { only_v6, ..options.clone() })
                .map_err(|source| BindError::TransferPorts { ip: address.ip(), source })?;
            self.roles.extend(sockets.iter().map(|_| SocketRole::Transfer { group }));
            self.sockets.extend(sockets);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind_on(listen: &[&str], ports: &TransferPorts) -> Result<Bound, BindError> {
        let listen: Vec<SocketAddr> = listen.iter().map(|address| address.parse().unwrap()).collect();
        bind_all(&listen, Vec::new(), ports, 5, &BindOptions::default())
    }

    fn bind_passed(passed: Vec<UdpSocket>, listen: &[SocketAddr]) -> Result<Bound, BindError> {
        bind_all(listen, passed, &TransferPorts::Random(1), 5, &BindOptions::default())
    }

    #[test]
    fn transfer_ports_are_bound_once_for_each_address() {
        let bound = bind_on(&["127.0.0.1:0", "127.0.0.2:0", "127.0.0.1:0"], &TransferPorts::Random(2)).unwrap();
        use SocketRole::{Listener, Transfer};
        assert_eq!(
            bound.roles,
            [
                Listener { group: 0 },
                Listener { group: 1 },
                Listener { group: 0 },
                Transfer { group: 0 },
                Transfer { group: 0 },
                Transfer { group: 1 },
                Transfer { group: 1 },
            ]
        );
        let ips: Vec<String> = bound.sockets.iter().map(|socket| socket.local_addr().ip().to_string()).collect();
        assert_eq!(ips[3..], ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"], "no wildcard port was opened");
    }

    #[test]
    fn a_socket_that_was_passed_takes_the_place_of_the_defaults() {
        let passed = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = passed.local_addr().unwrap();
        let bound = bind_passed(vec![passed], &[]).unwrap();
        assert_eq!(bound.local_addrs, [address]);
        assert_eq!(bound.roles, [SocketRole::Listener { group: 0 }, SocketRole::Transfer { group: 0 }]);
        assert_eq!(bound.sockets[1].local_addr().ip(), address.ip());

        // Addresses that were asked for are added, and share ports with a socket on the same one.
        let passed = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listen = ["127.0.0.1:0".parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
        let bound = bind_passed(vec![passed], &listen).unwrap();
        assert_eq!(bound.local_addrs.len(), 3);
        assert_eq!(bound.roles[1], SocketRole::Listener { group: 0 });
        assert_eq!(bound.sockets.len(), 5);
    }

    #[test]
    fn the_ports_beside_a_dual_stack_socket_take_ipv4_too() {
        let open = |only_v6: bool| {
            use socket2::{Domain, Socket, Type};
            let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
            socket.set_only_v6(only_v6)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)).into())?;
            Ok::<_, io::Error>(UdpSocket::from(socket))
        };
        for only_v6 in [true, false] {
            // Not every host has IPv6.
            let Ok(passed) = open(only_v6) else { return };
            let bound = bind_passed(vec![passed], &[]).unwrap();
            let dual_stack: Vec<bool> = bound.sockets.iter().map(BoundSocket::is_dual_stack).collect();
            assert_eq!(dual_stack, [!only_v6, !only_v6]);
        }
    }

    #[test]
    fn no_ports_of_their_own_in_single_port_mode() {
        for ports in [TransferPorts::Single, TransferPorts::Random(0)] {
            let bound = bind_on(&["127.0.0.1:0"], &ports).unwrap();
            assert_eq!(bound.roles, [SocketRole::Listener { group: 0 }]);
        }
    }

    #[test]
    fn ports_of_a_range_that_are_in_use_are_skipped() {
        // A neighbourhood of ports, of which one is taken.
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().map(|address| (taken, address.port())).unwrap();
        let range = taken.1.saturating_sub(20)..=taken.1.saturating_add(2);
        let bound = bind_on(&["127.0.0.1:0"], &TransferPorts::Range(range.clone())).unwrap();
        let ports: Vec<u16> = bound.sockets[1..].iter().map(|socket| socket.local_addr().port()).collect();
        assert!(!ports.is_empty() && ports.len() <= 16);
        assert!(ports.iter().all(|port| range.contains(port) && *port != taken.1));

        let only = taken.1..=taken.1;
        let error = bind_on(&["127.0.0.1:0"], &TransferPorts::Range(only)).err().unwrap();
        assert!(matches!(error, BindError::TransferPorts { .. }), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_empty_range_is_an_error() {
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is tested")]
        for range in [9..=8, 0..=0] {
            let error = bind_on(&["127.0.0.1:0"], &TransferPorts::Range(range)).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_port_in_use_names_the_address() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind_on(&[&address.to_string()], &TransferPorts::Single).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()));
    }
}
