//! What the event loop must do on every runtime. The adapters run it: `suite!(module, runtime, run)` makes a test of each
//! case, where `run` is given the case's future.

mod lab;
mod rig;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_channel::mpsc;
use futures_util::StreamExt;
use tftp_driver::event_loop::EventLoop;
use tftp_driver::protocol::NoJobs;
use tftp_driver::runtime::Runtime;
use tftp_driver::udp::{BindOptions, BoundSocket, bind};

use self::echo::{Echo, EchoEvent};
use self::lab::{Command, Event, Job, Jobs, Lab};
use self::rig::{Peer, drive, socket};

#[path = "../../examples/support/echo.rs"]
mod echo;

macro_rules! suite {
    ($module:ident, $runtime:expr, $run:expr) => {
        suite!(@ $module, $runtime, $run,
            echo_over_ipv4 echo_over_ipv6 echo_over_a_dual_stack_socket silent_peers_are_forgotten
            answers_leave_from_the_address_that_was_asked trains_arrive_as_datagrams
            trains_survive_the_loss_of_offload joined_datagrams_are_split_again port_0_is_never_answered
            jobs_ready_and_pending ending_waits_for_no_job dropping_releases_ports commands_from_the_owner);
    };
    (@ $module:ident, $runtime:expr, $run:expr, $($case:ident)*) => {
        mod $module {
            $(#[test]
            fn $case() {
                $run(crate::event_loop_suite::$case($runtime));
            })*
        }
    };
}
pub(crate) use suite;

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
const ANY_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
const ANY_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// Has the datagrams of all sizes sent back, by a server on `server` that is reached as `at`.
async fn echo<R: Runtime>(runtime: R, server: BoundSocket, at: IpAddr, from: SocketAddr) {
    let at = SocketAddr::new(at, server.local_addr().port());
    let (events, mut heard) = mpsc::unbounded();
    let echo = Echo::new(Duration::from_secs(3600));
    let event_loop =
        EventLoop::new(runtime.clone(), [server], echo, NoJobs, move |event| events.unbounded_send(event).unwrap())
            .unwrap();
    let mut peer = Peer::new(&runtime, from);
    let body = async {
        // An empty one, the largest that fits an Ethernet frame, one that does not, the largest of TFTP, of IPv4.
        for len in [0, 1, 1472, 1473, 9000, 65_468, 65_507] {
            let bytes: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            peer.send(&bytes, at);
            let (echoed, source) = peer.recv().await;
            assert_eq!(source, at);
            assert!(echoed == bytes, "{len} bytes came back as {}", echoed.len());
        }
        assert_eq!(heard.next().await, Some(EchoEvent::Joined(peer.addr())));
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn echo_over_ipv4<R: Runtime>(runtime: R) {
    echo(runtime, socket(V4), V4.ip(), V4).await;
}

pub(crate) async fn echo_over_ipv6<R: Runtime>(runtime: R) {
    if let Some(server) = ipv6(V6, true) {
        echo(runtime, server, V6.ip(), V6).await;
    }
}

/// As service managers hand them over.
pub(crate) async fn echo_over_a_dual_stack_socket<R: Runtime>(runtime: R) {
    if let Some(server) = ipv6(ANY_V6, false) {
        echo(runtime, server, V4.ip(), V4).await;
    }
}

fn ipv6(addr: SocketAddr, only_v6: bool) -> Option<BoundSocket> {
    match bind(addr, &BindOptions { only_v6, ..BindOptions::default() }) {
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => None,
        bound => Some(bound.unwrap()),
    }
}

pub(crate) async fn silent_peers_are_forgotten<R: Runtime>(runtime: R) {
    forgets_after(runtime, Duration::from_millis(30)).await;
}

/// With paused time any idle time does.
pub(crate) async fn forgets_after<R: Runtime>(runtime: R, idle: Duration) {
    let server = socket(V4);
    let at = server.local_addr();
    let (events, mut heard) = mpsc::unbounded();
    let event_loop = EventLoop::new(runtime.clone(), [server], Echo::new(idle), NoJobs, move |event| {
        events.unbounded_send(event).unwrap();
    })
    .unwrap();
    let mut peer = Peer::new(&runtime, V4);
    let body = async {
        for _ in 0..2 {
            let start = runtime.now();
            peer.send(b"hello", at);
            assert_eq!(heard.next().await, Some(EchoEvent::Joined(peer.addr())));
            assert_eq!(heard.next().await, Some(EchoEvent::Left(peer.addr())));
            assert!(runtime.now() - start >= idle);
            assert_eq!(peer.recv().await.0, b"hello");
        }
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn answers_leave_from_the_address_that_was_asked<R: Runtime>(runtime: R) {
    let server = socket(ANY_V4);
    let port = server.local_addr().port();
    let event_loop =
        EventLoop::new(runtime.clone(), [server], Echo::new(Duration::from_secs(3600)), NoJobs, |_| ()).unwrap();
    let mut peer = Peer::new(&runtime, ANY_V4);
    let body = async {
        // Other systems have but one loopback address.
        for last in if cfg!(target_os = "linux") { 1..=9 } else { 1..=1 } {
            let at = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
            peer.send(b"who is there?", at);
            assert_eq!(peer.recv().await, (b"who is there?".to_vec(), at));
        }
    };
    drive(&runtime, event_loop, body).await;
}

type LabLoop<R> = EventLoop<R, Lab, Jobs<R>, Box<dyn FnMut(Event) + Send>>;

/// A loop that does as it is told over two sockets, and its channels.
fn lab<R: Runtime>(
    runtime: &R,
    sockets: Vec<BoundSocket>,
) -> (LabLoop<R>, mpsc::UnboundedSender<Command>, mpsc::UnboundedReceiver<Event>, Arc<AtomicUsize>) {
    let (commands, receiver) = mpsc::unbounded();
    let (events, heard) = mpsc::unbounded();
    let finished = Arc::new(AtomicUsize::new(0));
    let jobs = Jobs { runtime: runtime.clone(), finished: Arc::clone(&finished) };
    let on_event: Box<dyn FnMut(Event) + Send> = Box::new(move |event| events.unbounded_send(event).unwrap());
    let event_loop = EventLoop::new(runtime.clone(), sockets, Lab::default(), jobs, on_event).unwrap();
    let event_loop = event_loop.with_commands(receiver);
    (event_loop, commands, heard, finished)
}

fn numbered(len: usize, segment: usize) -> Vec<u8> {
    (0..len).map(|at| (at / segment) as u8).collect()
}

async fn expect_train<S: tftp_driver::runtime::AsyncSocket>(peer: &mut Peer<S>, len: usize, segment: usize) {
    for datagram in numbered(len, segment).chunks(segment) {
        let (received, _) = peer.recv().await;
        assert!(received == datagram, "{} bytes instead of {}", received.len(), datagram.len());
    }
}

pub(crate) async fn trains_arrive_as_datagrams<R: Runtime>(runtime: R) {
    let (event_loop, commands, _heard, _) = lab(&runtime, vec![socket(V4)]);
    let mut peer = Peer::new(&runtime, V4);
    let body = async {
        // With a short one last, without, of one, more than a train may hold, and datagrams too large for trains.
        for (len, segment) in [(10_300, 1000), (10_000, 1000), (700, 1000), (14_950, 100), (65_000, 40_000)] {
            commands
                .unbounded_send(Command::Send {
                    socket: 0,
                    peer: peer.addr(),
                    local_ip: None,
                    bytes: numbered(len, segment),
                    segment: Some(segment),
                })
                .unwrap();
            expect_train(&mut peer, len, segment).await;
        }
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn trains_survive_the_loss_of_offload<R: Runtime>(runtime: R) {
    let (event_loop, commands, _heard, _) = lab(&runtime, vec![socket(ANY_V4)]);
    let mut peer = Peer::new(&runtime, V4);
    let body = async {
        // A source address that is not ours makes Linux refuse the first with the error that ends segmentation offload
        // for a socket. What follows has to leave all the same.
        for local_ip in [Some(Ipv4Addr::new(203, 0, 113, 1).into()), None] {
            let bytes = numbered(10_300, 1000);
            let send = Command::Send { socket: 0, peer: peer.addr(), local_ip, bytes, segment: Some(1000) };
            commands.unbounded_send(send).unwrap();
        }
        expect_train(&mut peer, 10_300, 1000).await;
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn joined_datagrams_are_split_again<R: Runtime>(runtime: R) {
    let sockets = vec![socket(V4), socket(V4)];
    let [from, to] = [0, 1].map(|at: usize| sockets[at].local_addr());
    let (event_loop, commands, mut heard, _) = lab(&runtime, sockets);
    let body = async {
        let bytes = numbered(60_300, 1000);
        let send = Command::Send { socket: 0, peer: to, local_ip: None, bytes: bytes.clone(), segment: Some(1000) };
        commands.unbounded_send(send).unwrap();
        for datagram in bytes.chunks(1000) {
            let Some(Event::Datagram(meta, received)) = heard.next().await else { panic!("no datagram") };
            assert_eq!((meta.socket, meta.peer, meta.local_ip), (1, from, Some(V4.ip())));
            assert_eq!(received, datagram);
        }
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn port_0_is_never_answered<R: Runtime>(runtime: R) {
    let (event_loop, commands, _heard, _) = lab(&runtime, vec![socket(V4)]);
    let mut peer = Peer::new(&runtime, V4);
    let body = async {
        for to in [SocketAddr::new(V4.ip(), 0), ANY_V4, peer.addr()] {
            let bytes = to.port().to_be_bytes().to_vec();
            commands
                .unbounded_send(Command::Send { socket: 0, peer: to, local_ip: None, bytes, segment: None })
                .unwrap();
        }
        assert_eq!(peer.recv().await.0, peer.addr().port().to_be_bytes());
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn jobs_ready_and_pending<R: Runtime>(runtime: R) {
    let (event_loop, commands, mut heard, finished) = lab(&runtime, vec![socket(V4)]);
    let body = async {
        commands.unbounded_send(Command::Job(1, Job::Pending)).unwrap();
        assert_eq!(heard.next().await, Some(Event::JobDone(1, "later")));
        assert_eq!(finished.load(Ordering::Relaxed), 1);
        commands.unbounded_send(Command::Job(2, Job::Ready)).unwrap();
        assert_eq!(heard.next().await, Some(Event::JobDone(2, "at once")));
        assert_eq!(finished.load(Ordering::Relaxed), 1);
        for id in 3..100 {
            commands.unbounded_send(Command::Job(id, Job::Pending)).unwrap();
        }
        let mut ids = Vec::new();
        while ids.len() < 97 {
            let Some(Event::JobDone(id, "later")) = heard.next().await else { panic!("no result") };
            ids.push(id);
        }
        ids.sort_unstable();
        assert!(ids.into_iter().eq(3..100));
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn ending_waits_for_no_job<R: Runtime>(runtime: R) {
    let (event_loop, commands, mut heard, finished) = lab(&runtime, vec![socket(V4)]);
    let body = async {
        for id in 0..10 {
            commands.unbounded_send(Command::Job(id, Job::Never)).unwrap();
        }
        commands.unbounded_send(Command::ShutDown).unwrap();
        // The events end when the loop is dropped, which is when it has ended.
        while heard.next().await.is_some() {}
        assert_eq!(finished.load(Ordering::Relaxed), 0);
    };
    drive(&runtime, event_loop, body).await;
}

pub(crate) async fn dropping_releases_ports<R: Runtime>(runtime: R) {
    let bound = socket(V4);
    let addr = bound.local_addr();
    let (event_loop, commands, _heard, _) = lab(&runtime, vec![bound]);
    commands.unbounded_send(Command::Job(1, Job::Pending)).unwrap();
    assert_eq!(bind(addr, &BindOptions::default()).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    // Let it register with its reactor, and be dropped in the midst of it.
    drive(&runtime, event_loop, rig::yields(3)).await;
    bind(addr, &BindOptions::default()).unwrap();
}

pub(crate) async fn commands_from_the_owner<R: Runtime>(runtime: R) {
    let (mut event_loop, commands, mut heard, _) = lab(&runtime, vec![socket(V4)]);
    // The end of the channel is not the end of the loop.
    drop(commands);
    event_loop.command(Command::Job(7, Job::Ready));
    assert_eq!(event_loop.local_addr(0).unwrap().ip(), V4.ip());
    assert_eq!(event_loop.local_addr(1), None);
    drive(&runtime, event_loop, async {
        assert_eq!(heard.next().await, Some(Event::JobDone(7, "at once")));
    })
    .await;
}
