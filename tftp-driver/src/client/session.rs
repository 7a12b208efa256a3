//! One transfer of a client with the loop that carries it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tftp_proto::endpoint::{ClientRequest, EndpointConfig, JobResult, Report, Shutdown, SocketRole, TransferId};
use tftp_proto::negotiate::Parameters;
use tftp_proto::wire::Direction;

use super::notes::Notes;
use super::{ClientConfig, Error, Target};
use crate::bridge::{Command, Tftp, random_seed};
use crate::event_loop::EventLoop;
use crate::protocol::{JobHandler, Protocol, SocketId};
use crate::runtime::Runtime;
use crate::storage::Context;
use crate::udp::{BindOptions, BoundSocket, bind};

/// Our reader may pause as it likes, and our source too: no time is too long.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(u32::MAX as u64);

/// The address of a server, and the socket to ask it from.
type Server = (SocketId, SocketAddr);

/// What a transfer is about.
pub(super) struct Request {
    pub(super) server: Target,
    pub(super) name: Vec<u8>,
    pub(super) direction: Direction,
    /// Of what is sent, if it is known.
    pub(super) size: Option<u64>,
}

/// A transfer that was started. It moves only while it is polled.
pub(super) struct Session<R: Runtime, H: JobHandler<Tftp<Notes>>> {
    event_loop: EventLoop<R, Tftp<Notes>, H, fn(())>,
    id: TransferId,
}

impl<R: Runtime, H: JobHandler<Tftp<Notes>>> Session<R, H> {
    /// Resolves the server's name, binds the sockets and queues the request.
    pub(super) async fn open(runtime: R, config: &ClientConfig, request: Request, handler: H) -> Result<Self, Error> {
        let blocking = runtime.clone();
        let pool = Context::new(move |work| blocking.spawn_blocking(work));
        let addresses = request.server.resolve(&pool).await?;
        let (sockets, servers) = bind_for(&addresses, config)?;

        let mut options = config.options;
        options.transfer_size = match request.direction {
            Direction::Read => options.transfer_size.map(|_| 0),
            Direction::Write => options.transfer_size.and(request.size),
        };
        let start = ClientRequest {
            servers,
            local_ip: None,
            direction: request.direction,
            filename: request.name,
            mode: config.mode,
            options,
            fall_back: config.fall_back,
            accept_any_source: config.accept_any_source,
            timing: config.timing,
            max_size: config.max_size,
            gather: config.chunk_size,
        };
        let mut endpoint = EndpointConfig::default();
        endpoint.sockets = sockets.iter().map(|_| SocketRole::Client).collect();
        endpoint.storage_timeout = STORAGE_TIMEOUT;
        endpoint.timing = config.timing;

        let now = runtime.now();
        let seed = config.seed.unwrap_or_else(random_seed);
        let mut protocol = Tftp::new(endpoint, seed, now, Notes::default());
        let id = protocol.start(now, start)?;
        let on_event: fn(()) = |()| {};
        let mut event_loop = EventLoop::new(runtime, sockets, protocol, handler, on_event).map_err(Error::Io)?;
        if config.wait_in_place {
            event_loop = event_loop.waiting_in_place();
        }
        Ok(Self { event_loop, id })
    }

    /// Takes a turn. The task is woken when there may be more to do.
    pub(super) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Result<(), Error> {
        match self.event_loop.poll(cx) {
            Poll::Ready(Err(error)) => Err(Error::Io(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Takes a turn, and is ready once the server has answered or the transfer has ended.
    pub(super) fn poll_answered(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        self.poll(cx)?;
        match self.parameters().is_some() || self.report().is_some() {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }

    /// Repeats the last ACK for a server that did not get it, for one interval at most. To be used after the end.
    pub(super) fn poll_dally(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Error>> {
        self.event_loop.poll(cx).map_err(Error::Io)
    }

    /// Begins the end of [`poll_dally`](Self::poll_dally).
    pub(super) fn shut_down(&mut self) {
        self.event_loop.command(Command::Shutdown(Shutdown::Graceful));
    }

    /// Answers a job in the handler's place, whose own answer must not come any more.
    pub(super) fn answer(&mut self, result: JobResult) {
        let now = self.event_loop.runtime().now();
        let id = self.id;
        self.event_loop.protocol_mut().handle_job(now, id, result);
    }

    pub(super) fn handler(&self) -> &H {
        self.event_loop.handler()
    }

    pub(super) fn handler_mut(&mut self) -> &mut H {
        self.event_loop.handler_mut()
    }

    pub(super) fn parameters(&self) -> Option<&Parameters> {
        self.event_loop.protocol().listener().parameters.as_ref()
    }

    /// Once the transfer has ended.
    pub(super) fn report(&self) -> Option<&Report> {
        self.event_loop.protocol().listener().report.as_deref()
    }

    /// Bytes of the file delivered so far.
    pub(super) fn transferred(&self) -> u64 {
        match self.report() {
            Some(report) => report.bytes,
            None => self.event_loop.protocol().transferred(self.id).unwrap_or(0),
        }
    }

    /// The end, once it has come; `source` is the error of the reader that was sent from.
    pub(super) fn result(&self, source: Option<io::Error>) -> Option<Result<Report, Error>> {
        let report = self.event_loop.protocol().listener().report.clone()?;
        Some(Error::from_report(report, source))
    }
}

impl<R: Runtime, H: JobHandler<Tftp<Notes>>> Drop for Session<R, H> {
    /// Tells the server, if it is waiting for us. Once and without waiting: it will give up by itself otherwise.
    fn drop(&mut self) {
        if self.report().is_none() {
            let now = self.event_loop.runtime().now();
            let id = self.id;
            self.event_loop.protocol_mut().cancel(now, id);
            self.event_loop.flush();
        }
    }
}

/// Binds a socket for each family among `addresses`, and says from which to ask each. Families that this host lacks are
/// left out, unless none is left.
fn bind_for(addresses: &[SocketAddr], config: &ClientConfig) -> Result<(Vec<BoundSocket>, Vec<Server>), Error> {
    let options = BindOptions {
        recv_buffer: Some(config.receive_buffer),
        fragmentation: config.fragmentation,
        // The system answers a server from the address that it chose for the request.
        local_ip: false,
        ..BindOptions::default()
    };
    let mut sockets: Vec<BoundSocket> = Vec::new();
    let mut servers = Vec::new();
    let mut failed: Option<(bool, io::Error)> = None;
    for &address in addresses {
        let v6 = address.is_ipv6();
        let bound = sockets.iter().position(|socket| socket.local_addr().is_ipv6() == v6);
        let id = match bound {
            Some(id) => id,
            None if failed.as_ref().is_some_and(|(family, _)| *family == v6) => continue,
            None => match bind_family(v6, config, &options) {
                Ok(socket) => {
                    sockets.push(socket);
                    sockets.len() - 1
                }
                Err(error) => {
                    failed = Some((v6, error));
                    continue;
                }
            },
        };
        servers.push((id, address));
    }
    match (servers.is_empty(), failed) {
        (true, Some((_, error))) => Err(Error::Io(error)),
        _ => Ok((sockets, servers)),
    }
}

fn bind_family(v6: bool, config: &ClientConfig, options: &BindOptions) -> io::Result<BoundSocket> {
    let any: SocketAddr = match v6 {
        true => (Ipv6Addr::UNSPECIFIED, 0).into(),
        false => (Ipv4Addr::UNSPECIFIED, 0).into(),
    };
    let local = config.local_addr.unwrap_or(any);
    if local.is_ipv6() != v6 {
        let problem = format!("the server has no address of the family of {local}");
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, problem));
    }
    bind(local, options)
}
