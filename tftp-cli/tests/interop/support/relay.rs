//! A relay that loses what it is told to lose.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::process::eventually;
use super::unique_loopback;

/// How often a thread looks whether it shall end.
const TICK: Duration = Duration::from_millis(20);

/// Which way a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    ToServer,
    ToClient,
}

/// Whether a datagram passes.
type Rule = Box<dyn FnMut(Side, &[u8]) -> bool + Send>;

/// Stands between clients and a server. Clients see one address and one port; the server sees one port per client.
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

struct Shared {
    rule: Mutex<Rule>,
    dropped: AtomicUsize,
    ended: AtomicBool,
}

impl Shared {
    fn passes(&self, side: Side, bytes: &[u8]) -> bool {
        let passes = (self.rule.lock().unwrap())(side, bytes);
        if !passes {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
        passes
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

impl Relay {
    pub(crate) fn start(server: SocketAddr, rule: impl FnMut(Side, &[u8]) -> bool + Send + 'static) -> Self {
        let socket = UdpSocket::bind((unique_loopback(), 0)).expect("the relay's socket");
        let address = socket.local_addr().expect("the relay's address");
        let rule: Rule = Box::new(rule);
        let shared =
            Arc::new(Shared { rule: Mutex::new(rule), dropped: AtomicUsize::new(0), ended: AtomicBool::new(false) });
        let listener = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || listen(&socket, server, &shared)
        });
        Self { address, shared, listener: Some(listener) }
    }

    /// Where clients are to send.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many datagrams were lost so far.
    pub(crate) fn dropped(&self) -> usize {
        self.shared.dropped.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// Carries datagrams of all clients to the server.
fn listen(socket: &UdpSocket, server: SocketAddr, shared: &Arc<Shared>) {
    socket.set_read_timeout(Some(TICK)).expect("a timeout");
    let mut sessions: HashMap<SocketAddr, Session> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    while !shared.ended() {
        let Ok((len, client)) = socket.recv_from(&mut buffer) else { continue };
        let bytes = &buffer[..len];
        let session = sessions.entry(client).or_insert_with(|| Session::start(socket, client, server, shared));
        if shared.passes(Side::ToServer, bytes) {
            session.send(server, bytes);
        }
    }
    for (_, session) in sessions {
        let _ = session.thread.join();
    }
}

/// One client's way to the server and back.
struct Session {
    socket: UdpSocket,
    /// The port that the server answers from, once it is known.
    transfer: Arc<Mutex<Option<SocketAddr>>>,
    thread: JoinHandle<()>,
}

impl Session {
    fn start(listener: &UdpSocket, client: SocketAddr, server: SocketAddr, shared: &Arc<Shared>) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).expect("a session's socket");
        socket.set_read_timeout(Some(TICK)).expect("a timeout");
        let transfer = Arc::new(Mutex::new(None));
        let thread = std::thread::spawn({
            let (upstream, listener) = (socket.try_clone().expect("a socket"), listener.try_clone().expect("a socket"));
            let (transfer, shared) = (Arc::clone(&transfer), Arc::clone(shared));
            move || {
                let mut buffer = vec![0; 65_536];
                while !shared.ended() {
                    let Ok((len, from)) = upstream.recv_from(&mut buffer) else { continue };
                    let bytes = &buffer[..len];
                    *transfer.lock().unwrap() = Some(from);
                    if shared.passes(Side::ToClient, bytes) {
                        let _ = listener.send_to(bytes, client);
                    }
                }
            }
        });
        Self { socket, transfer, thread }
    }

    /// Requests go to the listening port, all else to where the answers come from.
    fn send(&self, server: SocketAddr, bytes: &[u8]) {
        let is_request = matches!(bytes, [0, 1 | 2, ..]);
        let transfer = self.transfer.lock().unwrap().filter(|_| !is_request);
        let _ = self.socket.send_to(bytes, transfer.unwrap_or(server));
    }
}

/// A rule that stops all traffic after some datagrams, so that a transfer stands still in its middle.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    closed: Arc<AtomicBool>,
    opened: Arc<AtomicBool>,
}

impl Gate {
    /// Closes once `after` datagrams of DATA have passed.
    pub(crate) fn rule(&self, after: usize) -> impl FnMut(Side, &[u8]) -> bool + Send + 'static {
        let gate = self.clone();
        let mut seen = 0;
        move |_, bytes| {
            if gate.opened.load(Ordering::SeqCst) {
                return true;
            }
            if matches!(bytes, [0, 3, ..]) {
                seen += 1;
            }
            if seen > after {
                gate.closed.store(true, Ordering::SeqCst);
            }
            seen <= after
        }
    }

    /// Waits until the transfer stands still.
    pub(crate) fn wait_until_closed(&self) {
        eventually("a transfer that has reached its middle", || self.closed.load(Ordering::SeqCst).then_some(()));
    }

    /// Lets everything pass again.
    pub(crate) fn open(&self) {
        self.opened.store(true, Ordering::SeqCst);
    }
}
