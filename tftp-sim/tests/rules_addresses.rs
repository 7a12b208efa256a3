//! Addresses: which spellings of a peer are one peer, which socket answers, and what the budget does to a window.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::endpoint::{
    Action, Disposition, Endpoint, EndpointConfig, Ignored, Job, JobResult, Meta, SocketRole, Transmit,
};
use tftp_sim::bench::{Bench, PEER, SERVER, address};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, oack, rrq};

const NOW: Instant = Instant::from_micros(5_000_000);

/// An endpoint by itself: socket addresses are then whatever the caller says.
struct Bare {
    endpoint: Endpoint,
    out: Vec<u8>,
}

impl Bare {
    fn new(sockets: Vec<SocketRole>) -> Self {
        let mut config = EndpointConfig::default();
        config.sockets = sockets;
        Self { endpoint: Endpoint::new(config, 1), out: vec![0; 70_000] }
    }

    /// Hands in a datagram, serves a file of 2000 bytes, and answers what leaves.
    fn say(
        &mut self,
        socket: usize,
        peer: SocketAddr,
        local_ip: Option<IpAddr>,
        bytes: &[u8],
    ) -> Vec<(Transmit, Vec<u8>)> {
        self.endpoint.handle_datagram(NOW, &Meta { socket, peer, local_ip }, bytes);
        let file = content::bytes(1, 2000);
        let mut sent = Vec::new();
        loop {
            match self.endpoint.poll(NOW, &mut self.out) {
                Action::Transmit(transmit) => sent.push((transmit, self.out[..transmit.len].to_vec())),
                Action::Job(id, Job::OpenRead(_)) => {
                    self.endpoint.handle_job(NOW, id, JobResult::Opened { size: Some(2000) });
                }
                Action::Job(id, Job::Read { offset, len, .. }) => {
                    let start = usize::try_from(offset).unwrap();
                    let chunk = file[start.min(2000)..(start + len).min(2000)].to_vec();
                    self.endpoint.handle_job(NOW, id, JobResult::Read(chunk.into()));
                }
                Action::Job(id, _) => self.endpoint.handle_job(NOW, id, JobResult::Closed),
                Action::Event(_) => {}
                Action::Wait(_) | Action::Finished => return sent,
            }
        }
    }
}

fn one_group() -> Vec<SocketRole> {
    vec![SocketRole::Listener { group: 0 }, SocketRole::Transfer { group: 0 }, SocketRole::Transfer { group: 0 }]
}

fn v6(flow: u32, scope: u32) -> SocketAddr {
    SocketAddrV6::new("fe80::2".parse().unwrap(), 1024, flow, scope).into()
}

#[test]
fn the_flow_label_is_no_part_of_a_peer() {
    let mut bare = Bare::new(one_group());
    let [(first, _)] = &bare.say(0, v6(7, 2), None, &rrq("f", "octet", &[]))[..] else { panic!("one answer") };
    let sent = bare.say(first.socket, v6(99, 2), None, &ack(1));
    assert_eq!(sent[0].1, data(2, &content::bytes(1, 2000)[512..1024]));
    assert_eq!(bare.endpoint.active_transfers(), 1);
}

#[test]
fn the_scope_is_part_of_a_peer() {
    let mut bare = Bare::new(one_group());
    let sent = bare.say(0, v6(0, 2), None, &rrq("f", "octet", &[]));
    // The same link-local address on another link is another host.
    assert!(bare.say(sent[0].0.socket, v6(0, 3), None, &ack(1)).is_empty());
    bare.say(0, v6(0, 3), None, &rrq("f", "octet", &[]));
    assert_eq!(bare.endpoint.active_transfers(), 2);
}

#[test]
fn a_mapped_ipv4_address_is_the_ipv4_address() {
    let mut bare = Bare::new(one_group());
    let mapped: SocketAddr = "[::ffff:10.0.0.2]:1024".parse().unwrap();
    let sent = bare.say(0, mapped, None, &rrq("f", "octet", &[]));
    assert_eq!(sent[0].0.peer, mapped, "answered in the spelling that the socket understands");
    assert_eq!(bare.say(sent[0].0.socket, PEER, None, &ack(1)).len(), 1);
    // Broadcast addresses do not hide behind a mapping.
    let meta = Meta { socket: 0, peer: "[::ffff:255.255.255.255]:9".parse().unwrap(), local_ip: None };
    let disposition = bare.endpoint.handle_datagram(NOW, &meta, &rrq("f", "octet", &[]));
    assert_eq!(disposition, Disposition::Ignored(Ignored::BadSource));
    let meta = Meta { socket: 0, peer: mapped, local_ip: Some("::ffff:255.255.255.255".parse().unwrap()) };
    let disposition = bare.endpoint.handle_datagram(NOW, &meta, &rrq("f", "octet", &[]));
    assert_eq!(disposition, Disposition::Ignored(Ignored::Broadcast));
}

#[test]
fn the_local_address_is_used_if_it_is_ours_alone() {
    let mut bare = Bare::new(one_group());
    let asked: IpAddr = "192.0.2.7".parse().unwrap();
    assert_eq!(bare.say(0, PEER, Some(asked), &rrq("f", "octet", &[]))[0].0.local_ip, Some(asked));
    // Refusals too, and answers to strangers.
    let other = address([10, 0, 0, 3], 5);
    assert_eq!(bare.say(0, other, Some(asked), &rrq("f", "mail", &[]))[0].0.local_ip, Some(asked));
    let unspecified: IpAddr = "0.0.0.0".parse().unwrap();
    assert_eq!(bare.say(0, other, Some(unspecified), &rrq("f", "octet", &[]))[0].0.local_ip, None);
}

#[test]
fn each_group_answers_from_its_own_sockets() {
    let mut bare = Bare::new(vec![
        SocketRole::Listener { group: 0 },
        SocketRole::Listener { group: 1 },
        SocketRole::Transfer { group: 1 },
        SocketRole::Transfer { group: 0 },
        // A group without a pool answers from where it listens.
        SocketRole::Listener { group: 2 },
    ]);
    for (listener, answering) in [(0, 3), (1, 2), (4, 4)] {
        // The same peer may be served by each of them at the same time.
        let sent = bare.say(listener, PEER, None, &rrq("f", "octet", &[]));
        assert_eq!(sent[0].0.socket, answering);
    }
    assert_eq!(bare.endpoint.active_transfers(), 3);
}

#[test]
fn a_socket_that_was_not_configured_is_ignored() {
    let mut bare = Bare::new(one_group());
    assert!(bare.say(17, PEER, None, &rrq("f", "octet", &[])).is_empty());
    assert!(Bare::new(Vec::new()).say(0, PEER, None, &rrq("f", "octet", &[])).is_empty());
}

#[test]
fn identifiers_are_never_used_twice() {
    let mut bench = Bench::server();
    bench.store().insert("f", b"x".to_vec());
    for port in 1000..1200 {
        let peer = address([10, 0, 0, 2], port);
        let (tid, _) = bench.request(peer, rrq("f", "octet", &[]));
        bench.say(peer, tid, ack(1));
    }
    let mut ids: Vec<_> = bench.reports().iter().map(|report| report.id).collect();
    assert_eq!(ids.len(), 200);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    // An answer to a job of the past is ignored.
    let now = bench.now();
    bench.node().endpoint.handle_job(now, ids[0], JobResult::Opened { size: None });
    bench.rest();
}

#[test]
fn a_budget_acts_on_the_window_of_the_oack_and_what_was_granted_is_fixed() {
    let options = [("blksize", "8192"), ("windowsize", "64")];
    let mut bench = Bench::server_with(|config| config.buffer_budget = 1 << 20);
    bench.store().insert("f", content::bytes(1, 8192 * 100));
    let (_, answer) = bench.request(PEER, rrq("f", "octet", &options));
    assert_eq!(answer, oack(&options), "half a megabyte fits");
    let mut last = 64;
    for port in 2000..2060 {
        let peer = address([10, 0, 0, 3], port);
        let (tid, answer) = bench.request(peer, rrq("f", "octet", &options));
        let text = String::from_utf8(answer).unwrap();
        let window: u16 = text.split('\0').rev().nth(1).unwrap().parse().unwrap();
        assert!((1..=last).contains(&window), "the more there are the less each gets");
        last = window;
        // However many come later, a window that was granted is sent whole.
        let at_once = bench.say(peer, tid, ack(0)).len();
        // Until it is asked once more what has become of them.
        let after_pauses = bench.wait(peer, Duration::from_millis(9)).len();
        assert_eq!(at_once + after_pauses, usize::from(window));
    }
    assert_eq!(last, 1);
    assert_eq!(bench.heard(SERVER).len(), 0);
}

#[test]
fn progress_can_be_asked_for_and_never_runs_back() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 5000));
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    let id = bench.store().log()[0].id;
    let mut last = 0;
    for block in 1..=9 {
        bench.say(PEER, tid, ack(block));
        let told = bench.node().endpoint.transferred(id).unwrap();
        assert!(told >= last);
        assert_eq!(told, u64::from(block) * 512);
        last = told;
        bench.say(PEER, tid, ack(block - 1));
        assert_eq!(bench.node().endpoint.transferred(id), Some(told));
    }
    bench.say(PEER, tid, ack(10));
    assert_eq!(bench.node().endpoint.transferred(id), None);
    assert_eq!(bench.reports()[0].bytes, 5000);
}

#[test]
fn what_is_sent_tells_of_which_transfer_and_whether_that_is_the_only_one() {
    let mut bare = Bare::new(one_group());
    let [one, two] = [2, 3].map(|host| address([10, 0, 0, host], 1024));
    let request = rrq("f", "octet", &[]);
    let refused = &bare.say(0, two, None, &rrq("f", "mail", &[]))[0].0;
    assert_eq!(refused.transfer, None, "there never was one");

    let first = bare.say(0, one, None, &request)[0].0;
    let id = first.transfer.unwrap();
    assert!(bare.endpoint.is_alone(id));

    let second = bare.say(0, two, None, &request)[0].0;
    let other = second.transfer.unwrap();
    assert_ne!(other, id);
    assert!(!bare.endpoint.is_alone(id) && !bare.endpoint.is_alone(other));

    for block in 1..=4 {
        bare.say(first.socket, one, None, &ack(block));
    }
    assert!(!bare.endpoint.is_alone(id) && bare.endpoint.is_alone(other), "the first has ended");
}
