//! Which server to ask.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::Error;
use crate::storage::Context;

/// The port of RFC 1350.
const PORT: u16 = 69;

/// A server: a host name or address with a port, or addresses. All conversions into it are infallible; what makes no
/// sense is an error once it is used.
///
/// No server has port 0, or the address 0.0.0.0 or `::`, which mean "any" to who listens. Of several addresses those are
/// left out; if none is left, that is [`Error::Address`].
///
/// A URL is not accepted: of `tftp://host/file` give `host` here, and `file` as the name.
///
/// Text may be `host`, `host:port`, `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]:port`. The port is 69 unless given. The
/// addresses of a name are asked in turn, in the order the system gives them, round after round until one answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text(String),
    Name(String, u16),
    Addresses(Vec<SocketAddr>),
}

impl Target {
    /// The addresses, looked up on a thread of the pool if need be. Never empty.
    pub(super) async fn resolve(self, pool: &Context) -> Result<Vec<SocketAddr>, Error> {
        let (host, port) = match self.0 {
            Kind::Addresses(addresses) if addresses.is_empty() => {
                return Err(Error::Address { address: String::new(), reason: "no address given" });
            }
            Kind::Addresses(addresses) => return usable(addresses),
            Kind::Name(host, port) => (host, port),
            Kind::Text(text) => split(&text)?,
        };
        if let Ok(ip) = host.parse::<IpAddr>() {
            return usable(vec![SocketAddr::new(ip, port)]);
        }
        if port == 0 {
            return Err(Error::Address { address: format!("{host}:0"), reason: NO_PORT });
        }
        let resolve_error = |host: String| move |source| Error::Resolve { host, source };
        let name = host.clone();
        let look_up = move || (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let found: io::Result<Vec<SocketAddr>> = pool.run(look_up).await.and_then(|result| result);
        let mut found = found.map_err(resolve_error(host.clone()))?;
        // Systems name an address once for each kind of socket.
        found.dedup();
        match found.is_empty() {
            true => Err(resolve_error(host)(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))),
            false => usable(found),
        }
    }
}

const NO_PORT: &str = "port 0 is nobody's; give the server's port, as a rule 69";
const NO_HOST: &str = "nobody has this address; give the server's, for this host 127.0.0.1 or ::1";

/// Leaves out what nobody could answer from: it would be waited for until time is up.
fn usable(mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
    let useless = |address: &SocketAddr| match address {
        address if address.port() == 0 => Some(NO_PORT),
        address if address.ip().to_canonical().is_unspecified() => Some(NO_HOST),
        _ => None,
    };
    let first = addresses.first().and_then(|address| Some((address.to_string(), useless(address)?)));
    addresses.retain(|address| useless(address).is_none());
    match first {
        Some((address, reason)) if addresses.is_empty() => Err(Error::Address { address, reason }),
        Some(_) | None => Ok(addresses),
    }
}

fn split(text: &str) -> Result<(String, u16), Error> {
    let bad = |reason| Error::Address { address: text.to_owned(), reason };
    if text.contains("://") {
        return Err(bad("a URL is not accepted here; give the host, and the file as the name"));
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| bad("no closing bracket"))?;
        match rest {
            "" => (host, None),
            _ => (host, Some(rest.strip_prefix(':').ok_or_else(|| bad("only a port may follow the bracket"))?)),
        }
    } else {
        match text.split_once(':') {
            // More than one colon: an IPv6 address without a port.
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return Err(bad("no host"));
    }
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(|| bad("not a port number"))?,
        None => PORT,
    };
    Ok((host.to_owned(), port))
}

impl From<&str> for Target {
    fn from(text: &str) -> Self {
        Self(Kind::Text(text.to_owned()))
    }
}

impl From<String> for Target {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}

impl From<&String> for Target {
    fn from(text: &String) -> Self {
        Self(Kind::Text(text.clone()))
    }
}

impl From<(&str, u16)> for Target {
    fn from((host, port): (&str, u16)) -> Self {
        Self(Kind::Name(host.to_owned(), port))
    }
}

impl From<(IpAddr, u16)> for Target {
    fn from(address: (IpAddr, u16)) -> Self {
        Self(Kind::Addresses(vec![address.into()]))
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self(Kind::Addresses(vec![address]))
    }
}

impl From<&[SocketAddr]> for Target {
    fn from(addresses: &[SocketAddr]) -> Self {
        Self(Kind::Addresses(addresses.to_vec()))
    }
}

impl From<Vec<SocketAddr>> for Target {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        Self(Kind::Addresses(addresses))
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    fn resolve(target: impl Into<Target>) -> Result<Vec<SocketAddr>, Error> {
        block_on(target.into().resolve(&Context::inline()))
    }

    #[test]
    fn text_is_split_into_host_and_port() {
        for (text, host, port) in [
            ("boot", "boot", 69),
            ("boot:6969", "boot", 6969),
            ("192.0.2.1", "192.0.2.1", 69),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("2001:db8::1", "2001:db8::1", 69),
            ("[2001:db8::1]", "2001:db8::1", 69),
            ("[2001:db8::1]:6969", "2001:db8::1", 6969),
            ("[fe80::1%lo]:6969", "fe80::1%lo", 6969),
        ] {
            assert_eq!(split(text).unwrap(), (host.to_owned(), port), "{text}");
        }
    }

    #[test]
    fn text_that_makes_no_sense_is_an_error() {
        for text in ["", ":69", "boot:", "boot:0", "boot:65536", "boot:x", "[::1", "[::1]69", "[]:69"] {
            assert!(matches!(resolve(text), Err(Error::Address { .. })), "{text}");
        }
        assert!(matches!(resolve(Vec::new()), Err(Error::Address { .. })));
    }

    #[test]
    fn addresses_need_no_look_up() {
        let v4: SocketAddr = "192.0.2.1:7".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:69".parse().unwrap();
        assert_eq!(resolve("192.0.2.1:7").unwrap(), [v4]);
        assert_eq!(resolve("2001:db8::1").unwrap(), [v6]);
        assert_eq!(resolve((v4.ip(), 7)).unwrap(), [v4]);
        assert_eq!(resolve(&[v4, v6][..]).unwrap(), [v4, v6]);
    }

    #[test]
    fn addresses_that_nobody_has_are_left_out_unless_none_is_left() {
        let server: SocketAddr = "192.0.2.1:69".parse().unwrap();
        let useless = ["0.0.0.0:69", "[::]:69", "[::ffff:0.0.0.0]:69", "192.0.2.1:0"].map(|text| text.parse().unwrap());
        for address in useless {
            assert!(matches!(resolve(address), Err(Error::Address { .. })), "{address}");
            assert_eq!(resolve(vec![address, server]).unwrap(), [server]);
        }
        assert!(matches!(resolve(useless.to_vec()), Err(Error::Address { .. })));
        for text in ["0.0.0.0", "0.0.0.0:6969", "::", "[::]:6969"] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.contains("127.0.0.1"), "{error}");
        }
        assert!(matches!(resolve(("localhost", 0)), Err(Error::Address { .. })));
    }

    #[test]
    fn a_url_is_an_error_that_says_what_to_give() {
        let error = resolve("tftp://192.0.2.1/file").unwrap_err().to_string();
        assert!(error.contains("give the host"), "{error}");
    }

    #[test]
    fn names_are_looked_up() {
        let found = resolve(("localhost", 7)).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 7));
        assert!(matches!(resolve("no such host"), Err(Error::Resolve { .. })));
    }
}
