//! One transfer, in either role, from its first packet to its last. No address, no allocation.
//!
//! A microcontroller that serves its flash, or fetches an image, needs no more than this: a [`Transfer`], one buffer,
//! and a rule of its own for which address is the peer's. For a client that rule is: while
//! [`is_asking`](Transfer::is_asking), a packet may come from any port of the address that was asked; the one that ends the
//! asking fixes the port (RFC 1350 §4), and what comes from another one later is not handed in. A request that goes out
//! again without options is still asking. For a server the peer is who sent the request.
//! `examples/firmware_client.rs` is such a client.
//!
//! **The end of a download.** The file is whole with the [`Progress::Data`] that says `last`. [`Transfer::committed`] then lets
//! the last ACK leave, but [`Ending::Completed`] comes only when that was repeated for long enough to be sure of it
//! ([`Timing::dally`], 12 s). Who has no time for that goes when [`Dally::enough`] is over (see [`Receiver::dally`]), or at once,
//! and leaves it to luck whether the server learns that all is well.
//!
//! ```
//! use tftp_proto::Instant;
//! use tftp_proto::client::Asking;
//! use tftp_proto::config::{OptionPolicy, Timing};
//! use tftp_proto::negotiate::grant;
//! use tftp_proto::transfer::{Progress, Transfer, TransferAction};
//! use tftp_proto::wire::{Direction, Mode, Options, Packet, Repr};
//!
//! static FLASH: &[u8] = &[7; 3000];
//! let now = Instant::ZERO;
//! let (mut from_client, mut from_server) = ([0; 1500], [0; 1500]);
//!
//! // The client asks. What it sends goes to the server's well-known port.
//! let options = Options { block_size: Some(1024), ..Options::NONE };
//! let (direction, mode, timing) = (Direction::Read, Mode::Octet, Timing::default());
//! let asking = Asking { direction, mode, options, fall_back: true, timing };
//! let mut client = Transfer::<&'static [u8]>::ask(now, asking, 0, 1);
//! let TransferAction::Request(options) = client.poll(now, &mut from_client) else { panic!() };
//! let request = Repr::Request { direction, filename: b"image", mode, options };
//! let len = request.emit(&mut from_client)?;
//!
//! // The server parses the request, negotiates and serves.
//! let Ok(Packet::Request(request)) = Packet::parse(&from_client[..len]) else { panic!() };
//! let size = Some(FLASH.len() as u64);
//! let asked = request.options.parse().options;
//! let granted = grant(&asked, request.direction, request.mode, &OptionPolicy::default(), size);
//! let mut server = Transfer::<&'static [u8]>::serve_read(now, granted, timing, 1024, 2);
//!
//! let mut received = 0;
//! loop {
//!     match server.poll(now, &mut from_server) {
//!         TransferAction::Read { offset, len, .. } => {
//!             let start = (offset as usize).min(FLASH.len());
//!             server.handle_chunk(&FLASH[start..(start + len).min(FLASH.len())]);
//!         }
//!         TransferAction::Transmit { len, .. } => {
//!             let packet = Packet::parse(&from_server[..len]).unwrap();
//!             if let Progress::Data { payload, last } = client.handle_packet(now, &packet) {
//!                 received += payload.len();
//!                 if last {
//!                     client.committed(now);
//!                 }
//!             }
//!             if let TransferAction::Transmit { len, .. } = client.poll(now, &mut from_client) {
//!                 server.handle_packet(now, &Packet::parse(&from_client[..len]).unwrap());
//!             }
//!         }
//!         TransferAction::Ended(_) => break,
//!         // A real program waits here for a packet or this moment, and then calls `handle_timeout`.
//!         TransferAction::Wait(_) | TransferAction::Request(_) => unreachable!("nothing is lost here"),
//!     }
//! }
//! assert_eq!(received, FLASH.len());
//! # Ok::<(), tftp_proto::wire::EmitError>(())
//! ```

mod action;
mod blocks;
mod chunks;
mod dally;
mod meter;
mod pace;
mod pacer;
mod receiver;
pub(crate) mod retry;
mod round_trip;
mod run;
mod sender;

pub use action::{Abandoned, Ending, Progress, TransferAction};
pub use dally::Dally;
pub use pace::Pace;
pub use receiver::{DataOutcome, Receiver, ReceiverAction};
pub use sender::{AckOutcome, Body, Sender, SenderAction};

use crate::client::{Answer, Asking, ErrorAnswer, Handshake, HandshakeAction};
use crate::config::{Pacing, Timing};
use crate::negotiate::Parameters;
use crate::wire::{DATA_HEADER, Direction, ErrorCode, Options, Packet, Repr};
use crate::{Instant, Stats};
use retry::Retry;

/// What the peer hears whose blocks do not fit into the owner's buffer.
const NO_ROOM: &str = "no buffer for a block";

/// One transfer between two peers that the caller keeps apart from all others.
///
/// The loop: hand every packet of the peer to [`handle_packet`](Self::handle_packet), every moment that
/// [`poll`](Self::poll) asked for to [`handle_timeout`](Self::handle_timeout), and after each of them call `poll`
/// until it answers [`TransferAction::Wait`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transfer<C> {
    machine: Machine<C>,
    parameters: Option<Parameters>,
    /// What the OACK grants, ours or the server's.
    granted: Options,
    /// Whether block 0 is an OACK of ours; otherwise it is the plain answer of RFC 1350.
    sends_oack: bool,
    /// Whether block 0 is our ACK of the server's OACK. A server that answered OACKs could be made to talk with another
    /// one for ever.
    answers_oack: bool,
    /// An ERROR that is still to be sent before the end.
    farewell: Option<(ErrorCode, &'static str)>,
    /// What earlier machines of this transfer counted.
    stats: Stats,
    received: u64,
    read_size: usize,
    pacing: Pacing,
    /// What is known of the receiver when sending begins.
    known: Option<Pace>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "without an allocator there is no box for it; by how much depends on the word"
)]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Machine<C> {
    Asking(Handshake),
    Sending(Sender<C>),
    Receiving(Receiver),
    Ended(Ending),
}

impl<C: AsRef<[u8]>> Transfer<C> {
    /// A server's answer to a read request: sends a file.
    ///
    /// `granted` and `parameters` come from [`grant`](crate::negotiate::grant); what is out of the range that it grants is
    /// brought into it. `read_size` is the length of reads in
    /// bytes, raised to the block size if smaller. `seed` spreads the retries.
    #[must_use]
    pub fn serve_read(
        now: Instant,
        (granted, parameters): (Options, Parameters),
        timing: Timing,
        read_size: usize,
        seed: u64,
    ) -> Self {
        let parameters = parameters.within_limits();
        let retry = Retry::new(now, timing, seed);
        let mut sender = Sender::new(parameters, !granted.is_empty(), read_size, retry);
        sender.set_pacing(&Pacing::DEFAULT, None);
        Self::serve(Machine::Sending(sender), granted, parameters)
    }

    /// A server's answer to a write request: receives a file. Arguments as for [`serve_read`](Self::serve_read).
    #[must_use]
    pub fn serve_write(now: Instant, (granted, parameters): (Options, Parameters), timing: Timing, seed: u64) -> Self {
        let parameters = parameters.within_limits();
        let receiver = Receiver::new(now, parameters, true, Retry::new(now, timing, seed));
        Self::serve(Machine::Receiving(receiver), granted, parameters)
    }

    /// A client's request. `read_size` is the longest read of a put in bytes; a smaller window is read in one.
    #[must_use]
    pub fn ask(now: Instant, asking: Asking, read_size: usize, seed: u64) -> Self {
        // A server that is weak grants a small window; a client that is weak may not know that it is.
        Self { known: Some(Pace::WHOLE), ..Self::of(Machine::Asking(Handshake::new(now, asking, seed)), read_size) }
    }

    /// How windows are cut into trains, and what is known of the receiver, where this transfer sends.
    ///
    /// Without it a server uses [`Pacing::default`] and knows nothing, and a client believes that its server takes what
    /// it grants ([`Pace::WHOLE`]). It must be called before the first [`poll`](Self::poll).
    #[must_use]
    pub fn with_pacing(mut self, pacing: Pacing, known: Option<Pace>) -> Self {
        self.pacing = pacing;
        self.known = known;
        if let Machine::Sending(sender) = &mut self.machine {
            sender.set_pacing(&pacing, known);
        }
        self
    }

    /// Where this transfer sends: repeats what is not answered, or of a window the last block, once, after the measured
    /// interval, even if a longer one was negotiated (RFC 2349 has it wait for that one). For receivers that give up after
    /// a few of their own timers. It must be called before the first [`poll`](Self::poll).
    #[must_use]
    pub const fn in_a_hurry(mut self) -> Self {
        if let Machine::Sending(sender) = &mut self.machine {
            sender.hurry();
        }
        self
    }

    /// How many bytes of the file to hold while nothing can be sent. It may change at any time; without it, two chunks are held:
    /// what may have to be sent again, and what comes next.
    ///
    /// If two chunks are more than that, nothing is read ahead, and what was sent is let go; it is read again should it be
    /// lost. Reads then are as long as what is sent at once. A peer that has not answered yet costs one read all the same.
    pub const fn set_allowance(&mut self, bytes: usize) {
        if let Machine::Sending(sender) = &mut self.machine {
            sender.set_allowance(bytes);
        }
    }

    /// Whether two chunks are more than may be held. The owner had better send a chunk before it reads another one.
    #[must_use]
    pub const fn is_memory_scarce(&self) -> bool {
        match &self.machine {
            Machine::Sending(sender) => sender.is_memory_scarce(),
            Machine::Asking(_) | Machine::Receiving(_) | Machine::Ended(_) => false,
        }
    }

    /// What was learned about the receiver since the last call, if it is worth remembering for the next transfer.
    pub fn take_pace(&mut self) -> Option<Pace> {
        match &mut self.machine {
            Machine::Sending(sender) => sender.take_pace(),
            Machine::Asking(_) | Machine::Receiving(_) | Machine::Ended(_) => None,
        }
    }

    fn serve(machine: Machine<C>, granted: Options, parameters: Parameters) -> Self {
        let sends_oack = !granted.is_empty();
        Self { granted, sends_oack, parameters: Some(parameters), ..Self::of(machine, 0) }
    }

    const fn of(machine: Machine<C>, read_size: usize) -> Self {
        Self {
            machine,
            parameters: None,
            granted: Options::NONE,
            sends_oack: false,
            answers_oack: false,
            farewell: None,
            stats: Stats { datagrams_sent: 0, datagrams_received: 0, retransmissions: 0, timeouts: 0, ignored: 0 },
            received: 0,
            read_size,
            pacing: Pacing::DEFAULT,
            known: None,
        }
    }

    /// A packet from the peer. The caller has checked that it comes from the peer's address and port.
    pub fn handle_packet<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Progress<'a> {
        self.received += 1;
        //= rfc1350#section-2
        //# This packet is not acknowledged, and not retransmitted
        if let Packet::Error { code, .. } = *packet {
            return self.handle_error(now, code);
        }
        match (&mut self.machine, *packet) {
            (Machine::Asking(handshake), _) => match handshake.handle_packet(now, packet) {
                Answer::Agreed(options, parameters) => {
                    self.granted = options;
                    self.begin(now, parameters, packet)
                }
                //= rfc2347#negotiation-protocol
                //# If the client rejects the OACK, then it sends an ERROR packet, with error code 8, to the server and
                //# the transfer is terminated.
                Answer::Refused(refusal) => {
                    self.farewell = Some((ErrorCode::OptionNegotiation, refusal.message()));
                    self.end(Ending::Refused(refusal));
                    Progress::Advanced
                }
                Answer::Ignored => Progress::Ignored,
            },
            (Machine::Sending(sender), Packet::Ack { block }) => match sender.handle_ack(now, block) {
                AckOutcome::Advanced | AckOutcome::Gap => Progress::Advanced,
                AckOutcome::Ignored => Progress::Ignored,
            },
            (Machine::Receiving(receiver), Packet::Data { block, payload }) => {
                match receiver.handle_data(now, block, payload) {
                    DataOutcome::InOrder { last } => Progress::Data { payload, last },
                    DataOutcome::Duplicate | DataOutcome::Gap => Progress::Advanced,
                    DataOutcome::Ignored => Progress::Ignored,
                    DataOutcome::TooLong => {
                        self.farewell = Some((ErrorCode::IllegalOperation, "block longer than the block size"));
                        self.end(Ending::Abandoned(Abandoned::BlockTooLong));
                        Progress::Advanced
                    }
                }
            }
            (Machine::Receiving(receiver), Packet::Oack(_)) if self.answers_oack => {
                receiver.handle_repeated_opening();
                Progress::Advanced
            }
            (
                Machine::Sending(_),
                Packet::Data { .. } | Packet::Oack(_) | Packet::Request(_) | Packet::Error { .. },
            )
            | (
                Machine::Receiving(_),
                Packet::Ack { .. } | Packet::Oack(_) | Packet::Request(_) | Packet::Error { .. },
            )
            | (Machine::Ended(_), _) => Progress::Ignored,
        }
    }

    /// The server has answered: what that means for us, and what the answer itself carries.
    fn begin<'a>(&mut self, now: Instant, parameters: Parameters, packet: &Packet<'a>) -> Progress<'a> {
        let Machine::Asking(handshake) = core::mem::replace(&mut self.machine, Machine::Ended(Ending::Failed)) else {
            return Progress::Ignored;
        };
        self.stats += handshake.stats();
        self.parameters = Some(parameters);
        let direction = handshake.direction();
        let retry = handshake.into_retry();
        match direction {
            Direction::Write => {
                // A slow source should not have to fill more than a window before the first block leaves.
                let window = usize::from(parameters.block_size) * usize::from(parameters.window_size);
                //= rfc2347#negotiation-protocol
                //# If the transfer was initiated with a Write Request, then the client begins the transfer with the
                //# first DATA packet, using the negotiated values.
                let mut sender = Sender::new(parameters, false, self.read_size.min(window), retry);
                sender.set_pacing(&self.pacing, self.known);
                self.machine = Machine::Sending(sender);
                Progress::Advanced
            }
            Direction::Read => {
                //= rfc2347#negotiation-protocol
                //# If the transfer was initiated with a Read Request, then an ACK (with the data block number set to 0)
                //# is sent by the client to confirm the values in the server's OACK packet.
                let opening = matches!(packet, Packet::Oack(_));
                self.answers_oack = opening;
                self.machine = Machine::Receiving(Receiver::new(now, parameters, opening, retry));
                if opening {
                    return Progress::Advanced;
                }
                self.received -= 1;
                self.handle_packet(now, packet)
            }
        }
    }

    /// ERROR ends a transfer and is never answered, unless a request can go out again without options, or the last
    /// block has come: then the file is whole.
    fn handle_error<'a>(&mut self, now: Instant, code: ErrorCode) -> Progress<'a> {
        match &mut self.machine {
            Machine::Asking(handshake) => match handshake.handle_error(now, code) {
                ErrorAnswer::FellBack => {}
                ErrorAnswer::Ignored => return Progress::Ignored,
                ErrorAnswer::Ended => self.end(Ending::PeerError(code)),
            },
            Machine::Sending(sender) => {
                // EDK2 leaves with ERROR 8, though it refuses nothing.
                let probe = sender.is_opening()
                    && self.granted.transfer_size.is_some()
                    //= rfc2349#transfer-size-option-specification
                    //# If the file is too large for the client to handle, it may abort the transfer with an Error
                    //# packet (error code 3).
                    && code != ErrorCode::DiskFull;
                self.end(if probe { Ending::SizeProbe } else { Ending::PeerError(code) });
            }
            Machine::Receiving(receiver) if receiver.is_complete() => return Progress::Ignored,
            Machine::Receiving(_) => self.end(Ending::PeerError(code)),
            Machine::Ended(_) => return Progress::Ignored,
        }
        Progress::Advanced
    }

    /// The peer repeated its request: it did not get our first answer, which goes out again. Once the peer has
    /// acknowledged anything this changes nothing.
    pub fn repeat_answer(&mut self) {
        if self.is_proved() {
            return;
        }
        match &mut self.machine {
            Machine::Sending(sender) => sender.repeat(),
            Machine::Receiving(receiver) => receiver.handle_repeated_opening(),
            Machine::Asking(_) | Machine::Ended(_) => {}
        }
    }

    /// The bytes of the read asked for last, as the file has them: netascii is encoded on the way out. (What is received
    /// is not decoded: see [`Progress::Data`].)
    pub fn handle_chunk(&mut self, chunk: C) {
        if let Machine::Sending(sender) = &mut self.machine {
            sender.handle_chunk(chunk);
        }
    }

    /// Time has passed. Early and repeated calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.machine {
            Machine::Asking(handshake) => handshake.handle_timeout(now),
            Machine::Sending(sender) => sender.handle_timeout(now),
            Machine::Receiving(receiver) => receiver.handle_timeout(now),
            Machine::Ended(_) => {}
        }
    }

    /// Doubles the wait for an answer that is over by now, but for no longer than until `latest`, instead of sending again what
    /// it is to: for an owner of many transfers that knows why it takes so long. `false`: there is no such wait. With a peer
    /// that has never answered, and with one with which an interval was negotiated, there never is.
    pub fn wait_on(&mut self, now: Instant, latest: Instant) -> bool {
        match &mut self.machine {
            Machine::Sending(sender) => sender.wait_on(now, latest),
            Machine::Receiving(receiver) => receiver.wait_on(now, latest),
            Machine::Asking(_) | Machine::Ended(_) => false,
        }
    }

    /// Whether the next answer will tell the round trip: what was sent last was sent once.
    #[must_use]
    pub const fn measures_round_trip(&self) -> bool {
        match &self.machine {
            Machine::Sending(sender) => sender.measures_round_trip(),
            Machine::Receiving(receiver) => receiver.measures_round_trip(),
            Machine::Asking(_) | Machine::Ended(_) => false,
        }
    }

    /// Whether blocks were sent that the peer has not acknowledged.
    #[must_use]
    pub const fn has_unacknowledged(&self) -> bool {
        match &self.machine {
            Machine::Sending(sender) => sender.has_unacknowledged(),
            Machine::Asking(_) | Machine::Receiving(_) | Machine::Ended(_) => false,
        }
    }

    /// Whether the owner can take another window of data; while not, the peer is made to wait.
    pub fn set_room(&mut self, now: Instant, room: bool) {
        if let Machine::Receiving(receiver) = &mut self.machine {
            receiver.set_room(now, room);
        }
    }

    /// The received file is complete and safe: the final ACK may leave. Call it after the [`Progress::Data`] that says `last`.
    ///
    /// [`Ending::Completed`] follows when the ACK need not be repeated any more, after [`Timing::dally`] (12 s). To leave
    /// earlier, poll until [`TransferAction::Wait`] and ask `receiver()?.dally()?.enough()` until when to stay.
    pub fn committed(&mut self, now: Instant) {
        if let Machine::Receiving(receiver) = &mut self.machine {
            receiver.committed(now);
        }
    }

    /// Ends the transfer from our side; the peer is told, unless it never answered our request.
    ///
    /// The message goes to the peer: it must not hold anything of the server's inside.
    pub fn fail(&mut self, code: ErrorCode, message: &'static str) {
        match self.machine {
            Machine::Sending(_) | Machine::Receiving(_) => self.farewell = Some((code, message)),
            Machine::Asking(_) | Machine::Ended(_) => {}
        }
        if !matches!(self.machine, Machine::Ended(_)) {
            self.end(Ending::Failed);
        }
    }

    /// Ends the transfer from our side without a word.
    pub fn forget(&mut self) {
        if !matches!(self.machine, Machine::Ended(_)) {
            self.end(Ending::Failed);
        }
    }

    fn end(&mut self, ending: Ending) {
        self.stats = self.stats();
        self.stats.datagrams_received = 0;
        self.machine = Machine::Ended(ending);
    }

    /// The next thing to do. Datagrams are written to `out`, which must hold at least one full block with its header
    /// (`block_size` + 4 bytes), and 512 bytes. Where it is too small for what is to be sent, the transfer ends as
    /// [`Ending::Failed`]; the peer is told if there is room for that.
    pub fn poll(&mut self, now: Instant, out: &mut [u8]) -> TransferAction {
        self.poll_vectored(now, out, usize::MAX)
    }

    /// As [`poll`](Self::poll), for an owner that can send a datagram from several pieces of memory (`sendmsg`). Of a file
    /// in blocks of `least` bytes or more only the headers are written to `out`, and the payloads stay in the chunk that
    /// they came in, unless they have to be translated or memory is scarce.
    pub fn poll_vectored(&mut self, now: Instant, out: &mut [u8], least: usize) -> TransferAction {
        if matches!(self.machine, Machine::Sending(_))
            && self.parameters.is_some_and(|agreed| out.len() < usize::from(agreed.block_size) + DATA_HEADER)
        {
            self.fail(ErrorCode::NotDefined, NO_ROOM);
        }
        let action = match &mut self.machine {
            Machine::Asking(handshake) => match handshake.poll(now) {
                HandshakeAction::Request(options) => TransferAction::Request(options),
                HandshakeAction::Wait(deadline) => TransferAction::Wait(deadline),
                HandshakeAction::GaveUp => TransferAction::Ended(Ending::TimedOut),
            },
            Machine::Sending(sender) => match sender.poll_vectored(now, out, least) {
                //= rfc2347#negotiation-protocol
                //# Each option the server recognizes, and accepts the value for, is included in the OACK.
                SenderAction::Opening => emit(Repr::Oack(self.granted), out),
                SenderAction::Transmit { len, segment_size, body } => {
                    TransferAction::Transmit { len, segment_size, body }
                }
                SenderAction::Read { offset, len, keep } => TransferAction::Read { offset, len, keep },
                SenderAction::Wait(deadline) => TransferAction::Wait(deadline),
                SenderAction::Done => TransferAction::Ended(Ending::Completed),
                SenderAction::GaveUp if sender.is_delivered() => TransferAction::Ended(Ending::DeliveredUnconfirmed),
                SenderAction::GaveUp => TransferAction::Ended(Ending::TimedOut),
            },
            Machine::Receiving(receiver) => match receiver.poll(now) {
                ReceiverAction::Opening if self.sends_oack => emit(Repr::Oack(self.granted), out),
                //= rfc1350#section-4
                //# Since the positive response to a write request is an acknowledgment packet, in this special case the
                //# block number will be zero.
                ReceiverAction::Opening => emit(Repr::Ack { block: 0 }, out),
                ReceiverAction::Ack(block) => emit(Repr::Ack { block }, out),
                ReceiverAction::Wait(deadline) => TransferAction::Wait(deadline),
                ReceiverAction::Done => TransferAction::Ended(Ending::Completed),
                ReceiverAction::GaveUp => TransferAction::Ended(Ending::TimedOut),
            },
            Machine::Ended(ending) => {
                let farewell = self.farewell.take().map(|(code, message)| Repr::Error { code, message }.emit(out));
                match farewell {
                    Some(Ok(len)) => {
                        self.stats.datagrams_sent += 1;
                        TransferAction::Transmit { len, segment_size: None, body: None }
                    }
                    Some(Err(_)) | None => TransferAction::Ended(*ending),
                }
            }
        };
        if let TransferAction::Ended(ending) = action
            && !matches!(self.machine, Machine::Ended(_))
        {
            self.end(ending);
        }
        action
    }

    /// The bytes of a body that the last call of [`poll_vectored`](Self::poll_vectored) has named, in up to two pieces: the
    /// payload of the first datagram, which is as long as its size leaves room for, that of the second, and so on.
    #[must_use]
    pub fn body(&self, body: Body) -> [&[u8]; 2] {
        self.sender().map_or([&[], &[]], |sender| sender.body(body))
    }

    /// What was agreed, once it was.
    #[must_use]
    pub const fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// The options that the OACK grants: ours as a server, the server's as a client.
    #[must_use]
    pub const fn granted(&self) -> &Options {
        &self.granted
    }

    /// Whether the peer has answered anything of ours: its address is no forgery.
    #[must_use]
    pub const fn is_proved(&self) -> bool {
        match self.retry() {
            Some(retry) => retry.is_proved(),
            None => false,
        }
    }

    /// When the transfer last moved on.
    #[must_use]
    pub const fn last_progress(&self) -> Option<Instant> {
        match self.retry() {
            Some(retry) => Some(retry.last_progress()),
            None => None,
        }
    }

    const fn retry(&self) -> Option<&Retry> {
        match &self.machine {
            Machine::Asking(handshake) => Some(handshake.retry()),
            Machine::Sending(sender) => Some(sender.retry()),
            Machine::Receiving(receiver) => Some(receiver.retry()),
            Machine::Ended(_) => None,
        }
    }

    /// Whether a request still waits for its first answer.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        matches!(self.machine, Machine::Asking(_))
    }

    /// The sending half, while the file is being sent.
    #[must_use]
    pub const fn sender(&self) -> Option<&Sender<C>> {
        match &self.machine {
            Machine::Sending(sender) => Some(sender),
            Machine::Asking(_) | Machine::Receiving(_) | Machine::Ended(_) => None,
        }
    }

    /// The receiving half, while the file is being received or the final ACK repeated.
    #[must_use]
    pub const fn receiver(&self) -> Option<&Receiver> {
        match &self.machine {
            Machine::Receiving(receiver) => Some(receiver),
            Machine::Asking(_) | Machine::Sending(_) | Machine::Ended(_) => None,
        }
    }

    /// What the transfer has cost so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        match &self.machine {
            Machine::Asking(handshake) => stats += handshake.stats(),
            Machine::Sending(sender) => stats += sender.stats(),
            Machine::Receiving(receiver) => stats += receiver.stats(),
            Machine::Ended(_) => {}
        }
        stats.datagrams_received = self.received;
        stats
    }
}

/// Writes a small packet, or ends the transfer if the buffer is too small: whoever waits for it would wait in vain.
fn emit(repr: Repr<'_>, out: &mut [u8]) -> TransferAction {
    match repr.emit(out) {
        Ok(len) => TransferAction::Transmit { len, segment_size: None, body: None },
        Err(_) => TransferAction::Ended(Ending::Failed),
    }
}
