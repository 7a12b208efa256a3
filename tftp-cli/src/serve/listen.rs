//! Addresses to listen on, as people write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use crate::remote::DEFAULT_PORT;

/// A value of `--listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    /// One address.
    Address(SocketAddr),
    /// Every address of the host, IPv4 and, where there is one, IPv6, on this port.
    Everywhere(u16),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Address(address));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(ip, DEFAULT_PORT)));
        }
        // A zone needs the brackets and a port to be parsed.
        if let Ok(address) = format!("[{bare}]:{DEFAULT_PORT}").parse::<SocketAddrV6>() {
            return Ok(Self::Address(address.into()));
        }
        let port = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")).unwrap_or(text);
        if let Ok(port) = port.parse::<u16>() {
            return Ok(Self::Everywhere(port));
        }
        Err("expected an IP address with or without a port: 192.0.2.1, 192.0.2.1:6969, [2001:db8::1]:6969, \
             or :6969 for every address"
            .into())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Everywhere(port) => write!(f, ":{port}"),
        }
    }
}

impl Listen {
    /// The addresses to bind; of [`Everywhere`](Self::Everywhere) without IPv6 if the host has none.
    pub(crate) fn addresses(self, host_has_ipv6: bool) -> Vec<SocketAddr> {
        match self {
            Self::Address(address) => vec![address],
            Self::Everywhere(port) => {
                let v6 = host_has_ipv6.then(|| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
                v6.into_iter().chain([SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))]).collect()
            }
        }
    }
}

/// Whether this host can open IPv6 sockets at all.
pub(crate) fn host_has_ipv6() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

/// Whether other machines can reach a socket bound to this address.
pub(crate) fn is_public(address: &SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<String> {
        text.parse::<Listen>().unwrap().addresses(true).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_with_and_without_port() {
        assert_eq!(addresses("127.0.0.1:6969"), ["127.0.0.1:6969"]);
        assert_eq!(addresses("127.0.0.1"), ["127.0.0.1:69"]);
        assert_eq!(addresses("::1"), ["[::1]:69"]);
        assert_eq!(addresses("[::1]"), ["[::1]:69"]);
        assert_eq!(addresses("[::1]:0"), ["[::1]:0"]);
        assert_eq!(addresses("fe80::1%2"), ["[fe80::1%2]:69"]);
    }

    #[test]
    fn a_port_alone_means_every_address() {
        for text in [":6969", "*:6969", "6969"] {
            assert_eq!(addresses(text), ["[::]:6969", "0.0.0.0:6969"], "{text}");
        }
        let listen: Listen = ":6969".parse().unwrap();
        assert_eq!(listen.addresses(false), ["0.0.0.0:6969".parse().unwrap()]);
    }

    #[test]
    fn anything_else_says_what_is_expected() {
        for wrong in ["", "eth0", "127.0.0.1:x", "1.2.3.4:70000", "[::1", "localhost:69"] {
            assert!(wrong.parse::<Listen>().unwrap_err().contains("expected an IP address"), "{wrong}");
        }
    }

    #[test]
    fn loopback_is_not_public() {
        for (address, public) in [
            ("127.0.0.1:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
        ] {
            assert_eq!(is_public(&address.parse().unwrap()), public, "{address}");
        }
    }
}
