//! Files on servers: `tftp://host[:port]/path[;mode=…]` (RFC 3617), or a host and a path.

use std::fmt;

use clap::ValueEnum;

use crate::escape::escape;
use crate::exit::Failure;

/// The port of TFTP (RFC 1350).
pub(crate) const DEFAULT_PORT: u16 = 69;

const SCHEME: &str = "tftp://";

/// How a file's bytes are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransferMode {
    /// Bytes as they are.
    Octet,
    /// Text: line ends are translated (RFC 764).
    Netascii,
}

/// A file on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// A name or an IP address, an IPv6 one without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name for the server: any bytes but NUL. Empty if none was given.
    pub(crate) path: Vec<u8>,
    /// The mode that a URL asked for.
    pub(crate) mode: Option<TransferMode>,
}

impl Remote {
    /// A URL, or a server with or without a path beside it.
    pub(crate) fn parse(server: &str, path: Option<&str>) -> Result<Self, Failure> {
        let is_url = server.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME));
        let remote = match (is_url, path) {
            (true, None) => Self::parse_url(server.get(SCHEME.len()..).unwrap_or_default()),
            (true, Some(path)) => Err(format!(
                "the URL names the file on the server, so \"{}\" is a name too many (get writes where --output says)",
                escape(path.as_bytes())
            )),
            (false, path) => Self::parse_plain(server, path),
        };
        remote.map_err(|reason| {
            Failure::usage(format!("{}: {reason}", escape(server.as_bytes())))
                .hint("expected tftp://HOST[:PORT]/PATH[;mode=netascii] or HOST[:PORT] PATH")
        })
    }

    fn parse_plain(server: &str, path: Option<&str>) -> Result<Self, String> {
        if server.contains("://") {
            return Err("only tftp:// URLs are understood".into());
        }
        if path.is_none() && server.contains('/') {
            return Err("a path belongs behind tftp://HOST, or into an argument of its own".into());
        }
        let (host, port) = split_host(server)?;
        Ok(Self { host, port, path: path.unwrap_or_default().as_bytes().to_vec(), mode: None })
    }

    fn parse_url(rest: &str) -> Result<Self, String> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("TFTP knows no users and passwords".into());
        }
        let (mut host, port) = split_host(authority)?;
        // RFC 6874: the % before a zone is itself escaped.
        if host.contains(':') {
            host = host.replacen("%25", "%", 1);
        } else {
            host = String::from_utf8(percent_decode(&host)?).map_err(|_| "the host is not UTF-8".to_owned())?;
        }
        let (path, mode) = split_mode(path)?;
        Ok(Self { host, port, path: percent_decode(path)?, mode })
    }

    /// Fills in the name where none was given, or where it ends in `/`, from that of a local file.
    pub(crate) fn complete_name(&mut self, local: Option<&[u8]>) -> Result<(), Failure> {
        if self.path.is_empty() || self.path.ends_with(b"/") {
            let name = local.filter(|name| !name.is_empty()).ok_or_else(|| {
                if self.path.is_empty() {
                    Failure::usage("the path on the server is missing")
                        .hint("give it as tftp://HOST[:PORT]/PATH or as an argument of its own: HOST[:PORT] PATH")
                } else {
                    let path = escape(&self.path);
                    Failure::usage(format!("the path on the server ends in /, so \"{path}\" names no file"))
                }
            })?;
            self.path.extend_from_slice(name);
        }
        if self.path.contains(&0) {
            return Err(Failure::usage("a file name cannot hold a NUL byte"));
        }
        Ok(())
    }

    /// The last component of the path as a name for a local file, if there is a usable one.
    ///
    /// Never leaves the directory it is used in; control characters are replaced.
    pub(crate) fn local_name(&self) -> Option<String> {
        let last = self.path.rsplit(|&byte| byte == b'/' || byte == b'\\').next()?;
        let name: String = String::from_utf8_lossy(last)
            .chars()
            .map(|char| if char.is_control() || matches!(char, ':' if cfg!(windows)) { '_' } else { char })
            .collect();
        (!matches!(name.as_str(), "" | "." | "..")).then_some(name)
    }

    /// The server as `host:port`, escaped.
    pub(crate) fn server(&self) -> String {
        let host = escape(self.host.as_bytes());
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" on {}", escape(&self.path), self.server())
    }
}

/// Splits `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn split_host(text: &str) -> Result<(String, u16), String> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("the ] after an IPv6 address is missing")?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err("expected a port after ]".into()),
        }
    } else {
        match text.split_once(':') {
            // More than one colon can only be an IPv6 address.
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    if host.is_empty() {
        return Err("the host is missing".into());
    }
    if host.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err("the host holds a space or a control character".into());
    }
    let port = match port {
        None | Some("") => DEFAULT_PORT,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("\"{}\" is not a port", escape(port.as_bytes()))),
        },
    };
    Ok((host.to_owned(), port))
}

/// Takes `;mode=…` off the end of a URL's path. Any other `;` is part of the name.
fn split_mode(path: &str) -> Result<(&str, Option<TransferMode>), String> {
    let Some((name, parameter)) = path.rsplit_once(';') else { return Ok((path, None)) };
    let Some((key, value)) = parameter.split_once('=') else { return Ok((path, None)) };
    if !key.eq_ignore_ascii_case("mode") {
        return Ok((path, None));
    }
    match TransferMode::from_str(value, true) {
        Ok(mode) => Ok((name, Some(mode))),
        Err(_) => Err(format!("unknown mode \"{}\": expected octet or netascii", escape(value.as_bytes()))),
    }
}

pub(crate) fn percent_decode(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => return Err("a % in a URL must be followed by two hexadecimal digits (%25 is a %)".into()),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(server: &str, path: Option<&str>) -> (String, u16, String, Option<TransferMode>) {
        let remote = Remote::parse(server, path).unwrap();
        (remote.host.clone(), remote.port, String::from_utf8(remote.path).unwrap(), remote.mode)
    }

    fn url(url: &str) -> (String, u16, String, Option<TransferMode>) {
        parse(url, None)
    }

    fn fails(server: &str, path: Option<&str>) -> String {
        let failure = Remote::parse(server, path).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        failure.message
    }

    #[test]
    fn urls_of_rfc_3617() {
        assert_eq!(url("tftp://example.com/myconfigurationfile").2, "myconfigurationfile");
        let expected = ("example.com".into(), 69, "mystartupfile".into(), Some(TransferMode::Netascii));
        assert_eq!(url("tftp://example.com/mystartupfile;mode=netascii"), expected);
        assert_eq!(url("TFTP://h/a;MODE=OCTET").3, Some(TransferMode::Octet));
    }

    #[test]
    fn the_path_behind_the_first_slash_is_taken_as_it_is() {
        assert_eq!(url("tftp://h/a/b").2, "a/b");
        assert_eq!(url("tftp://h//etc/x").2, "/etc/x");
        assert_eq!(url("tftp://h/../a/./b//c").2, "../a/./b//c");
        assert_eq!(url("tftp://h/a?b#c;d").2, "a?b#c;d");
        assert_eq!(url("tftp://h/a;b=c").2, "a;b=c");
        assert_eq!(url("tftp://h/").2, "");
        assert_eq!(url("tftp://h").2, "");
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(url("tftp://h/a%20b%3Bmode=x%2fc%2541").2, "a b;mode=x/c%41");
        assert_eq!(Remote::parse("tftp://h/%ff%FE", None).unwrap().path, b"\xff\xfe");
        for wrong in ["tftp://h/%", "tftp://h/%4", "tftp://h/%zz", "tftp://h/%+1"] {
            assert!(fails(wrong, None).contains("hexadecimal"), "{wrong}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(url("tftp://h:6969/a").1, 6969);
        assert_eq!(url("tftp://h:/a").1, 69);
        assert_eq!(url("tftp://[::1]/a").0, "::1");
        assert_eq!(url("tftp://[fe80::1%25eth0]:70/a"), ("fe80::1%eth0".into(), 70, "a".into(), None));
        for wrong in
            ["tftp:///a", "tftp://h:0/a", "tftp://h:65536/a", "tftp://h:+1x/a", "tftp://[::1/a", "tftp://[::1]x/a"]
        {
            fails(wrong, None);
        }
        assert!(fails("tftp://me:secret@h/a", None).contains("users"));
    }

    #[test]
    fn plain_hosts() {
        assert_eq!(parse("h", Some("a%20b;mode=netascii")), ("h".into(), 69, "a%20b;mode=netascii".into(), None));
        assert_eq!(parse("192.0.2.1:70", Some("/a")), ("192.0.2.1".into(), 70, "/a".into(), None));
        assert_eq!(parse("2001:db8::1", Some("a")).0, "2001:db8::1");
        assert_eq!(parse("[2001:db8::1]:70", Some("a")), ("2001:db8::1".into(), 70, "a".into(), None));
        assert!(fails("tftp://h/a", Some("b")).contains("a name too many (get writes where --output says)"));
        assert!(fails("http://h/a", None).contains("only tftp://"));
        assert!(fails("h/a", None).contains("argument of its own"));
        fails("", Some("a"));
        fails("h :1", Some("a"));
    }

    #[test]
    fn unknown_modes_are_refused() {
        assert!(fails("tftp://h/a;mode=mail", None).contains("octet or netascii"));
        assert!(fails("tftp://h/a;mode=", None).contains("octet or netascii"));
    }

    #[test]
    fn names_are_completed_from_the_local_file() {
        let mut remote = Remote::parse("tftp://h/backup/", None).unwrap();
        remote.complete_name(Some(b"router.cfg")).unwrap();
        assert_eq!(remote.path, b"backup/router.cfg");
        for (path, says) in [(None, "is missing"), (Some("backup/"), "\"backup/\" names no file")] {
            let mut remote = Remote::parse("h", path).unwrap();
            assert!(remote.complete_name(None).unwrap_err().message.contains(says), "{path:?}");
        }
        let mut remote = Remote::parse("tftp://h/a%00b", None).unwrap();
        assert!(remote.complete_name(None).is_err());
    }

    #[test]
    fn local_names_never_leave_the_directory() {
        let name = |path: &str| Remote::parse("h", Some(path)).unwrap().local_name();
        assert_eq!(name("a/b.img").as_deref(), Some("b.img"));
        assert_eq!(name("/Boot\\BCD").as_deref(), Some("BCD"));
        assert_eq!(name("a\n\u{1b}b").as_deref(), Some("a__b"));
        assert_eq!(name("a/.."), None);
        assert_eq!(name("..\\.."), None);
        assert_eq!(name("a/"), None);
        assert_eq!(name("."), None);
        assert_eq!(name("a..b").as_deref(), Some("a..b"));
    }

    #[test]
    fn what_is_shown_is_escaped() {
        let remote = Remote::parse("::1", Some("a\u{1b}[2J")).unwrap();
        assert_eq!(remote.to_string(), r#""a\x1b[2J" on [::1]:69"#);
    }
}
