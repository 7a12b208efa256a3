//! What an endpoint keeps follows from what goes on, not from what once went on: only its insides show that.

use super::*;
use crate::wire::Options;
use alloc::sync::Arc;
use core::net::Ipv4Addr;

const START: Instant = Instant::from_micros(1_000_000);

/// A server whose storage answers every open when it is told to.
struct Server {
    endpoint: Endpoint,
    opens: Vec<TransferId>,
    ended: Vec<Report>,
}

impl Server {
    fn new(limits: Limits) -> Self {
        Self::sharing(Arc::new(Admission::new(limits)))
    }

    fn sharing(admission: Arc<Admission>) -> Self {
        let config = EndpointConfig {
            sockets: alloc::vec![SocketRole::Listener { group: 0 }, SocketRole::Transfer { group: 0 }],
            admission,
            ..EndpointConfig::default()
        };
        Self { endpoint: Endpoint::new(config, 1), opens: Vec::new(), ended: Vec::new() }
    }

    fn drain(&mut self) {
        let mut out = alloc::vec![0; 70_000];
        loop {
            match self.endpoint.poll(START, &mut out) {
                Action::Job(id, Job::OpenRead(_)) => self.opens.push(id),
                Action::Event(Event::Finished(report)) => self.ended.push(*report),
                Action::Job(..) | Action::Transmit(_) | Action::Event(_) => {}
                Action::Wait(_) | Action::Finished => return,
            }
        }
    }

    /// A read request from a host of its own.
    fn request(&mut self, host: u32) {
        let mut packet = [0; 100];
        let (direction, mode) = (crate::wire::Direction::Read, crate::wire::Mode::Octet);
        let request = Repr::Request { direction, filename: b"f", mode, options: Options::NONE };
        let len = request.emit(&mut packet).unwrap();
        let peer = SocketAddr::new(Ipv4Addr::from_bits(0x0a00_0000 + host).into(), 1024);
        self.endpoint.handle_datagram(START, &Meta { socket: 0, peer, local_ip: None }, &packet[..len]);
        self.drain();
    }

    /// Storage answers all opens.
    fn answer(&mut self, result: &JobResult) {
        for id in core::mem::take(&mut self.opens) {
            self.endpoint.handle_job(START, id, result.clone());
        }
        self.drain();
    }
}

fn not_found() -> JobResult {
    JobResult::Failed(StorageFailure::new(FailureKind::NotFound, "no such file"))
}

#[test]
fn hosts_that_came_and_went_leave_nothing_behind() {
    let mut server = Server::new(Limits::default());
    // A crowd at once, and then many one by one.
    for host in 1..=500 {
        server.request(host);
    }
    assert_eq!(server.endpoint.arrivals.len(), (500, 0));
    server.answer(&not_found());
    for host in 1000..5000 {
        server.request(host);
        server.answer(&not_found());
    }
    assert_eq!(server.ended.len(), 4500);
    server.endpoint.handle_timeout(START + Duration::from_secs(3600));
    let Endpoint { table, servers, arrivals, ready, replies, events, timers, .. } = &server.endpoint;
    assert_eq!((table.len(), servers.len()), (0, 0));
    assert_eq!((ready.len(), replies.len(), events.len(), timers.next()), (0, 0, 0, None));
    assert!(arrivals.len().0 < 70, "{:?}", arrivals.len());
}

#[test]
fn those_who_were_answered_are_known_by_their_network_until_they_end() {
    let mut server = Server::new(Limits::default());
    for host in 1..=500 {
        server.request(host);
    }
    server.answer(&JobResult::Opened { size: None });
    assert_eq!(server.endpoint.arrivals.len().1, 500);
    server.endpoint.shutdown(START, super::Shutdown::Immediate);
    server.drain();
    assert_eq!(server.endpoint.arrivals.len().1, 0);
}

#[test]
fn the_oldest_unproved_transfer_gives_way_however_many_have_come_and_gone_since() {
    let mut server = Server::new(Limits { transfers: 2, ..Limits::default() });
    server.request(1);
    server.answer(&JobResult::Opened { size: None });
    for host in 1000..1200 {
        server.request(host);
        server.answer(&not_found());
    }
    server.request(2);
    server.answer(&JobResult::Opened { size: None });
    server.ended.clear();
    server.request(3);
    let ended = server.ended.iter().map(|report| (report.peer.ip(), report.outcome.clone())).collect::<Vec<_>>();
    assert_eq!(ended, [(Ipv4Addr::new(10, 0, 0, 1).into(), Outcome::Evicted)]);
}

#[test]
fn an_endpoint_that_goes_gives_back_its_places() {
    let admission = Arc::new(Admission::new(Limits { transfers: 3, opening: 1, per_network: 1 }));
    let mut gone = Server::sharing(Arc::clone(&admission));
    // One is being served, one has ended, and one is being opened.
    gone.request(1);
    gone.answer(&JobResult::Opened { size: None });
    gone.request(2);
    gone.answer(&not_found());
    gone.request(3);
    assert_eq!(admission.transfers(), 2);
    drop(gone);
    assert_eq!(admission.transfers(), 0);
    let mut other = Server::sharing(Arc::clone(&admission));
    for host in 1..=3 {
        other.request(host);
        other.answer(&JobResult::Opened { size: None });
    }
    assert_eq!(admission.transfers(), 3);
}

#[test]
fn a_transfer_that_storage_still_has_something_of_is_not_the_only_one() {
    let mut server = Server::new(Limits::default());
    server.request(1);
    server.request(2);
    let [first, second] = server.opens[..] else { panic!("two opens") };
    server.answer(&JobResult::Opened { size: Some(1000) });
    let peer = SocketAddr::new(Ipv4Addr::from_bits(0x0a00_0001).into(), 1024);
    server.endpoint.handle_datagram(START, &Meta { socket: 1, peer, local_ip: None }, b"\0\x05\0\0\0");
    server.drain();
    assert_eq!((server.endpoint.table.len(), server.endpoint.active_transfers()), (2, 1));
    assert!(!server.endpoint.is_alone(first) && server.endpoint.is_alone(second));
}
