//! The sending half of a transfer: windows, gaps, retransmission (RFC 1350, RFC 7440).

use super::blocks::{Ahead, Blocks, Read};
use super::pace::Pace;
use super::pacer::Pacer;
use super::retry::{Retry, Verdict};
use crate::config::Pacing;
use crate::negotiate::Parameters;
use crate::wire::{DATA_HEADER, Mode};
use crate::{Instant, Stats};

/// Datagrams in one train, as many as a kernel takes for segmentation offload.
const MAX_TRAIN: usize = 64;
/// Bytes in one train: the largest UDP payload over IPv4.
const MAX_TRAIN_BYTES: usize = 65_507;

/// Sends one file: knows neither role nor address, and holds no more than two chunks of the file, or less where there are
/// many transfers ([`Transfer::set_allowance`](super::Transfer::set_allowance)).
///
/// `C` is a chunk of the file: `Bytes` on a server, `&'static [u8]` straight from flash on a microcontroller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender<C> {
    parameters: Parameters,
    blocks: Blocks<C>,
    /// The oldest block that is not acknowledged. Block 0 is the OACK, where there is one.
    base: u64,
    /// The next block to send.
    next: u64,
    /// One past the highest block ever sent.
    sent_end: u64,
    /// A gap was reported at the present base and answered, or its report would be an echo: further ones are ignored.
    gap_answered: bool,
    /// Everything from the base on was sent again. Where that was needless, the ACK of it comes once more behind the
    /// first: as an ACK of the block before the next window, which is how a gap is reported.
    echo_expected: bool,
    /// Blocks from here on are under way for the first time, since that moment: their ACK gives a round trip sample.
    timed: Option<(u64, Instant)>,
    /// When blocks began to go out behind the last ACK or timer.
    started: Instant,
    /// The same for those before that.
    started_before: Instant,
    /// Whether the end of a window is sent once more even before an interval that was negotiated.
    hurries: bool,
    /// The end of this window was sent once more.
    asked: Option<Asked>,
    /// The round trip is known: by a sample that is younger than the last doubt which copy an ACK answers.
    measured: bool,
    /// Blocks before this one went out again without the report of a gap: which copy an ACK answers is not known.
    doubtful_end: u64,
    state: State,
    /// How windows are cut into trains; `None`: not at all.
    pacer: Option<Pacer>,
    retry: Retry,
    stats: Stats,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum State {
    /// The window has room.
    Sending,
    /// The window has room, but the bytes are not here: storage sets the pace, no timer runs.
    Starved { since: Instant },
    /// The window has room, but the receiver is given time for the last train.
    Pausing { until: Instant },
    /// The whole window is out. Its last block may leave once more before the timer runs out.
    Waiting { ask_at: Option<Instant>, deadline: Instant },
    /// The last block was acknowledged.
    Done,
    /// The peer fell silent.
    GaveUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Asked {
    at: Instant,
    /// When the timer runs out all the same.
    deadline: Instant,
}

/// What a [`Sender`] wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SenderAction {
    /// Send block 0: the OACK.
    Opening,
    /// Send the first `len` bytes of the buffer.
    Transmit {
        /// Bytes.
        len: usize,
        /// If set, a train of datagrams of this size, of which the last may be shorter.
        segment_size: Option<usize>,
        /// If set, only the headers are in the buffer, one behind the other, and these bytes follow them.
        body: Option<Body>,
    },
    /// Read from the file and call [`Sender::handle_chunk`].
    Read {
        /// Offset in bytes.
        offset: u64,
        /// Length in bytes. Fewer bytes than this mean the end of the file.
        len: usize,
        /// Nothing before this offset will be asked for again.
        keep: u64,
    },
    /// Nothing until an ACK, a chunk or this moment.
    Wait(Option<Instant>),
    /// The last block was acknowledged.
    Done,
    /// The peer fell silent.
    GaveUp,
}

/// The payloads of datagrams, one behind the other: bytes of the file, which are held until the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Body {
    offset: u64,
    len: usize,
}

impl From<Read> for SenderAction {
    fn from(Read { offset, len, keep }: Read) -> Self {
        Self::Read { offset, len, keep }
    }
}

/// What an ACK meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckOutcome {
    /// New blocks were acknowledged.
    Advanced,
    /// A gap was reported: the blocks behind it go out again.
    Gap,
    /// A copy, an old one, or one of a block never sent: nothing changes.
    Ignored,
}

impl<C: AsRef<[u8]>> Sender<C> {
    /// A sender that starts with block 0 (`opening`: the OACK waits for ACK 0) or straight with block 1.
    ///
    /// `read_size` is the length of its reads in bytes; it is raised to the block size if smaller.
    pub(super) fn new(parameters: Parameters, opening: bool, read_size: usize, mut retry: Retry) -> Self {
        retry.set_negotiated(parameters.timeout);
        let first = u64::from(!opening);
        Self {
            parameters,
            blocks: Blocks::new(&parameters, read_size),
            base: first,
            next: first,
            sent_end: first,
            gap_answered: false,
            echo_expected: false,
            timed: None,
            started: retry.last_progress(),
            started_before: retry.last_progress(),
            hurries: false,
            asked: None,
            measured: false,
            doubtful_end: 0,
            state: State::Sending,
            pacer: None,
            retry,
            stats: Stats::default(),
        }
    }

    /// Cuts windows into trains from here on, or not. Call it before anything was sent.
    pub(super) fn set_pacing(&mut self, pacing: &Pacing, known: Option<Pace>) {
        let Parameters { window_size, block_size, .. } = self.parameters;
        self.pacer = Pacer::new(pacing, window_size, block_size, known);
        if let Some(pacer) = &mut self.pacer {
            pacer.begin(self.base);
        }
    }

    /// Does not wait as long as was negotiated: in lock-step the block goes out again after the measured interval, of a
    /// window its last block, once. All of it could be more than the receiver has room for.
    pub(super) const fn hurry(&mut self) {
        if self.parameters.window_size == 1 {
            self.retry.hurry();
        } else {
            self.hurries = true;
        }
    }

    /// What was learned about the receiver since the last call, if it is worth remembering.
    pub(super) fn take_pace(&mut self) -> Option<Pace> {
        self.pacer.as_mut().and_then(Pacer::take_news)
    }

    /// An ACK from the peer, with its block number as on the wire.
    pub fn handle_ack(&mut self, now: Instant, wire: u16) -> AckOutcome {
        match self.state {
            State::Sending | State::Starved { .. } | State::Pausing { .. } | State::Waiting { .. } => {}
            State::Done | State::GaveUp => return AckOutcome::Ignored,
        }
        let oldest = self.base.saturating_sub(1);
        let acked =
            self.sent_end.checked_sub(1 + oldest).and_then(|span| self.parameters.rollover.resolve(wire, oldest, span));
        let Some(acked) = acked else {
            self.stats.ignored += 1;
            return AckOutcome::Ignored;
        };
        if acked < self.base {
            return self.handle_repeated_ack(now, acked);
        }
        match self.timed.take() {
            // The ACK answers its own block, or reports at once a gap behind it.
            Some((newest, sent_at)) if acked >= newest => {
                // If it answers the copy, it was shorter. To take it for longer makes the next question later, and where each
                // ACK is late there is no other sample; but what is much longer is a silence.
                let is_late = self.asked.is_some_and(|asked| now - sent_at > (asked.at - sent_at) * 2);
                if !is_late {
                    self.retry.sample(now - sent_at);
                }
                self.measured = !is_late;
                if let Some(pacer) = self.pacer.as_mut().filter(|_| acked == 0) {
                    pacer.answered(now - sent_at);
                }
            }
            // What the receiver had of it before the gap that it reported, it has thrown away.
            _ if acked >= self.doubtful_end => {
                self.retry.sample_at_most(now - self.left_at(acked), now - self.started_before);
            }
            Some(_) | None => self.retry.sample_of_copy(now - self.left_at(acked)),
        }
        // The last block is shorter, and says less of the others.
        if let Some(pacer) = self.pacer.as_mut().filter(|_| acked > 0 && self.blocks.last() != Some(acked)) {
            pacer.acknowledged(now, acked, self.next);
        }
        self.retry.progress(now);
        //= rfc7440#section-4
        //# The notified DSND SHOULD send a new data block window whose beginning MUST be set based on the ACK received
        //# out of sequence.
        let outcome = if acked + 1 < self.next { AckOutcome::Gap } else { AckOutcome::Advanced };
        self.base = acked + 1;
        // The receiver may report this very gap once for every block behind it.
        self.gap_answered = core::mem::take(&mut self.echo_expected) || outcome == AckOutcome::Gap;
        if self.blocks.last() == Some(acked) {
            self.state = State::Done;
            return AckOutcome::Advanced;
        }
        self.go_on_from(self.base);
        if outcome == AckOutcome::Gap {
            self.spare_the_receiver(now);
        }
        outcome
    }

    /// When the last copy left of what the ACK of `acked` answers, or some time before that.
    fn left_at(&self, acked: u64) -> Instant {
        if acked >= self.next {
            // It did not since the last ACK or timer.
            return self.started_before;
        }
        self.pacer.as_ref().map_or(self.started, |pacer| {
            // The report of a gap answers a block behind it, and the pauses before that one are no part of the round trip.
            pacer.run().left_at((acked + 2).min(self.next - 1)).max(self.started)
        })
    }

    /// An ACK of the block before the window. RFC 1123 §4.2.3.1: in lock-step it must never cause DATA. With a
    /// window it reports that the first block is missing, and copies of the report are not answered.
    fn handle_repeated_ack(&mut self, now: Instant, acked: u64) -> AckOutcome {
        //= rfc7440#section-4
        //# Traffic with windowsize = 1 MUST be equivalent to traffic specified by [RFC1350].
        let gap = self.parameters.window_size > 1 && self.next > self.base && !self.gap_answered;
        //= rfc1123#section-4.2.3.1
        //# MUST NOT resend DATA for a duplicate ACK
        if !gap {
            self.stats.ignored += 1;
            return AckOutcome::Ignored;
        }
        //= rfc7440#section-4
        //# The notified DSND SHOULD send a new data block window whose beginning MUST be set based on the ACK received
        //# out of sequence.
        self.gap_answered = true;
        self.echo_expected = true;
        self.doubt();
        if let Some(pacer) = &mut self.pacer {
            pacer.acknowledged(now, acked, self.next);
        }
        self.go_on_from(self.base);
        self.spare_the_receiver(now);
        AckOutcome::Gap
    }

    fn go_on_from(&mut self, block: u64) {
        self.next = block;
        self.asked = None;
        self.state = State::Sending;
        self.blocks.go_on_from(&self.parameters, self.base, block);
        if let Some(pacer) = &mut self.pacer {
            pacer.begin(block);
        }
    }

    /// What follows a gap is the next train. It does not come sooner than it would have without the gap: a receiver that
    /// lost the end of a train is still busy with the rest of it, and would lose the answer, too.
    fn spare_the_receiver(&mut self, now: Instant) {
        if let Some(until) = self.pacer.as_ref().and_then(|pacer| pacer.hold(now)) {
            self.state = State::Pausing { until };
        }
    }

    /// What is under way goes out again, and may yet arrive.
    const fn doubt(&mut self) {
        self.timed = None;
        self.measured = false;
        self.doubtful_end = self.sent_end;
    }

    /// Sends what is unacknowledged once more.
    pub(super) fn repeat(&mut self) {
        if let State::Waiting { .. } = self.state {
            self.go_on_from(self.base);
        }
    }

    /// The bytes of the read that was asked for last.
    pub fn handle_chunk(&mut self, chunk: C) {
        self.blocks.insert(chunk);
    }

    /// Time has passed. Early and repeated calls change nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Waiting { deadline, .. } if deadline <= now => match self.retry.expired(now) {
                //= rfc1350#section-7
                //# Timeouts must also be used to detect errors.
                Verdict::GiveUp => self.state = State::GaveUp,
                //= rfc1350#section-6
                //# The host sending the last DATA must retransmit it until the packet is acknowledged or the sending
                //# host times out.
                Verdict::Retry => {
                    self.stats.timeouts += 1;
                    self.doubt();
                    self.gap_answered = false;
                    self.echo_expected = true;
                    if let Some(pacer) = self.pacer.as_mut().filter(|_| self.base > 0) {
                        pacer.timed_out();
                    }
                    //= rfc7440#section-4
                    //# In the case of an expected ACK not timely reaching the DSND (timeout), the last received ACK
                    //# SHALL set the beginning of the next windowsize data block window to be sent.
                    self.go_on_from(self.base);
                }
            },
            State::Waiting { ask_at: Some(at), deadline } if at <= now => self.ask(now, deadline),
            State::Pausing { until } if until <= now => self.end_pause(now),
            State::Waiting { .. } | State::Pausing { .. } => {}
            State::Sending | State::Starved { .. } | State::Done | State::GaveUp => {}
        }
    }

    /// If an answer is late by now, waits on for it: `true`.
    pub(super) fn wait_on(&mut self, now: Instant, latest: Instant) -> bool {
        let State::Waiting { ask_at, deadline } = &mut self.state else { return false };
        let asks = ask_at.take_if(|at| *at <= now).is_some();
        if asks && now < *deadline {
            return true;
        }
        self.retry.wait_on(now, deadline, latest)
    }

    pub(super) const fn measures_round_trip(&self) -> bool {
        self.timed.is_some() && self.asked.is_none()
    }

    pub(super) const fn has_unacknowledged(&self) -> bool {
        self.base < self.sent_end
    }

    /// After the pause the next train leaves, if there is one.
    fn end_pause(&mut self, now: Instant) {
        if self.retry.is_out_of_patience(now) {
            // The peer was silent for so long before this window was repeated that its end need not be seen.
            self.state = State::GaveUp;
            return;
        }
        self.state = State::Sending;
        if !self.window_has_room() {
            let deadline = self.retry.deadline(now);
            self.ask(now, deadline);
        }
    }

    /// The window is out, and its ACK is late: its last block leaves once more, which shows what is missing, if it is not the
    /// ACK. The timer runs out at `deadline` all the same.
    fn ask(&mut self, now: Instant, deadline: Instant) {
        self.state = State::Sending;
        self.asked = Some(Asked { at: now, deadline });
        self.next -= 1;
        // Whatever was reported before has come by now.
        self.gap_answered = false;
        // It may be acknowledged twice then, and the copy reports no gap.
        self.echo_expected = true;
        self.blocks.go_back();
        if let Some(pacer) = &mut self.pacer {
            pacer.ask(self.next);
        }
    }

    /// The next thing to do; datagrams are written to `out`, which must hold at least one block and its header.
    pub fn poll(&mut self, now: Instant, out: &mut [u8]) -> SenderAction {
        self.poll_vectored(now, out, usize::MAX)
    }

    /// As [`poll`](Self::poll), but where blocks are of `least` bytes or more, their payloads may be left where they are
    /// ([`Body`]).
    pub fn poll_vectored(&mut self, now: Instant, out: &mut [u8], least: usize) -> SenderAction {
        // Netascii has to be made; what is scarce is let go as soon as it was sent.
        let vectored = usize::from(self.parameters.block_size) >= least
            && self.parameters.mode != Mode::Netascii
            && !self.is_memory_scarce();
        match self.state {
            State::Sending | State::Starved { .. } => {}
            State::Pausing { until } if until <= now => self.end_pause(now),
            State::Pausing { until } => return self.meanwhile().unwrap_or(SenderAction::Wait(Some(until))),
            State::Waiting { ask_at, deadline } => {
                // A forged address is not worth memory, nor a second read.
                let read = if self.retry.is_proved() { self.meanwhile() } else { None };
                return read.unwrap_or(SenderAction::Wait(Some(ask_at.unwrap_or(deadline))));
            }
            State::Done => return SenderAction::Done,
            State::GaveUp => return SenderAction::GaveUp,
        }
        if self.next == 0 {
            self.note_sent(now, 1);
            self.wait(now);
            return SenderAction::Opening;
        }
        self.blocks.skip_to(&self.parameters, self.base, self.next, out);
        let segment = usize::from(self.parameters.block_size) + DATA_HEADER;
        let limit = out.len().min(MAX_TRAIN_BYTES.max(segment));
        let first = self.next;
        if let Some(pacer) = &mut self.pacer
            && let Some(end) = self.blocks.end()
        {
            // For netascii this is an estimate, and does no harm.
            pacer.end_ahead((end / u64::from(self.parameters.block_size) + 1).saturating_sub(first));
        }
        let most = self.pacer.as_ref().map_or(MAX_TRAIN, |pacer| pacer.room().min(MAX_TRAIN)).min(limit / segment);
        let offset = self.blocks.offset();
        let mut len = 0;
        let mut count = 0;
        while self.window_has_room() && count < most && self.blocks.next() == first + count as u64 {
            let built = if vectored {
                let header = out.get_mut(count * DATA_HEADER..).and_then(<[u8]>::first_chunk_mut);
                header.and_then(|header| self.blocks.build_header(&self.parameters, header))
            } else {
                out.get_mut(len..len + segment).and_then(|slot| self.blocks.build(&self.parameters, slot))
            };
            let Some(payload) = built else { break };
            len += DATA_HEADER + payload;
            count += 1;
            self.next = first + count as u64;
        }
        if count == 0 {
            if self.state == State::Sending {
                self.state = State::Starved { since: now };
            }
            return self.read_on(most).unwrap_or(SenderAction::Wait(None));
        }
        self.next = first;
        if let State::Starved { since } = self.state {
            self.retry.resume(now - since);
            self.state = State::Sending;
        }
        self.note_sent(now, count as u64);
        let more = self.window_has_room();
        //= rfc7440#section-6
        //# The rate at which TFTP UDP datagrams are sent SHOULD follow the CC guidelines in Section 3.1 of [RFC5405].
        let pause = self.pacer.as_mut().and_then(|pacer| pacer.sent(now, first, count, more));
        if let Some(until) = pause {
            self.state = State::Pausing { until };
        } else if !more {
            self.wait(now);
        }
        // Not only when its turn comes again: of a crowd whose pauses end together each would hold its chunk until then.
        if self.state != State::Sending && self.retry.is_proved() {
            self.blocks.let_go();
        }
        let body = vectored.then_some(Body { offset, len: len - count * DATA_HEADER });
        SenderAction::Transmit { len, segment_size: (count > 1).then_some(segment), body }
    }

    /// The bytes of a body that the last call of [`poll_vectored`](Self::poll_vectored) has named, in up to two pieces.
    #[must_use]
    pub fn body(&self, body: Body) -> [&[u8]; 2] {
        self.blocks.slices(body.offset, body.len)
    }

    fn window_has_room(&self) -> bool {
        //= rfc7440#section-4
        //# The DSND MUST cyclically send to the DRCV the agreed windowsize consecutive data blocks before normally
        //# stopping and waiting for the ACK of the transferred window.
        self.next < self.base + u64::from(self.parameters.window_size)
            && self.blocks.last().is_none_or(|last| self.next <= last)
    }

    fn note_sent(&mut self, now: Instant, count: u64) {
        let end = self.next + count;
        self.stats.datagrams_sent += count;
        let repeated = self.sent_end.min(end).saturating_sub(self.next);
        self.stats.retransmissions += repeated;
        if self.next == self.base {
            self.started_before = core::mem::replace(&mut self.started, now);
        }
        self.timed = match self.timed {
            // The answer to a question may be that to the window, and where each is late there is no other sample.
            timed if self.asked.is_some() => timed,
            _ if repeated == count => None,
            Some((newest, sent_at)) if sent_at == now => Some((newest, sent_at)),
            Some(_) | None => Some((self.next + repeated, now)),
        };
        if end > self.sent_end {
            // What was not sent cannot have been answered, whatever left again before it.
            self.retry.listen(now);
        }
        self.next = end;
        self.sent_end = self.sent_end.max(end);
    }

    fn wait(&mut self, now: Instant) {
        if let Some(Asked { deadline, .. }) = self.asked.filter(|asked| now < asked.deadline) {
            self.state = State::Waiting { ask_at: None, deadline };
            return;
        }
        let deadline = self.retry.deadline(now);
        let early = if self.asks() { self.retry.early(now, self.hurries) } else { None };
        // Its answer must fit in before the timer runs out.
        let ask_at = early.filter(|(at, answer)| *at + *answer < deadline).map(|(at, _)| at);
        self.state = State::Waiting { ask_at, deadline };
    }

    /// Whether the last block of a window may ask for its ACK. Where trains are short something follows that shows what is
    /// missing, and pauses are what the receiver needs; where memory is scarce the block would have to be read again.
    fn asks(&self) -> bool {
        if self.parameters.window_size == 1 || self.asked.is_some() {
            return false;
        }
        let is_one_train = self.pacer.as_ref().is_none_or(Pacer::takes_whole_windows);
        self.hurries || self.measured && is_one_train && !self.is_memory_scarce()
    }

    /// The read of bytes that the next block needs; the next train is of `most` blocks.
    fn read_on(&mut self, most: usize) -> Option<SenderAction> {
        self.blocks.read_on(&self.parameters, self.ahead(most)).map(SenderAction::from)
    }

    /// A read while nothing can be sent.
    fn meanwhile(&mut self) -> Option<SenderAction> {
        self.blocks.meanwhile(&self.parameters, self.ahead(MAX_TRAIN)).map(SenderAction::from)
    }

    fn ahead(&self, most: usize) -> Ahead {
        let window_end = self.base + u64::from(self.parameters.window_size);
        Ahead { train_end: window_end.min(self.next + most as u64), window_end }
    }

    /// Bytes of the file that may be held while nothing can be sent.
    pub(super) const fn set_allowance(&mut self, bytes: usize) {
        self.blocks.set_allowance(bytes);
    }

    /// Whether two chunks are more than that.
    #[must_use]
    pub const fn is_memory_scarce(&self) -> bool {
        self.blocks.is_memory_scarce()
    }

    /// Bytes of the file that are held.
    #[must_use]
    pub fn bytes_held(&self) -> usize {
        self.blocks.bytes_held()
    }

    /// Bytes of the file that the peer has acknowledged (for netascii: about as many).
    #[must_use]
    pub fn bytes_acknowledged(&self) -> u64 {
        match self.state {
            State::Done => self.blocks.end().unwrap_or(self.blocks.acknowledged()),
            State::Sending | State::Starved { .. } | State::Pausing { .. } | State::Waiting { .. } | State::GaveUp => {
                self.blocks.acknowledged()
            }
        }
    }

    /// Whether the opening OACK is still unanswered.
    #[must_use]
    pub const fn is_opening(&self) -> bool {
        self.base == 0
    }

    /// Whether everything was sent to a peer that has answered, and only the last ACK is missing.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.retry.is_proved() && self.blocks.last() == Some(self.base)
    }

    pub(super) const fn retry(&self) -> &Retry {
        &self.retry
    }

    pub(super) const fn stats(&self) -> Stats {
        self.stats
    }
}
