//! A runtime whose clock and readiness the test controls, and a protocol that records what it is told.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::event_loop::EventLoop;
use crate::protocol::{Action, Meta, NoJobs, Protocol, Transmit};
use crate::runtime::{AsyncSocket, Runtime, SocketRef, Timer};
use crate::udp::{BindOptions, BoundSocket, bind};

/// The world around the loop.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<State>>);

type BeforeWait = Box<dyn FnOnce(&mut State) + Send>;

pub(crate) struct State {
    pub(super) now: Instant,
    /// Sending is answered with these before the socket is asked. `WouldBlock` makes the socket not writable.
    pub(super) refusals: VecDeque<Option<io::Error>>,
    /// Receiving is answered with this.
    pub(super) receive_error: Option<io::ErrorKind>,
    /// Happens when the socket is about to be read.
    pub(super) before_read: Option<Box<dyn FnOnce() + Send>>,
    /// Happens when the loop is about to wait in place, one after the other.
    pub(super) before_wait: VecDeque<BeforeWait>,
    /// Times that the loop was about to, or made a socket ready for it.
    pub(crate) waits: usize,
    pub(super) reads: usize,
    pub(super) writes: usize,
    /// The sockets whose readiness was asked for.
    pub(super) asked: BTreeSet<SocketAddr>,
    readable: bool,
    writable: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            now: Instant::now(),
            refusals: VecDeque::new(),
            receive_error: None,
            before_read: None,
            before_wait: VecDeque::new(),
            waits: 0,
            reads: 0,
            writes: 0,
            asked: BTreeSet::new(),
            readable: true,
            writable: true,
            reader: None,
            writer: None,
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn advance(&self, time: Duration) {
        self.state().now += time;
    }

    pub(super) fn make_readable(&self) {
        let mut state = self.state();
        state.readable = true;
        if let Some(waker) = state.reader.take() {
            waker.wake();
        }
    }

    /// Wakes the loop for its socket, and will deny all the same that it is readable.
    pub(super) fn wake_reader(&self) {
        if let Some(waker) = self.state().reader.take() {
            waker.wake();
        }
    }

    pub(super) fn make_writable(&self) {
        let mut state = self.state();
        state.writable = true;
        if let Some(waker) = state.writer.take() {
            waker.wake();
        }
    }
}

impl Runtime for Fake {
    type Socket = FakeSocket;
    type Timer = Fake;

    fn socket(&self, socket: UdpSocket) -> io::Result<FakeSocket> {
        Ok(FakeSocket { socket, fake: self.clone() })
    }

    fn timer(&self) -> Fake {
        self.clone()
    }

    fn now(&self) -> Instant {
        self.state().now
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}

/// It never wakes anybody: the tests poll after they have advanced the clock.
impl Timer for Fake {
    fn poll_until(&mut self, _cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if deadline <= self.state().now { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A real socket whose readiness is the test's to say.
pub(crate) struct FakeSocket {
    socket: UdpSocket,
    fake: Fake,
}

impl AsyncSocket for FakeSocket {
    /// Nobody but a loop that waits in place asks for it.
    fn socket(&self) -> SocketRef<'_> {
        let mut state = self.fake.state();
        state.waits += 1;
        let happens = state.before_wait.pop_front();
        if let Some(happens) = happens {
            happens(&mut state);
        }
        SocketRef::from(&self.socket)
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.fake.state();
        state.asked.insert(self.socket.local_addr()?);
        if state.readable {
            return Poll::Ready(Ok(()));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.fake.state();
        if state.writable {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn try_read<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.fake.state();
        state.reads += 1;
        if let Some(happens) = state.before_read.take() {
            happens();
        }
        if let Some(kind) = state.receive_error {
            return Err(kind.into());
        }
        let result = operation(SocketRef::from(&self.socket));
        state.readable &= !is_would_block(&result);
        result
    }

    fn try_write<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.fake.state();
        state.writes += 1;
        let result = match state.refusals.pop_front().flatten() {
            Some(error) => Err(error),
            None => operation(SocketRef::from(&self.socket)),
        };
        state.writable &= !is_would_block(&result);
        result
    }
}

fn is_would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// What a [`Script`] was told, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Datagram(Vec<u8>),
    Command(&'static str),
    Timeout,
}

/// Does what is on its list.
#[derive(Default)]
pub(super) struct Script {
    pub(super) told: Vec<Told>,
    /// What to send, and in datagrams of which size.
    pub(super) send: VecDeque<(SocketAddr, Vec<u8>, Option<usize>)>,
    pub(super) deadline: Option<Instant>,
    /// Never waits.
    pub(super) talkative: bool,
    /// Tells its owner once that it has been told something.
    pub(super) tells: bool,
    /// Answers every datagram with itself.
    pub(super) echoes: bool,
    /// Is busy with more than one peer.
    pub(super) has_others: bool,
    pub(super) polls: usize,
    /// Of each datagram, only so many bytes are written.
    pub(super) head: Option<usize>,
    /// The rest.
    body: Vec<u8>,
}

impl Script {
    pub(super) fn forget_body(&mut self) {
        self.body.fill(0xEE);
    }
}

impl Protocol for Script {
    type Command = &'static str;
    type JobId = ();
    type Job = Infallible;
    type JobResult = Infallible;
    type Event = ();

    fn handle_datagram(&mut self, _now: Instant, meta: &Meta, bytes: &[u8]) {
        if self.echoes {
            self.send.push_back((meta.peer, bytes.to_vec(), None));
        }
        self.told.push(Told::Datagram(bytes.to_vec()));
    }

    fn handle_command(&mut self, _now: Instant, command: &'static str) {
        self.told.push(Told::Command(command));
    }

    fn handle_job(&mut self, _now: Instant, (): (), result: Infallible) {
        match result {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.take_if(|deadline| *deadline <= now).is_some() {
            self.told.push(Told::Timeout);
        }
    }

    fn poll(&mut self, _now: Instant, out: &mut [u8]) -> Action<Self> {
        self.polls += 1;
        if self.talkative {
            return Action::Event(());
        }
        if !self.told.is_empty() && std::mem::take(&mut self.tells) {
            return Action::Event(());
        }
        match self.send.pop_front() {
            Some((peer, bytes, segment_size)) => {
                let datagrams = bytes.chunks(segment_size.unwrap_or(bytes.len()));
                let heads = datagrams.map(|datagram| datagram.split_at(self.head.unwrap_or(datagram.len())));
                let (heads, body): (Vec<_>, Vec<_>) = heads.unzip();
                let heads = heads.concat();
                out[..heads.len()].copy_from_slice(&heads);
                self.body = body.concat();
                let (socket, local_ip, len, head) = (0, None, bytes.len(), self.head);
                Action::Transmit(Transmit { socket, peer, local_ip, len, segment_size, head })
            }
            None => Action::Wait(self.deadline),
        }
    }

    fn has_sent_to_only_peer(&self) -> bool {
        !self.has_others
    }

    fn body(&self) -> [&[u8]; 2] {
        let (first, second) = self.body.split_at(self.body.len() / 3);
        [first, second]
    }
}

pub(super) type Loop = EventLoop<Fake, Script, NoJobs, Box<dyn FnMut(())>>;

/// A loop over one socket, and how often it has been woken.
pub(super) struct Bench {
    pub(super) fake: Fake,
    pub(super) event_loop: Loop,
    pub(super) events: Arc<AtomicUsize>,
    pub(super) peer: UdpSocket,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_sockets(1)
    }

    pub(super) fn with_sockets(count: usize) -> Self {
        let options = BindOptions { recv_buffer: Some(1 << 20), ..BindOptions::default() };
        Self::over((0..count).map(|_| bind("127.0.0.1:0".parse().unwrap(), &options).unwrap()))
    }

    pub(super) fn over(sockets: impl IntoIterator<Item = BoundSocket>) -> Self {
        let fake = Fake::new();
        let events = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&events);
        let on_event: Box<dyn FnMut(())> = Box::new(move |()| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let event_loop = EventLoop::new(fake.clone(), sockets, Script::default(), NoJobs, on_event).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_nonblocking(true).unwrap();
        Self { fake, event_loop, events, peer, wakes: Arc::default() }
    }

    /// One turn. Says whether the loop asks for another.
    pub(super) fn turn(&mut self) -> bool {
        let before = self.wakes.0.load(Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.wakes));
        assert!(self.event_loop.poll(&mut Context::from_waker(&waker)).is_pending());
        self.wakes.0.load(Ordering::Relaxed) > before
    }

    /// Turns until the loop is content.
    pub(super) fn run(&mut self) {
        for _ in 0..1000 {
            if !self.turn() {
                return;
            }
        }
        panic!("busy loop");
    }

    pub(super) fn send(&mut self, bytes: &[u8], segment: Option<usize>) {
        let to = self.peer.local_addr().unwrap();
        self.event_loop.protocol_mut().send.push_back((to, bytes.to_vec(), segment));
    }

    /// A datagram from the peer, waiting at the loop's socket.
    pub(super) fn arrive(&self, bytes: &[u8]) {
        self.arrive_at(0, bytes);
    }

    pub(super) fn arrive_at(&self, socket: usize, bytes: &[u8]) {
        self.peer.send_to(bytes, self.event_loop.local_addr(socket).unwrap()).unwrap();
    }

    /// Datagrams of this size, sent with one system call. False where the system cannot.
    #[cfg(target_os = "linux")]
    pub(super) fn arrive_as_train(&self, contents: &[u8], segment: usize) -> bool {
        let destination = self.event_loop.local_addr(0).unwrap();
        let state = quinn_udp::UdpSocketState::new((&self.peer).into()).unwrap();
        let train = quinn_udp::Transmit { destination, ecn: None, contents, segment_size: Some(segment), src_ip: None };
        state.max_gso_segments() > 1 && state.try_send((&self.peer).into(), &train).map(|()| true).unwrap()
    }

    /// What has arrived at the peer. Loopback delivers before sending returns.
    pub(super) fn received(&self) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let mut datagrams = Vec::new();
        while let Ok(len) = self.peer.recv(&mut buffer) {
            datagrams.push(buffer[..len].to_vec());
        }
        datagrams
    }
}
