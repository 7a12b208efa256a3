//! Settings of a server.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_channel::mpsc::{self, UnboundedReceiver};
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::endpoint::{Admission, EndpointConfig, Event, Limits};

use super::bind::{Bound, Group, Wanted, bind_shared};
use super::jobs::StorageJobs;
use super::{BindError, Part, Server, ServerHandle, TransferPorts};
use crate::bridge::{Command, PassOn, Tftp, random_seed};
use crate::event_loop::EventLoop;
use crate::runtime::Runtime;
use crate::storage::{Context, Storage};
use crate::udp::BindOptions;

/// Receive buffer to ask for: some 5,000 requests at once, as the system counts them.
const RECEIVE_BUFFER: usize = 4 << 20;

type OnEvent = Box<dyn FnMut(&Event) + Send>;

/// Settings of a [`Server`]. [`storage`](Self::storage) must be called before [`bind`](Self::bind) can be.
#[must_use = "nothing happens before `bind`"]
pub struct ServerBuilder<R, S = ()> {
    runtime: R,
    storage: S,
    listen: Vec<SocketAddr>,
    passed: Vec<UdpSocket>,
    ports: TransferPorts,
    limits: Limits,
    config: EndpointConfig,
    sockets: BindOptions,
    seed: Option<u64>,
    wait_in_place: bool,
    on_event: OnEvent,
}

impl<R: Runtime> ServerBuilder<R> {
    pub(super) fn new(runtime: R) -> Self {
        Self {
            runtime,
            storage: (),
            listen: Vec::new(),
            passed: Vec::new(),
            ports: TransferPorts::default(),
            limits: Limits::default(),
            config: EndpointConfig::default(),
            sockets: BindOptions { recv_buffer: Some(RECEIVE_BUFFER), ..BindOptions::default() },
            seed: None,
            wait_in_place: false,
            on_event: Box::new(|_| {}),
        }
    }
}

impl<R: Runtime, S> ServerBuilder<R, S> {
    /// The files to serve: any [`Storage`], or a [`BoxStorage`](crate::storage::BoxStorage) chosen at run time.
    pub fn storage<T: Storage>(self, storage: T) -> ServerBuilder<R, T> {
        ServerBuilder {
            storage,
            runtime: self.runtime,
            listen: self.listen,
            passed: self.passed,
            ports: self.ports,
            limits: self.limits,
            config: self.config,
            sockets: self.sockets,
            seed: self.seed,
            wait_in_place: self.wait_in_place,
            on_event: self.on_event,
        }
    }

    /// Listens on one more address. Port 0 lets the system choose.
    ///
    /// Without a call the server listens on `[::]:69` and `0.0.0.0:69`, the former only where the host has IPv6. An
    /// IPv6 address never takes IPv4 datagrams.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Listens on one more socket, which is bound already: a service manager passed it (socket activation), or its
    /// port needed a privilege that this process has given up. Transfers run on ports of its IP address, as always.
    ///
    /// The defaults of [`listen`](Self::listen) fall away. An IPv6 socket that takes IPv4, too, is served in both.
    pub fn listen_on(mut self, socket: UdpSocket) -> Self {
        self.passed.push(socket);
        self
    }

    /// The ports that transfers run on. Default: two that the system chooses.
    pub fn transfer_ports(mut self, ports: TransferPorts) -> Self {
        self.ports = ports;
        self
    }

    /// The options granted to clients, and up to which values (RFC 2347, 2348, 2349, 7440).
    pub fn options(mut self, options: OptionPolicy) -> Self {
        self.config.options = options;
        self
    }

    /// When to send again and when to give up (RFC 1123 §4.2.3.2).
    pub fn timing(mut self, timing: Timing) -> Self {
        self.config.timing = timing;
        self
    }

    /// How much to take on at once. What exceeds it is dropped in silence, because boot ROMs repeat an unanswered
    /// request but give up on an error.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The largest upload accepted, in bytes. Storage may set a smaller limit of its own. Default 2⁶³−1.
    pub fn max_upload(mut self, bytes: u64) -> Self {
        self.config.max_upload = bytes;
        self
    }

    /// Answers requests to broadcast and multicast addresses, which RFC 1123 §4.2.3.5 says SHOULD be ignored. Some old
    /// devices need it. Default: no.
    pub fn answer_broadcasts(mut self, answer: bool) -> Self {
        self.config.answer_broadcasts = answer;
        self
    }

    /// Storage that does not answer an open, a read or a write within this time fails the transfer. Default 60 s.
    ///
    /// A commit is never given up, for its result is the outcome: see [`Writer::commit`](crate::storage::Writer::commit).
    pub fn storage_timeout(mut self, timeout: Duration) -> Self {
        self.config.storage_timeout = timeout;
        self
    }

    /// Bytes of files that all transfers together may hold in memory, roughly. Default 256 MiB. A sixteenth of it is for
    /// downloads that wait for an acknowledgement: with many at once they let go what was sent, and read again what
    /// was lost. Too little for two blocks of each, as 0 is, leaves lock-step in blocks of 1468 bytes at most.
    pub fn buffer_budget(mut self, bytes: usize) -> Self {
        self.config.buffer_budget = bytes;
        self
    }

    /// Receive buffer to ask for on each socket, in bytes. A system may grant less: see
    /// [`Server::warnings`]. Default 4 MiB.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.sockets.recv_buffer = Some(bytes);
        self
    }

    /// Whether blocks larger than the path's MTU leave in IP fragments. If not, they never arrive. Default: yes.
    pub fn fragmentation(mut self, allow: bool) -> Self {
        self.sockets.fragmentation = allow;
        self
    }

    /// Seed of everything random, for runs that can be repeated. Default: a random one.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Whether the thread waits, past the runtime, for a client that is the only one and answers within a millisecond
    /// (Linux and Android): a third of the system calls less, and some 6 % more speed for one client in lock-step. What
    /// else is on the thread, a request of another client included, waits for a millisecond at a time, and for two
    /// ticks of the system's clock (8 ms at 250 Hz, 20 at 100) whenever the client falls silent. Not on sockets that were
    /// [passed](Self::listen_on). Default: no.
    pub fn wait_in_place(mut self, wait: bool) -> Self {
        self.wait_in_place = wait;
        self
    }

    /// Is told what happens: one [`Event::Finished`] for each transfer above all. `Display` makes a line of an event, in which
    /// what clients sent is escaped. It is called from within the server and must not block. It must not panic: that ends the
    /// server, as it unwinds through its future.
    pub fn on_event(mut self, on_event: impl FnMut(&Event) + Send + 'static) -> Self {
        self.on_event = Box::new(on_event);
        self
    }
}

impl<R: Runtime, S: Storage> ServerBuilder<R, S> {
    /// Binds the sockets. Must be called in the context of the runtime, if it has such a thing (tokio does).
    ///
    /// # Errors
    ///
    /// A [`BindError`] that names the address. Nothing stays bound then.
    ///
    /// # Panics
    ///
    /// Under tokio, in a runtime without its I/O driver (`enable_io`, or `enable_all`).
    pub fn bind(self) -> Result<Server<R>, BindError> {
        Ok(self.bind_many(NonZeroUsize::MIN)?.0)
    }

    /// Binds the sockets of a server with several event loops, each for a thread of its own: the first, for the runtime in
    /// whose context this is called, and the others. It takes more than one processor to fill a fast network with small
    /// packets.
    ///
    /// Linux spreads the clients over the loops by their address and port, from now on: start all parts, each where its
    /// thread is. Drop one that is not to be started, before the others run; its clients then come to them. Those of a loop
    /// that ran and has ended are not served by the others. On other systems, and with sockets that were passed, there is
    /// only the first, whatever is asked, and a [warning](Server::warnings).
    ///
    /// The loops share storage, limits, [`on_event`](Self::on_event) (called by one at a time) and the
    /// [`ServerHandle`]. A writer that fell silent yields to a new request of its host only if both came to the same
    /// loop; else the newcomer is told that the file is being written, until the old one has timed out.
    ///
    /// ```
    /// # fn serve<R: tftp_driver::runtime::Runtime>(
    /// #     builder: tftp_driver::server::ServerBuilder<R, tftp_driver::storage::Memory>,
    /// #     block_on: fn(tftp_driver::server::Server<R>),
    /// #     block_on_part: fn(tftp_driver::server::Part<R>),
    /// # ) -> Result<(), tftp_driver::server::BindError> {
    /// let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZero::<usize>::MIN);
    /// let (first, others) = builder.bind_many(threads)?;
    /// for part in others {
    ///     // In a runtime of that thread: `part.start()?.await`.
    ///     std::thread::spawn(move || block_on_part(part));
    /// }
    /// block_on(first);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_many(self, loops: NonZeroUsize) -> Result<(Server<R>, Vec<Part<R>>), BindError> {
        let Self { runtime, storage, listen, passed, ports, limits, mut config, sockets, seed, .. } = self;
        let Self { wait_in_place, on_event, .. } = self;
        let seed = seed.unwrap_or_else(random_seed);
        let wanted = Wanted { listen: &listen, passed, ports: &ports, random: seed, options: &sockets };
        let (first, others) = bind_shared(wanted, loops)?;
        let admission = Arc::new(Admission::new(limits));
        config.admission = Arc::clone(&admission);
        config.buffer_budget /= others.len() + 1;
        let (first_commands, first_receiver) = mpsc::unbounded();
        let (mut commands, receivers): (Vec<_>, Vec<_>) = others.iter().map(|_| mpsc::unbounded()).unzip();
        commands.insert(0, first_commands);
        let whole = Whole {
            runtime,
            storage: Arc::new(storage),
            config,
            wait_in_place,
            on_event: Arc::new(Mutex::new(on_event)),
            handle: ServerHandle { commands: commands.into(), admission },
            group: Group::default(),
        };
        let shares = !others.is_empty();
        let part = |(number, (bound, receiver)): (_, (Bound, _))| {
            let listeners = if shares { bound.listeners_again()? } else { Vec::new() };
            Ok(whole.part(seed.wrapping_add(number), bound, listeners, receiver))
        };
        let others = (1..).zip(others.into_iter().zip(receivers)).map(part).collect::<Result<_, BindError>>()?;
        Ok((part((0, (first, first_receiver)))?.start()?, others))
    }
}

/// What the event loops of one server share.
struct Whole<R, S> {
    runtime: R,
    storage: Arc<S>,
    config: EndpointConfig,
    wait_in_place: bool,
    on_event: Arc<Mutex<OnEvent>>,
    handle: ServerHandle,
    group: Group,
}

impl<R: Runtime, S: Storage> Whole<R, S> {
    fn part(
        &self,
        seed: u64,
        bound: Bound,
        listeners: Vec<UdpSocket>,
        commands: UnboundedReceiver<Command>,
    ) -> Part<R> {
        let (runtime, storage, on_event) =
            (self.runtime.clone(), Arc::clone(&self.storage), Arc::clone(&self.on_event));
        let mut config = self.config.clone();
        let Bound { sockets, roles, local_addrs, warnings } = bound;
        config.sockets = roles;
        let (handle, group, wait_in_place) = (self.handle.clone(), self.group.clone(), self.wait_in_place);
        Part(Box::new(move || {
            let blocking = runtime.clone();
            let context = Context::new(move |work| blocking.spawn_blocking(work));
            let protocol = Tftp::new(config, seed, runtime.now(), PassOn);
            let jobs = StorageJobs::new(storage, context);
            let tell = move |event: Event| {
                let mut on_event = on_event.lock().unwrap_or_else(PoisonError::into_inner);
                on_event(&event);
            };
            let mut driver = EventLoop::new(runtime, sockets, protocol, jobs, tell)
                .map_err(BindError::Runtime)?
                .with_commands(commands);
            if wait_in_place {
                driver = driver.waiting_in_place();
            }
            // Not before: nobody was promised anything by a part that never ran, and it takes its sockets with it.
            group.hold(listeners);
            Ok(Server {
                driver: Box::pin(driver),
                local_addrs,
                warnings,
                handle,
                _group: group,
                runtime: std::marker::PhantomData,
            })
        }))
    }
}

impl<R, S> fmt::Debug for ServerBuilder<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("listen", &self.listen)
            .field("passed", &self.passed)
            .field("ports", &self.ports)
            .field("limits", &self.limits)
            .field("config", &self.config)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::event_loop::tests::fake::Fake;
    use crate::storage::Memory;

    #[test]
    fn a_server_waits_in_place_only_if_told_so() {
        for wait in [false, true] {
            let runtime = Fake::new();
            let builder = Server::builder_on(runtime.clone()).storage(Memory::builder().build());
            let server = builder.listen("127.0.0.1:0".parse().unwrap()).wait_in_place(wait).bind().unwrap();
            assert_eq!(runtime.state().waits > 0, wait, "its sockets were made ready for it");
            drop(server);
        }
    }
}
