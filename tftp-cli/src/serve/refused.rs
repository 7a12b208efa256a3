//! What to do about an address or a port that the system does not give.

use std::io;

use crate::escape::escape;
use crate::exit::{Exit, Failure};
use tftp_tokio::BindError;

/// What to suggest instead of a port that cannot be had.
const UNPRIVILEGED: u16 = 6969;

/// A failure that says how to get the address.
pub(crate) fn explain(error: &BindError) -> Failure {
    let failure = Failure::new(Exit::Network, error.to_string());
    let (source, port, is_ipv6) = match error {
        BindError::Listen { address, source } => (source, address.port(), address.is_ipv6()),
        BindError::TransferPorts { ip, source } => (source, 0, ip.is_ipv6()),
        _ => return failure,
    };
    match (source.kind(), error) {
        (io::ErrorKind::PermissionDenied, _) => failure.hint(privileged(port)),
        (io::ErrorKind::AddrInUse, BindError::TransferPorts { .. }) => {
            failure.hint("every port of --port-range is in use; choose another range, or --single-port")
        }
        (io::ErrorKind::InvalidInput, BindError::TransferPorts { .. }) => {
            failure.hint("choose fewer --threads, or a larger --port-range")
        }
        (io::ErrorKind::AddrInUse, _) => failure.hint(format!(
            "another program uses this port; this shows which: ss -lunp 'sport = :{port}'\n\
             stop it, or listen elsewhere: --listen :{}",
            if port == UNPRIVILEGED { UNPRIVILEGED + 1 } else { UNPRIVILEGED }
        )),
        (io::ErrorKind::AddrNotAvailable, _) => {
            failure.hint("this host does not have the address; this shows those it has: ip address")
        }
        (_, _) if is_ipv6 && !super::listen::host_has_ipv6() => {
            failure.hint("this host has no IPv6; listen on IPv4 only: --listen 0.0.0.0")
        }
        _ => failure,
    }
}

fn privileged(port: u16) -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "tftp-cli".into(), |path| escape(path.as_os_str().as_encoded_bytes()));
    let mut hint = format!(
        "ports below 1024 need a privilege; either\n\
         - use a higher port:           --listen :{UNPRIVILEGED}\n"
    );
    if cfg!(target_os = "linux") {
        hint += &format!(
            "- or give it to this program:  sudo setcap cap_net_bind_service=+ep {program}\n\
             - or to a systemd service:     AmbientCapabilities=CAP_NET_BIND_SERVICE\n\
             - or let systemd open it:      ListenDatagram={port} in a .socket unit (socket activation)\n\
             - or lower the system's limit: sudo sysctl net.ipv4.ip_unprivileged_port_start={port}"
        );
    } else {
        hint += "- or start it as the administrator";
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(kind: io::ErrorKind, address: &str) -> Failure {
        explain(&BindError::Listen { address: address.parse().unwrap(), source: kind.into() })
    }

    #[test]
    fn a_refused_port_says_how_to_get_it() {
        let failure = listen(io::ErrorKind::PermissionDenied, "0.0.0.0:69");
        assert_eq!(failure.exit, Exit::Network);
        let text = failure.to_string();
        assert!(text.contains("cannot listen on 0.0.0.0:69: permission denied"), "{text}");
        assert!(text.contains("--listen :6969"), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains("setcap cap_net_bind_service=+ep /"), "{text}");
            assert!(text.contains("ListenDatagram=69"), "{text}");
            assert!(text.contains("ip_unprivileged_port_start=69"), "{text}");
        }
    }

    #[test]
    fn other_refusals_have_their_own_advice() {
        let hint = |failure: Failure| failure.hint.unwrap();
        assert!(hint(listen(io::ErrorKind::AddrInUse, "0.0.0.0:70")).contains("sport = :70"));
        assert!(hint(listen(io::ErrorKind::AddrInUse, "0.0.0.0:6969")).contains("--listen :6970"));
        assert!(hint(listen(io::ErrorKind::AddrNotAvailable, "192.0.2.1:69")).contains("ip address"));
        let range = BindError::TransferPorts { ip: [0, 0, 0, 0].into(), source: io::ErrorKind::AddrInUse.into() };
        assert!(hint(explain(&range)).contains("--port-range"));
    }
}
