//! Two servers, and somebody who makes each take the other for a client.

use std::net::SocketAddr;

use tempfile::tempdir;

use crate::forge::{Forger, Wire};
use crate::peer::{Peer, ack, data, error, oack, rrq, settle, wrq};
use crate::support::{Ports, Serve};
use crate::transfers::assert_serves;

/// Every packet that is no request, and requests that are none.
fn no_requests() -> Vec<Vec<u8>> {
    let mut all =
        vec![ack(0), ack(1), data(0, b""), data(1, b"x"), data(1, &[1; 512]), oack(&[]), oack(&[("tsize", "0")])];
    all.extend((0..10).map(|code| error(code, b"Illegal TFTP operation")));
    all.extend(
        [&b""[..], b"\0", b"\0\x05", b"\0\x05\0", b"\0\x07", b"\0\xff", b"\xff\xff", b"\0\x01", b"\0\x01name"]
            .map(Vec::from),
    );
    all
}

/// At the listening port.
pub(crate) fn nothing_but_a_request_is_answered(args: &[&str]) {
    let root = tempdir().unwrap();
    let server = Serve::directory(Ports::Random, root.path(), args);
    let peer = Peer::new(server.address());
    for packet in no_requests() {
        peer.say(&packet);
    }
    settle(server.address());
    assert_eq!(peer.pending(), [""; 0].map(Vec::from));
    assert_serves(server.address());
}

/// The forged datagrams of one side after the other.
fn face_each_other(args: &[&str], forged: &[Vec<u8>], files: &[(&str, Vec<u8>)]) -> Option<Vec<Vec<u8>>> {
    let (forger, wire) = (Forger::new()?, Wire::new()?);
    let roots = [tempdir().unwrap(), tempdir().unwrap()];
    for (name, bytes) in files {
        roots.iter().for_each(|root| std::fs::write(root.path().join(name), bytes).unwrap());
    }
    let fast = ["-v", "--timeout", "20ms", "--give-up-after", "2s"];
    let args: Vec<_> = fast.iter().chain(args).copied().collect();
    let servers = [0, 1].map(|index| Serve::directory(Ports::Random, roots[index].path(), &args));
    let hosts = [servers[0].address(), servers[1].address()];
    let others = wire.between(&hosts);
    assert!(others.is_empty(), "{others:?}");
    for datagram in forged {
        forger.send(hosts[0], hosts[1], datagram);
        forger.send(hosts[1], hosts[0], datagram);
        hosts.iter().for_each(|host| settle(*host));
    }
    drain(&servers, &hosts);
    let mut seen = wire.between(&hosts);
    for datagram in forged {
        for (from, to) in [(hosts[0], hosts[1]), (hosts[1], hosts[0])] {
            let at = seen.iter().position(|(a, b, bytes)| (*a, *b) == (from, to) && bytes == datagram);
            seen.remove(at.expect("what was forged has arrived"));
        }
    }
    Some(seen.into_iter().map(|(_, _, bytes)| bytes).collect())
}

/// Until neither has anything under way, so that whatever one said has been heard by the other.
fn drain(servers: &[Serve; 2], hosts: &[SocketAddr; 2]) {
    for server in servers {
        server.interrupt();
    }
    let _ = hosts;
    crate::support::eventually("the end of both servers", || {
        servers.iter().all(|server| server.log().contains("stopped after")).then_some(())
    });
}

#[test]
fn two_servers_facing_each_other_say_nothing() {
    for args in [&[][..], &["--single-port"]] {
        let Some(said) = face_each_other(args, &no_requests(), &[]) else { return };
        assert!(said.is_empty(), "{args:?}: {said:?}");
    }
}

/// A forged request is answered as any, once; the answer is not answered.
#[test]
fn a_forged_request_between_servers_dies_out() {
    for args in [&[][..], &["--single-port"]] {
        let Some(said) = face_each_other(args, &[rrq(b"absent", &[]), wrq(b"no/such/dir", &[])], &[]) else { return };
        // Through one port, an ERROR may end the very request that the other has just been made to answer.
        let fewest = if args.is_empty() { 4 } else { 1 };
        assert!((fewest..=4).contains(&said.len()), "{args:?}: one ERROR to each request, none to those: {said:?}");
        assert!(said.iter().all(|bytes| bytes[..2] == [0, 5] && bytes.len() < 64), "{said:?}");

        // Each takes the other for a client that never answers.
        let file = [("file", vec![1; 5000])];
        let Some(said) = face_each_other(args, &[rrq(b"file", &[])], &file) else { return };
        assert!(said.len() <= 12, "{args:?}: {} datagrams", said.len());
    }
}
