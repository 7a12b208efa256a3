use crate::config::{MAX_WINDOW, Timing};
use crate::negotiate::{Parameters, Refusal, accept};
use crate::transfer::retry::{Retry, Verdict};
use crate::wire::{Direction, ErrorCode, Mode, Options, Packet};
use crate::{Instant, Stats};

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asking {
    /// Get ([`Direction::Read`]) or put ([`Direction::Write`]).
    pub direction: Direction,
    /// Octet or netascii.
    pub mode: Mode,
    /// The options to ask for.
    pub options: Options,
    /// Whether to ask again without options after ERROR 8 (RFC 2347).
    pub fall_back: bool,
    /// Retransmission. `unproved_retries` counts the repeats of the request.
    pub timing: Timing,
}

/// A request that waits for its first answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Handshake {
    asking: Asking,
    /// Present while the request is still to be sent, or sent again.
    due: bool,
    deadline: Option<Instant>,
    /// When the request was sent, if it was sent once only (Karn's rule).
    sent_once: Option<Instant>,
    gave_up: bool,
    /// The options were refused once: a further ERROR 8 can only be a late copy.
    fell_back: bool,
    retry: Retry,
    stats: Stats,
}

/// What a packet meant to a waiting request.
pub(crate) enum Answer {
    /// The server agreed: by OACK, or by its first DATA or ACK to no option at all.
    Agreed(Options, Parameters),
    /// The server's OACK does not fit.
    Refused(Refusal),
    /// Not an answer.
    Ignored,
}

/// What an ERROR meant to a waiting request.
pub(crate) enum ErrorAnswer {
    /// The server refused the options: the request goes out again without them.
    FellBack,
    /// A late copy of that.
    Ignored,
    /// The server refused the request.
    Ended,
}

pub(crate) enum HandshakeAction {
    Request(Options),
    Wait(Option<Instant>),
    GaveUp,
}

impl Handshake {
    pub(crate) fn new(now: Instant, mut asking: Asking, seed: u64) -> Self {
        asking.options.window_size = asking.options.window_size.map(|window| window.clamp(1, MAX_WINDOW));
        let retry = Retry::of_request(now, asking.timing, seed);
        Self {
            asking,
            due: true,
            deadline: None,
            sent_once: None,
            gave_up: false,
            fell_back: false,
            retry,
            stats: Stats::default(),
        }
    }

    pub(crate) const fn direction(&self) -> Direction {
        self.asking.direction
    }

    /// A packet that is not an ERROR, from where an answer may come.
    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &Packet<'_>) -> Answer {
        let Asking { direction, mode, options, .. } = self.asking;
        let agreed = match (direction, packet) {
            (_, Packet::Oack(raw)) if !options.is_empty() => match accept(&options, &raw.parse(), mode) {
                Ok(agreed) => agreed,
                Err(refusal) => return Answer::Refused(refusal),
            },
            (_, Packet::Oack(_)) => return Answer::Refused(Refusal::NotAsked),
            // A server that knows no options answers as if there were none.
            (Direction::Read, Packet::Data { block: 1, .. }) | (Direction::Write, Packet::Ack { block: 0 }) => {
                (Options::NONE, Parameters::without_options(mode))
            }
            (Direction::Read | Direction::Write, Packet::Data { .. } | Packet::Ack { .. })
            | (_, Packet::Request(_) | Packet::Error { .. }) => return Answer::Ignored,
        };
        if let Some(sent_at) = self.sent_once {
            self.retry.sample(now - sent_at);
        }
        self.retry.progress(now);
        Answer::Agreed(agreed.0, agreed.1)
    }

    /// An ERROR: after code 8 the request may go out once more, without options.
    pub(crate) fn handle_error(&mut self, now: Instant, code: ErrorCode) -> ErrorAnswer {
        if code != ErrorCode::OptionNegotiation {
            return ErrorAnswer::Ended;
        }
        if self.fell_back {
            return ErrorAnswer::Ignored;
        }
        if !self.asking.fall_back || self.asking.options.is_empty() {
            return ErrorAnswer::Ended;
        }
        //= rfc2347#negotiation-protocol
        //# In the event that a server returns an error for a request which carries an option, the client may attempt to
        //# repeat the request without appending any options.
        self.fell_back = true;
        self.asking.options = Options::NONE;
        self.retry = Retry::of_request(now, self.asking.timing, 0);
        self.due = true;
        self.deadline = None;
        self.sent_once = None;
        ErrorAnswer::FellBack
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        self.deadline = None;
        match self.retry.expired(now) {
            Verdict::GiveUp => self.gave_up = true,
            Verdict::Retry => {
                self.stats.timeouts += 1;
                self.stats.retransmissions += 1;
                self.due = true;
            }
        }
    }

    pub(crate) fn poll(&mut self, now: Instant) -> HandshakeAction {
        if self.gave_up {
            return HandshakeAction::GaveUp;
        }
        if core::mem::take(&mut self.due) {
            self.sent_once = (self.stats.retransmissions == 0).then_some(now);
            self.deadline = Some(self.retry.deadline(now));
            self.stats.datagrams_sent += 1;
            return HandshakeAction::Request(self.asking.options);
        }
        HandshakeAction::Wait(self.deadline)
    }

    pub(crate) fn into_retry(self) -> Retry {
        self.retry
    }

    pub(crate) const fn stats(&self) -> Stats {
        self.stats
    }

    pub(crate) const fn retry(&self) -> &Retry {
        &self.retry
    }
}
