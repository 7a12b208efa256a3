//! Servers that run beside a test, clients, and peers played by hand.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use tftp_driver::client::{Client, ClientBuilder, ClientConfig, Download, Source};
use tftp_driver::runtime::{AsyncSocket, Runtime, Timer};
use tftp_driver::server::{Server, ServerBuilder, ServerHandle};
use tftp_driver::storage::{Memory, Storage, WritePolicy};
use tftp_driver::types::{Error, Event, Report, Timing};

/// A test that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// On which a server of a test listens.
pub(crate) const LOCALHOST: &str = "127.0.0.1:0";

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime with a way to have something run beside the test.
#[derive(Clone)]
pub(crate) struct Rig<R> {
    pub(crate) runtime: R,
    spawn: fn(Task),
}

impl<R: Runtime> Rig<R> {
    pub(crate) fn new(runtime: R, spawn: fn(Task)) -> Self {
        Self { runtime, spawn }
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.spawn)(Box::pin(task));
    }

    pub(crate) fn client(&self) -> Client<R> {
        self.client_with(|builder| builder)
    }

    /// Unless a test says otherwise, nothing is sent twice, however busy the machine is.
    pub(crate) fn client_with(
        &self,
        set: impl FnOnce(ClientBuilder<ClientConfig>) -> ClientBuilder<ClientConfig>,
    ) -> Client<R> {
        Client::new(self.runtime.clone(), set(ClientBuilder::default().timing(patient())).build())
    }

    /// A server on localhost with these files.
    pub(crate) fn serve(&self, storage: impl Storage) -> Running {
        self.serve_with(storage, |builder| builder.listen(LOCALHOST.parse().unwrap()))
    }

    pub(crate) fn serve_with<S: Storage>(
        &self,
        storage: S,
        set: impl FnOnce(ServerBuilder<R, S>) -> ServerBuilder<R, S>,
    ) -> Running {
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        let builder = Server::builder_on(self.runtime.clone())
            .storage(storage)
            .on_event(move |event| heard.lock().unwrap().push(event.clone()));
        let server = set(builder).bind().unwrap();
        let addresses = server.local_addrs().to_vec();
        let handle = server.handle();
        let (drop_it, dropped) = oneshot::channel::<()>();
        let (tell_end, ended) = oneshot::channel();
        self.spawn(async move {
            match select(server, dropped).await {
                Either::Left((result, _)) => {
                    let _ = tell_end.send(Some(result));
                }
                Either::Right((_, server)) => {
                    drop(server);
                    let _ = tell_end.send(None);
                }
            }
        });
        Running { addresses, handle, events, drop_it: Some(drop_it), ended }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        let deadline = self.runtime.now() + duration;
        let mut timer = self.runtime.timer();
        poll_fn(|cx| timer.poll_until(cx, deadline)).await;
    }

    /// Waits for something to become true.
    pub(crate) async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = self.runtime.now() + DEADLINE / 4;
        while !condition() {
            assert!(self.runtime.now() < deadline, "still not: {what}");
            self.sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn peer(&self) -> Peer<R::Socket> {
        let socket = UdpSocket::bind(LOCALHOST).unwrap();
        socket.set_nonblocking(true).unwrap();
        Peer { io: self.runtime.socket(socket.try_clone().unwrap()).unwrap(), socket }
    }
}

fn patient() -> Timing {
    let timeout = Duration::from_secs(8);
    Timing { initial_timeout: timeout, min_timeout: timeout, max_timeout: timeout, ..Timing::default() }
}

/// A server that runs beside the test, until it is dropped.
pub(crate) struct Running {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) handle: ServerHandle,
    events: Arc<Mutex<Vec<Event>>>,
    drop_it: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Option<io::Result<()>>>,
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The reports so far, in the order of their ends.
    pub(crate) fn reports(&self) -> Vec<Report> {
        let events = self.events.lock().unwrap();
        let report = |event: &Event| match event {
            Event::Finished(report) => Some((**report).clone()),
            _ => None,
        };
        events.iter().filter_map(report).collect()
    }

    /// Waits for so many reports, and for the transfers to be gone.
    pub(crate) async fn finished<R: Runtime>(&self, rig: &Rig<R>, count: usize) -> Vec<Report> {
        rig.until("finished", || self.reports().len() >= count && self.handle.active_transfers() == 0).await;
        let reports = self.reports();
        let outcomes: Vec<_> = reports.iter().map(|report| &report.outcome).collect();
        assert_eq!(reports.len(), count, "each transfer ends once: {outcomes:?}");
        reports
    }

    /// Drops the server and waits until that is done.
    pub(crate) async fn kill(mut self) {
        drop(self.drop_it.take());
        assert!((&mut self.ended).await.unwrap().is_none(), "it ended by itself");
    }

    /// Waits for the server to end by itself.
    pub(crate) async fn end(&mut self) {
        (&mut self.ended).await.unwrap().expect("it was dropped").unwrap();
    }
}

/// Fails a case that hangs.
pub(crate) async fn within_a_minute<R: Runtime>(runtime: &R, case: impl Future<Output = ()>) {
    let mut timer = runtime.timer();
    let deadline = runtime.now() + DEADLINE;
    let timeout = poll_fn(|cx| timer.poll_until(cx, deadline));
    if let Either::Right(_) = select(pin!(case), timeout).await {
        panic!("hangs");
    }
}

/// Memory that accepts every upload.
pub(crate) fn memory() -> Memory {
    Memory::builder().write_policy(WritePolicy::ANY).build()
}

/// Bytes that differ by file and by place.
pub(crate) fn content(seed: u32, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .collect()
}

/// Reads some bytes, none at the end.
pub(crate) async fn read_some<R: Runtime>(download: &mut Download<R>, limit: usize) -> Result<Vec<u8>, Error> {
    let mut buffer = vec![0; limit];
    let count = poll_fn(|cx| download.poll_read(cx, &mut buffer)).await?;
    buffer.truncate(count);
    Ok(buffer)
}

pub(crate) async fn read_to_end<R: Runtime>(download: &mut Download<R>) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    loop {
        let some = read_some(download, 10_000).await?;
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

/// Gets a whole file.
pub(crate) async fn download<R: Runtime>(client: &Client<R>, server: SocketAddr, name: &str) -> Result<Vec<u8>, Error> {
    let mut download = client.get(server, name).await?;
    read_to_end(&mut download).await
}

/// A source of bytes that are there already, in pieces as they come from a file.
pub(crate) struct Pieces(pub(crate) Bytes);

impl Source for Pieces {
    fn poll_read(&mut self, _cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = buffer.len().min(self.0.len()).min(3000);
        buffer[..count].copy_from_slice(&self.0.split_to(count));
        Poll::Ready(Ok(count))
    }
}

/// Gives `before`, and the rest only once its gate is opened.
pub(crate) struct Gated {
    before: Pieces,
    gate: Option<oneshot::Receiver<io::Result<()>>>,
    reached: Arc<AtomicBool>,
    after: Pieces,
}

pub(crate) struct Gate {
    opener: oneshot::Sender<io::Result<()>>,
    reached: Arc<AtomicBool>,
}

impl Gated {
    /// With 300,000 bytes before it, the gate is reached when the server has acknowledged some of them.
    pub(crate) fn new(before: Bytes, after: Bytes) -> (Self, Gate) {
        let (opener, gate) = oneshot::channel();
        let reached = Arc::new(AtomicBool::new(false));
        let gated = Self { before: Pieces(before), gate: Some(gate), reached: reached.clone(), after: Pieces(after) };
        (gated, Gate { opener, reached })
    }
}

impl Gate {
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// The reader may be gone.
    pub(crate) fn open(self, result: io::Result<()>) {
        let _ = self.opener.send(result);
    }
}

impl Source for Gated {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.before.0.is_empty() {
            return self.before.poll_read(cx, buffer);
        }
        if let Some(gate) = &mut self.gate {
            self.reached.store(true, Ordering::Relaxed);
            ready!(Pin::new(gate).poll(cx)).map_err(io::Error::other)??;
            self.gate = None;
        }
        self.after.poll_read(cx, buffer)
    }
}

/// A plain UDP socket.
pub(crate) struct Peer<S> {
    io: S,
    socket: UdpSocket,
}

impl<S: AsyncSocket> Peer<S> {
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) {
        assert_eq!(self.socket.send_to(bytes, to).unwrap(), bytes.len());
    }

    pub(crate) async fn receive(&mut self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let Self { io, socket } = self;
        let (len, from) = poll_fn(|cx| {
            loop {
                ready!(io.poll_readable(cx)).unwrap();
                match io.try_read(|_| socket.recv_from(&mut buffer)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result.unwrap()),
                }
            }
        })
        .await;
        buffer.truncate(len);
        (buffer, from)
    }
}
