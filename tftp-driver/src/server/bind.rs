//! The sockets of a server, in groups: each address has its listeners and its own ports for transfers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

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

/// Whether the system spreads peers over sockets that share a port.
const SPREADS_PEERS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What to bind.
pub(super) struct Wanted<'a> {
    pub(super) listen: &'a [SocketAddr],
    /// Listeners that are bound already.
    pub(super) passed: Vec<UdpSocket>,
    pub(super) ports: &'a TransferPorts,
    pub(super) random: u64,
    pub(super) options: &'a BindOptions,
}

/// The listening sockets of the loops that were started, held open until the last of them has ended: were one to leave a
/// shared port, the system would spread the peers of all others anew, and what runs on that port would lose its way.
#[derive(Clone, Default)]
pub(super) struct Group(Arc<Mutex<Vec<UdpSocket>>>);

impl Group {
    /// A loop has started, and these stay with the group from now on.
    pub(super) fn hold(&self, listeners: Vec<UdpSocket>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(listeners);
    }
}

/// Binds everything for so many event loops, or for one where they cannot share a port, or nothing. There is a first.
pub(super) fn bind_shared(wanted: Wanted<'_>, loops: NonZeroUsize) -> Result<(Bound, Vec<Bound>), BindError> {
    let loops = loops.get();
    let reason = if !wanted.passed.is_empty() {
        Some("a socket that was passed cannot be shared")
    } else if !SPREADS_PEERS {
        Some("this system does not spread peers over sockets")
    } else {
        None
    };
    if loops == 1 || reason.is_some() {
        let mut bound = bind_all(wanted)?;
        if let Some(reason) = reason.filter(|_| loops > 1) {
            bound.warnings.push(Warning::OneLoop { wanted: loops, reason });
        }
        return Ok((bound, Vec::new()));
    }
    let Wanted { ports, random, options, .. } = wanted;
    // First without sharing: a port that another server shares is taken all the same.
    let Bound { local_addrs, warnings, .. } = bind_all(Wanted { ports: &TransferPorts::Single, ..wanted })?;
    let shared = BindOptions { reuse_port: true, ..options.clone() };
    let part = |number: usize| {
        let mut bound = Bound::default();
        for address in &local_addrs {
            bound.listen(*address, &shared)?;
        }
        // They were given once.
        bound.warnings.clear();
        bound.add_transfer_ports(ports, random.wrapping_add(number as u64), loops, options)?;
        Ok(bound)
    };
    let first = Bound { warnings, ..part(0)? };
    Ok((first, (1..loops).map(part).collect::<Result<_, BindError>>()?))
}

/// Binds everything for one event loop, or nothing.
fn bind_all(wanted: Wanted<'_>) -> Result<Bound, BindError> {
    let Wanted { listen, passed, ports, random, options } = wanted;
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
    bound.add_transfer_ports(ports, random, 1, options)?;
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
    /// The listening sockets once more, for the [`Group`].
    pub(super) fn listeners_again(&self) -> Result<Vec<UdpSocket>, BindError> {
        let all = self.sockets.iter().zip(&self.roles);
        let listeners = all.filter(|(_, role)| matches!(role, SocketRole::Listener { .. }));
        let again = |(socket, _): (&BoundSocket, _)| {
            let address = socket.local_addr();
            socket.try_clone_std().map_err(|source| BindError::Listen { address, source })
        };
        listeners.map(again).collect()
    }

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
        share: usize,
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
                .bind(address, random, share, &BindOptions { only_v6, ..options.clone() })
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
        bind_all(Wanted { listen: &listen, passed: Vec::new(), ports, random: 5, options: &BindOptions::default() })
    }

    fn bind_for(loops: usize, wanted: Wanted<'_>) -> Result<Vec<Bound>, BindError> {
        let (first, others) = bind_shared(wanted, NonZeroUsize::new(loops).unwrap())?;
        Ok(std::iter::once(first).chain(others).collect())
    }

    fn bind_passed(passed: Vec<UdpSocket>, listen: &[SocketAddr]) -> Result<Bound, BindError> {
        let ports = &TransferPorts::Random(1);
        bind_all(Wanted { listen, passed, ports, random: 5, options: &BindOptions::default() })
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

    #[test]
    #[cfg(target_os = "linux")]
    fn event_loops_share_the_listening_port_and_nothing_else() {
        let (listen, options) = (["127.0.0.1:0".parse().unwrap()], BindOptions::default());
        let wanted = |ports| Wanted { listen: &listen, passed: Vec::new(), ports, random: 5, options: &options };
        let all = bind_for(3, wanted(&TransferPorts::Random(2))).unwrap();
        assert_eq!(all.len(), 3);
        let addresses: Vec<Vec<SocketAddr>> =
            all.iter().map(|bound| bound.sockets.iter().map(BoundSocket::local_addr).collect()).collect();
        let listener = addresses[0][0];
        assert!(addresses.iter().all(|of_one| of_one[0] == listener && of_one.len() == 3));
        let mut transfer_ports: Vec<_> = addresses.iter().flat_map(|of_one| &of_one[1..]).collect();
        transfer_ports.sort();
        transfer_ports.dedup();
        assert_eq!(transfer_ports.len(), 6);

        // A second server is not let in, shared or not.
        let again = [listener];
        let wanted = Wanted { listen: &again, ..wanted(&TransferPorts::Single) };
        let error = bind_for(2, wanted).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(matches!(error, BindError::Listen { address, .. } if address == listener), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn each_event_loop_has_its_part_of_a_range() {
        let (listen, options) = (["127.0.0.1:0".parse().unwrap()], BindOptions::default());
        // A place where nothing is in the way. Another program may come between; then the next is tried.
        let (range, all) = (0..20)
            .find_map(|_| {
                let first = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().min(65_000);
                let ports = TransferPorts::Range(first..=first + 40);
                let wanted =
                    Wanted { listen: &listen, passed: Vec::new(), ports: &ports, random: 5, options: &options };
                bind_for(2, wanted).ok().map(|all| (first..=first + 40, all))
            })
            .unwrap();
        for bound in &all {
            assert_eq!(bound.sockets.len(), 1 + 8, "half of 16");
            assert!(bound.sockets[1..].iter().all(|socket| range.contains(&socket.local_addr().port())));
        }
        let ports = TransferPorts::Range(9000..=9001);
        let wanted = Wanted { listen: &listen, passed: Vec::new(), ports: &ports, random: 5, options: &options };
        let error = bind_for(3, wanted).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("2 ports are not enough for 3"), "{error}");
    }

    #[test]
    fn a_socket_that_was_passed_has_one_event_loop() {
        let passed = vec![UdpSocket::bind("127.0.0.1:0").unwrap()];
        let (ports, options) = (TransferPorts::Single, BindOptions::default());
        let all = bind_for(4, Wanted { listen: &[], passed, ports: &ports, random: 5, options: &options }).unwrap();
        assert_eq!(all.len(), 1);
        assert!(matches!(all[0].warnings[..], [Warning::OneLoop { wanted: 4, .. }]), "{:?}", all[0].warnings);
    }
}
