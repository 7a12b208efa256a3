//! RFC 862, the echo protocol, with an idle timer for each peer: what it takes to run a protocol of your own over the
//! event loop. It knows no socket, clock or runtime; the examples of the adapters bring these.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tftp_driver::protocol::{Action, Meta, Protocol, Transmit};

/// Answers waiting to be sent. More pile up only while the system refuses to send, and UDP may lose them.
const MAX_ANSWERS: usize = 64;

/// Sends every datagram back.
pub(crate) struct Echo {
    idle: Duration,
    last_heard: BTreeMap<SocketAddr, Instant>,
    answers: VecDeque<(Meta, Vec<u8>)>,
    events: VecDeque<EchoEvent>,
}

/// What an echo server has to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EchoEvent {
    /// A peer has sent its first datagram.
    Joined(SocketAddr),
    /// A peer has been silent for the idle time.
    Left(SocketAddr),
}

impl Echo {
    /// An echo server that forgets a peer after this time of silence.
    pub(crate) fn new(idle: Duration) -> Self {
        Self { idle, last_heard: BTreeMap::new(), answers: VecDeque::new(), events: VecDeque::new() }
    }
}

impl Protocol for Echo {
    type Command = Infallible;
    type JobId = ();
    type Job = Infallible;
    type JobResult = Infallible;
    type Event = EchoEvent;

    fn handle_datagram(&mut self, now: Instant, meta: &Meta, bytes: &[u8]) {
        if self.last_heard.insert(meta.peer, now).is_none() {
            self.events.push_back(EchoEvent::Joined(meta.peer));
        }
        if self.answers.len() < MAX_ANSWERS {
            self.answers.push_back((*meta, bytes.to_vec()));
        }
    }

    fn handle_command(&mut self, _now: Instant, command: Infallible) {
        match command {}
    }

    fn handle_job(&mut self, _now: Instant, (): (), result: Infallible) {
        match result {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        let (idle, events) = (self.idle, &mut self.events);
        self.last_heard.retain(|peer, heard| {
            let stays = now < *heard + idle;
            if !stays {
                events.push_back(EchoEvent::Left(*peer));
            }
            stays
        });
    }

    fn poll(&mut self, _now: Instant, out: &mut [u8]) -> Action<Self> {
        if let Some(event) = self.events.pop_front() {
            return Action::Event(event);
        }
        if let Some((Meta { socket, peer, local_ip }, bytes)) = self.answers.pop_front() {
            out[..bytes.len()].copy_from_slice(&bytes);
            return Action::Transmit(Transmit {
                socket,
                peer,
                local_ip,
                len: bytes.len(),
                segment_size: None,
                head: None,
            });
        }
        Action::Wait(self.last_heard.values().min().map(|heard| *heard + self.idle))
    }
}
