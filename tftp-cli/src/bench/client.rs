//! One transfer of one client.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tftp_proto::Instant;
use tftp_proto::transfer::{Ending, Progress, Receiver, Transfer, TransferAction};
use tftp_proto::wire::{Packet, Repr};

use super::plan::Plan;
use super::socket::{Inbox, Socket};
use super::tally::{Content, Failure, Tally};
use super::worker::Clock;
use crate::escape::escape;

/// The length of an upload's reads, in bytes.
const READ_SIZE: usize = 64 << 10;
/// So much of a server's ERROR text is told, in bytes.
const MAX_MESSAGE: usize = 80;

/// One transfer with its socket.
pub(super) struct Client {
    pub(super) socket: Socket,
    session: Session,
}

/// What all transfers of a thread share.
pub(super) struct Shared<'a> {
    pub(super) plan: &'a Plan,
    out: Box<[u8]>,
    rng: fastrand::Rng,
    pub(super) tally: Tally,
}

impl<'a> Shared<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { plan, out: vec![0; 65_536].into(), rng: fastrand::Rng::new(), tally: Tally::default() }
    }

    fn is_lost(&mut self) -> bool {
        self.plan.loss > 0.0 && self.rng.f64() < self.plan.loss
    }
}

/// A transfer and what is known of its other end.
struct Session {
    transfer: Transfer<Bytes>,
    name: Vec<u8>,
    /// Whom the server answers as.
    peer: SocketAddr,
    started: Instant,
    /// When the state machine wants to be woken.
    wake: Option<Instant>,
    /// Bytes of the file that came.
    bytes: u64,
    digest: Option<Sha256>,
    /// The server's ERROR in words.
    refusal: Option<String>,
    ended: bool,
}

impl Client {
    /// A transfer that has not sent anything yet.
    pub(super) fn new(plan: &Plan, socket: Socket, client: u32, number: u64, now: Instant) -> Self {
        let session = Session {
            transfer: Transfer::ask(now, plan.asking, READ_SIZE, number),
            name: plan.name(client, number),
            peer: plan.server,
            started: now,
            wake: None,
            bytes: 0,
            digest: plan.verify.then(Sha256::new),
            refusal: None,
            ended: false,
        };
        Self { socket, session }
    }

    /// Takes what has arrived, and answers.
    pub(super) fn receive(&mut self, clock: Clock, inbox: &mut Inbox, shared: &mut Shared<'_>) {
        let Self { socket, session } = self;
        loop {
            // Read once for all that one call receives, but after that call.
            let mut now = None;
            let more = socket.receive(inbox, |from, datagram| {
                if !shared.is_lost() {
                    let now = *now.get_or_insert_with(|| clock.now());
                    session.handle(now, socket, from, datagram, shared);
                }
            });
            match more {
                Ok(true) => {}
                Ok(false) => return,
                // What came back for a datagram sent earlier: silence will tell.
                Err(_) => shared.tally.receive_errors += 1,
            }
        }
    }

    /// Sends what is due: the request at first, what has to be repeated later.
    pub(super) fn advance(&mut self, now: Instant, shared: &mut Shared<'_>) {
        self.session.transfer.handle_timeout(now);
        self.session.advance(now, &self.socket, shared);
    }

    /// When [`advance`](Self::advance) is due.
    pub(super) const fn wake(&self) -> Option<Instant> {
        self.session.wake
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.session.ended
    }

    /// Counts a transfer that is broken off.
    pub(super) fn abandon(&self, shared: &mut Shared<'_>) {
        if !self.is_ended() {
            shared.tally.cost(&self.session.transfer.stats());
            shared.tally.unfinished += 1;
        }
    }
}

impl Session {
    fn handle(&mut self, now: Instant, socket: &Socket, from: SocketAddr, datagram: &[u8], shared: &mut Shared<'_>) {
        if self.ended {
            return;
        }
        let asking = self.transfer.is_asking();
        let known = if asking { from.ip() == self.peer.ip() } else { from == self.peer };
        let Ok(packet) = Packet::parse(datagram) else {
            shared.tally.strange += 1;
            return;
        };
        if !known {
            shared.tally.strange += 1;
            return;
        }
        if let Packet::Error { code, message } = packet {
            let message = escape(message.get(..message.len().min(MAX_MESSAGE)).unwrap_or_default());
            self.refusal = Some(format!("error {}: {message}", code.to_wire()));
        }
        match self.transfer.handle_packet(now, &packet) {
            Progress::Data { payload, last } => {
                self.bytes += payload.len() as u64;
                shared.tally.live_bytes += payload.len() as u64;
                if let Some(digest) = &mut self.digest {
                    digest.update(payload);
                }
                if last {
                    self.transfer.committed(now);
                }
            }
            Progress::Advanced => {}
            Progress::Ignored => return,
        }
        if asking && !self.transfer.is_asking() {
            self.peer = from;
            if let Some(parameters) = self.transfer.parameters() {
                shared.tally.agreed(parameters);
            }
        }
        self.advance(now, socket, shared);
    }

    fn advance(&mut self, now: Instant, socket: &Socket, shared: &mut Shared<'_>) {
        while !self.ended {
            let sent = match self.transfer.poll(now, &mut shared.out) {
                TransferAction::Request(options) => {
                    let asking = shared.plan.asking;
                    let (filename, mode) = (&self.name[..], asking.mode);
                    let request = Repr::Request { direction: asking.direction, filename, mode, options };
                    match request.emit(&mut shared.out) {
                        Ok(len) => self.send(socket, len, None, shared),
                        Err(_) => return self.end(now, Err("name too long".into()), shared),
                    }
                }
                TransferAction::Transmit { len, segment_size, .. } => self.send(socket, len, segment_size, shared),
                TransferAction::Read { offset, len, .. } => {
                    let chunk = shared.plan.upload.as_ref().map(|upload| upload.read(offset, len));
                    self.transfer.handle_chunk(chunk.unwrap_or_default());
                    if let Some(sender) = self.transfer.sender() {
                        let done = sender.bytes_acknowledged();
                        shared.tally.live_bytes += done.saturating_sub(self.bytes);
                        self.bytes = done;
                    }
                    Ok(())
                }
                TransferAction::Wait(deadline) => {
                    self.wake = deadline;
                    // The last acknowledgement has left.
                    if self.transfer.receiver().and_then(Receiver::dally).is_some() {
                        self.end(now, Ok(()), shared);
                    }
                    return;
                }
                TransferAction::Ended(ending) => return self.end(now, self.outcome(ending), shared),
            };
            if let Err(error) = sent {
                shared.tally.send_errors += 1;
                // Silence will tell, unless nothing can ever leave.
                if self.transfer.is_asking() && error.kind() != io::ErrorKind::ConnectionRefused {
                    return self.end(now, Err(format!("cannot send: {error}")), shared);
                }
            }
        }
    }

    fn send(&self, socket: &Socket, len: usize, segment: Option<usize>, shared: &mut Shared<'_>) -> io::Result<()> {
        let bytes = shared.out.get(..len).unwrap_or_default();
        let (loss, rng) = (shared.plan.loss, &mut shared.rng);
        socket.send(self.peer, bytes, segment, (loss > 0.0).then_some(|| rng.f64() < loss))
    }

    fn outcome(&self, ending: Ending) -> Result<(), Failure> {
        Err(match ending {
            Ending::Completed | Ending::SizeProbe => return Ok(()),
            Ending::DeliveredUnconfirmed => "unconfirmed: no answer to the last block".into(),
            Ending::TimedOut if self.transfer.parameters().is_none() => "no answer".into(),
            Ending::TimedOut => "silence".into(),
            Ending::PeerError(code) => self.refusal.clone().unwrap_or_else(|| format!("error {}", code.to_wire())),
            Ending::Refused(refusal) => format!("protocol: {refusal:?}"),
            other => format!("protocol: {other:?}"),
        })
    }

    fn end(&mut self, now: Instant, result: Result<(), Failure>, shared: &mut Shared<'_>) {
        self.ended = true;
        self.wake = None;
        shared.tally.elapsed = shared.tally.elapsed.max(now - Instant::ZERO);
        shared.tally.cost(&self.transfer.stats());
        let result = result.and_then(|()| match &shared.plan.upload {
            Some(upload) => {
                shared.tally.live_bytes += upload.size.saturating_sub(self.bytes);
                Ok(upload.size)
            }
            None => {
                let digest = self.digest.take().map(|digest| digest.finalize().into());
                let content = Content { size: self.bytes, digest };
                shared.tally.contents.check(std::mem::take(&mut self.name), content).map(|()| self.bytes)
            }
        });
        match result {
            Ok(bytes) => shared.tally.completed(bytes, now - self.started),
            Err(failure) => shared.tally.failed(failure),
        }
    }
}
