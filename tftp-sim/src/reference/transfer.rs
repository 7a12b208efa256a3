//! One request, from its opening to its end.

use std::net::SocketAddr;

use super::receiving::{Heard, Receiving, Stage};
use super::sending::Sending;
use super::wire::{Request, Said, is_error};
use super::{SECOND, Time};

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) request: Request,
    /// What storage calls it, once it was asked to open the file.
    pub(super) id: Option<u64>,
    /// The server's transfer identifier, once something came from there.
    pub(super) tid: Option<SocketAddr>,
    pub(super) phase: Phase,
    /// Since when storage owes an answer, and whether to a commit.
    pub(super) job: Option<(Time, bool)>,
    /// What will be left of it.
    pub(super) stone: Option<Stone>,
}

/// What is left of a transfer that has ended.
#[derive(Debug)]
pub(super) enum Stone {
    /// The final ACK is repeated: surely until then, perhaps until then. Copies of the request are late for a second.
    Received { number: u16, surely: Time, perhaps: Time, request: Request, late: Time },
    /// The ERROR is repeated a few times, until then.
    Failed { code: u16, left: u8, next: Time, until: Time },
}

/// How long last words are repeated at least.
const DALLY: Time = 12 * SECOND;
/// How far apart repeated ERRORs are, and how many there are.
pub(super) const ERROR_INTERVAL: Time = SECOND / 5;
const ERRORS: u8 = 3;

#[derive(Debug)]
pub(super) enum Phase {
    Opening,
    Sending(Sending),
    Receiving(Receiving),
    /// An ERROR of this code is to leave. `told`: it is repeated for a peer that goes on.
    Failing {
        code: u16,
        told: bool,
        end: End,
    },
    /// Nothing more leaves; the end is to be reported.
    Over(End),
}

/// How a transfer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The whole file was delivered and acknowledged.
    Completed,
    /// Only the ACK of the last block is missing.
    Unconfirmed,
    /// The client wanted to know the size only.
    SizeProbe,
    /// The peer sent an ERROR.
    PeerError,
    /// The peer fell silent.
    TimedOut,
    /// It was refused with this code.
    Refused(u16),
    /// Storage failed; the peer was told this code.
    StorageFailed(u16),
    /// Another request came from the same address and port.
    Replaced,
}

impl Transfer {
    pub(super) const fn new(request: Request) -> Self {
        Self { request, id: None, tid: None, phase: Phase::Opening, job: None, stone: None }
    }

    pub(super) fn is_proved(&self) -> bool {
        match &self.phase {
            Phase::Sending(sending) => sending.clock.proved,
            Phase::Receiving(receiving) => receiving.clock.proved,
            Phase::Opening | Phase::Failing { .. } | Phase::Over(_) => false,
        }
    }

    /// When the peer last brought something new.
    pub(super) fn answered(&self) -> Option<Time> {
        match &self.phase {
            Phase::Sending(sending) => Some(sending.clock.answered),
            Phase::Receiving(receiving) => Some(receiving.clock.answered),
            Phase::Opening | Phase::Failing { .. } | Phase::Over(_) => None,
        }
    }

    pub(super) fn is_committing(&self) -> bool {
        self.job.is_some_and(|(_, commits)| commits)
    }

    /// The peer says something.
    pub(super) fn hear(&mut self, now: Time, said: &Said) {
        let over = match (&mut self.phase, said) {
            (Phase::Sending(sending), Said::Ack(number)) => sending.hear(now, *number).then_some(End::Completed),
            (Phase::Sending(sending), Said::Error(code)) => {
                // 3: the file is too large for the client.
                let probe = sending.is_opening() && sending.terms.told_size && *code != 3;
                Some(if probe { End::SizeProbe } else { End::PeerError })
            }
            (Phase::Receiving(receiving), Said::Data(number, payload)) => {
                if receiving.hear(now, *number, payload) == Heard::TooLong {
                    self.phase = Phase::Failing { code: 4, told: false, end: End::Refused(4) };
                }
                None
            }
            (Phase::Receiving(receiving), Said::Error(_)) => {
                (receiving.stage == Stage::Receiving).then_some(End::PeerError)
            }
            _ => None,
        };
        if let Some(end) = over {
            self.phase = Phase::Over(end);
        }
    }

    /// The same request came again before anything of ours was answered.
    pub(super) fn repeat(&mut self) {
        match &mut self.phase {
            Phase::Sending(sending) => sending.repeat(),
            Phase::Receiving(receiving) => receiving.repeat(),
            Phase::Opening | Phase::Failing { .. } | Phase::Over(_) => {}
        }
    }

    /// Storage has failed, or was too slow.
    pub(super) fn fail(&mut self, code: u16) {
        if !matches!(self.phase, Phase::Failing { .. } | Phase::Over(_)) {
            self.phase = Phase::Failing { code, told: self.is_proved(), end: End::StorageFailed(code) };
        }
    }

    /// A datagram leaves.
    pub(super) fn sent(&mut self, now: Time, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Sending(sending) => sending.sent(now, bytes),
            Phase::Receiving(receiving) => {
                receiving.sent(now, bytes);
                if receiving.stage == Stage::Committed {
                    let surely = now + DALLY.max(receiving.terms.timeout.unwrap_or(0) * 2);
                    self.stone = Some(Stone::Received {
                        number: receiving.last_number(),
                        surely,
                        perhaps: surely.max(now + receiving.clock.longest_first_wait()),
                        request: self.request.clone(),
                        late: now + SECOND,
                    });
                    self.phase = Phase::Over(End::Completed);
                }
            }
            Phase::Failing { code, told, end } => {
                let code = *code;
                assert!(is_error(bytes, code), "ERROR {code} is due, not {}", bytes.escape_ascii());
                let (next, until) = (now + ERROR_INTERVAL, now + DALLY);
                self.stone = told.then_some(Stone::Failed { code, left: ERRORS, next, until });
                self.phase = Phase::Over(*end);
            }
            Phase::Opening | Phase::Over(_) => unreachable!("nothing may leave: {self:?}"),
        }
    }

    /// Whether a peer may be given up now: how it ends then.
    pub(super) fn give_up(&self, now: Time) -> End {
        match &self.phase {
            Phase::Sending(sending) => {
                sending.clock.give_up(now);
                if sending.is_delivered() { End::Unconfirmed } else { End::TimedOut }
            }
            Phase::Receiving(receiving) if receiving.stage == Stage::Receiving => {
                receiving.clock.give_up(now);
                End::TimedOut
            }
            _ => unreachable!("it cannot time out: {self:?}"),
        }
    }

    /// Everything that happens now has happened.
    pub(super) fn settled(&mut self, now: Time) {
        let busy = self.job.is_some();
        match &mut self.phase {
            Phase::Opening => assert!(self.id.is_some(), "storage was not asked: {self:?}"),
            Phase::Sending(sending) => sending.settled(now, busy),
            Phase::Receiving(receiving) => receiving.settled(now, busy),
            Phase::Failing { .. } | Phase::Over(_) => unreachable!("its end was not told: {self:?}"),
        }
    }
}
