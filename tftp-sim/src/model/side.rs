//! One side of a transfer: the real state machine, what its owner does for it, and what it must never do.

use tftp_proto::Instant;
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Ending, Progress, Transfer, TransferAction};
use tftp_proto::wire::{Direction, ErrorCode, Packet, Repr};

use super::piece::{Piece, file};
use super::rules;
use super::scenario::{Scenario, Storage};

/// What can happen to a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Input {
    /// A packet of its peer arrives: its place among the contents seen so far.
    Packet(u8),
    /// A server's client repeats its request.
    Repeat,
    /// Its deadline comes.
    Expire,
    /// Its storage answers.
    Answer,
    /// Its owner ends it.
    Cancel,
}

/// A transfer and what its owner knows of it. Every side has a clock of its own, which stands still until its deadline
/// comes: that covers every ratio of speeds and every delay.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) transfer: Transfer<Piece>,
    /// Whether the file leaves from here.
    pub(super) is_source: bool,
    pub(super) now: Instant,
    pub(super) deadline: Option<Instant>,
    pub(super) ending: Option<Ending>,
    /// A read that is not answered.
    pub(super) read: Option<(u64, usize)>,
    /// The owner has no room and will have again.
    pub(super) room_due: bool,
    /// The commit is not answered.
    pub(super) commit_due: bool,
    /// Bytes of the file that came, in order.
    pub(super) got: usize,
    pub(super) committed: bool,
    /// The highest block that the peer has acknowledged.
    pub(super) acked: u16,
    /// Whether the peer has said anything.
    pub(super) heard: bool,
    /// Whether the peer was told that a block is missing.
    pub(super) gap: Gap,
}

/// What the peer knows of a block that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Gap {
    /// Nothing.
    Untold,
    /// It was told. This is the highest block that came behind the gap, and whether a copy has come since.
    Told { ahead: u16, copied: bool },
    /// It was told, and has sent a block that is not missing since: perhaps it did not hear that.
    Doubtful,
}

/// What a side did.
#[derive(Debug, Default)]
pub(super) struct Reaction {
    pub(super) sent: Vec<Vec<u8>>,
    /// The input brought the side on.
    pub(super) moved: bool,
    /// The deadline that came was no timer, but the end of a pause between two trains.
    pub(super) paused: bool,
}

impl Side {
    /// When it begins.
    pub(super) const START: Instant = Instant::from_micros(1_000_000);

    /// The client, and its request.
    pub(super) fn client(scenario: &Scenario) -> Result<(Self, Reaction), String> {
        let now = Self::START;
        let transfer = Transfer::ask(now, scenario.asking(), 0, 1).with_pacing(scenario.pacing, None);
        let mut side = Self::new(scenario, transfer, scenario.direction == Direction::Write, now);
        let mut reaction = Reaction::default();
        side.drain(scenario, &mut reaction)?;
        Ok((side, reaction))
    }

    /// A server that has just got a request, and its answer.
    pub(super) fn server(scenario: &Scenario, request: &[u8], now: Instant) -> Result<(Self, Reaction), String> {
        let Ok(Packet::Request(request)) = Packet::parse(request) else { return Err("not a request".into()) };
        let is_source = request.direction == Direction::Read;
        let size = is_source.then_some(scenario.size as u64);
        let asked = request.options.parse().options;
        let granted = grant(&asked, request.direction, request.mode, &scenario.policy(), size);
        let transfer = match request.direction {
            Direction::Read => Transfer::serve_read(now, granted, scenario.timing(), 0, 2),
            Direction::Write => Transfer::serve_write(now, granted, scenario.timing(), 2),
        };
        let transfer = transfer.with_pacing(scenario.pacing, None);
        let mut side = Self::new(scenario, transfer, is_source, now);
        let mut reaction = Reaction::default();
        side.drain(scenario, &mut reaction)?;
        rules::check_first_answer(scenario, &asked, &side, &reaction)?;
        Ok((side, reaction))
    }

    fn new(scenario: &Scenario, mut transfer: Transfer<Piece>, is_source: bool, now: Instant) -> Self {
        if scenario.forgetful {
            transfer.set_allowance(0);
        }
        Self {
            transfer,
            is_source,
            now,
            deadline: None,
            ending: None,
            read: None,
            room_due: false,
            commit_due: false,
            got: 0,
            committed: false,
            acked: 0,
            heard: false,
            gap: Gap::Untold,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.ending.is_none()
    }

    pub(super) fn is_dallying(&self) -> bool {
        self.is_live() && self.transfer.receiver().is_some_and(|receiver| receiver.dally().is_some())
    }

    /// Whether storage owes it an answer.
    pub(super) fn awaits_storage(&self) -> bool {
        self.is_live() && (self.read.is_some() || self.room_due || self.commit_due)
    }

    pub(super) fn canonical(&self) -> String {
        super::canonical::key(self, self.now)
    }

    /// Lets something happen, and all that follows from it here.
    pub(super) fn perform(&self, scenario: &Scenario, input: Input, bytes: &[u8]) -> Result<(Self, Reaction), String> {
        let mut side = self.clone();
        let mut reaction = Reaction { moved: true, ..Reaction::default() };
        match input {
            Input::Packet(_) => {
                reaction.moved = side.take(scenario, bytes)?;
                side.gap = match self.gap {
                    _ if side.got != self.got => Gap::Untold,
                    gap if let Some(block) = rules::behind_a_gap(scenario, self, bytes) => match gap {
                        Gap::Untold | Gap::Doubtful => Gap::Told { ahead: block, copied: false },
                        Gap::Told { ahead, .. } => Gap::Told { ahead: ahead.max(block), copied: block <= ahead },
                    },
                    Gap::Told { .. } if rules::is_old(scenario, self, bytes) => Gap::Doubtful,
                    gap => gap,
                };
            }
            Input::Repeat => side.transfer.repeat_answer(),
            Input::Expire => {
                side.now = side.deadline.ok_or("no deadline to come")?;
                side.gap = Gap::Untold;
                let before = (side.transfer.stats().timeouts, side.is_dallying());
                side.transfer.handle_timeout(side.now);
                let has_sender = side.transfer.sender().is_some();
                reaction.paused = has_sender && before == (side.transfer.stats().timeouts, false);
            }
            Input::Answer => side.answer(scenario),
            Input::Cancel => side.transfer.fail(ErrorCode::NotDefined, "cancelled"),
        }
        side.drain(scenario, &mut reaction)?;
        reaction.paused &= side.is_live();
        rules::check(scenario, self, input, bytes, &side, &reaction)?;
        if let Gap::Told { copied, .. } = &mut side.gap {
            // Copies count from the last ACK on.
            *copied &= reaction.sent.is_empty();
        }
        Ok((side, reaction))
    }

    /// A packet of the peer. Answers whether it brought anything.
    fn take(&mut self, scenario: &Scenario, bytes: &[u8]) -> Result<bool, String> {
        let packet = Packet::parse(bytes).map_err(|error| error.to_string())?;
        if !self.is_live() {
            return Ok(self.transfer.handle_packet(self.now, &packet) != Progress::Ignored);
        }
        self.heard = true;
        if let Packet::Ack { block } = packet {
            self.acked = self.acked.max(block);
        }
        match self.transfer.handle_packet(self.now, &packet) {
            Progress::Ignored => Ok(false),
            Progress::Advanced => Ok(true),
            Progress::Data { payload, last } => {
                let file = file(scenario.size);
                if self.committed || self.commit_due {
                    return Err("data after the last block".into());
                }
                if file.get(self.got..self.got + payload.len()) != Some(payload) {
                    return Err(format!("what was received is no prefix of the file (at byte {})", self.got));
                }
                self.got += payload.len();
                if last {
                    if self.got != file.len() {
                        return Err(format!("the file ended after {} of {} bytes", self.got, file.len()));
                    }
                    self.commit_due = true;
                } else if scenario.storage == Storage::Late {
                    self.room_due = true;
                    self.transfer.set_room(self.now, false);
                }
                Ok(true)
            }
        }
    }

    /// Storage answers what it was asked first.
    fn answer(&mut self, scenario: &Scenario) {
        if let Some((offset, len)) = self.read.take() {
            self.transfer.handle_chunk(Piece::read(scenario.size, offset, len));
        } else if std::mem::take(&mut self.room_due) {
            self.transfer.set_room(self.now, true);
        } else if std::mem::take(&mut self.commit_due) {
            self.committed = true;
            self.transfer.committed(self.now);
        }
    }

    /// Takes everything the transfer wants, until it waits.
    fn drain(&mut self, scenario: &Scenario, reaction: &mut Reaction) -> Result<(), String> {
        let mut out = [0; 4096];
        if self.ending.is_some() {
            return Ok(());
        }
        for _ in 0..100 {
            if scenario.storage == Storage::Prompt && self.awaits_storage() {
                self.answer(scenario);
            }
            match self.transfer.poll(self.now, &mut out) {
                TransferAction::Request(options) => {
                    let asking = scenario.asking();
                    let (direction, mode) = (asking.direction, asking.mode);
                    let request = Repr::Request { direction, filename: b"f", mode, options };
                    let len = request.emit(&mut out).map_err(|error| error.to_string())?;
                    reaction.sent.push(out[..len].to_vec());
                }
                TransferAction::Transmit { len, segment_size, .. } => {
                    if len == 0 || segment_size.is_some_and(|size| size == 0 || size >= len) {
                        return Err("an empty transmission, or a train of one".into());
                    }
                    reaction.sent.extend(out[..len].chunks(segment_size.unwrap_or(len)).map(<[u8]>::to_vec));
                }
                TransferAction::Read { offset, len, .. } => {
                    if self.read.replace((offset, len)).is_some() {
                        return Err("two reads at once".into());
                    }
                }
                TransferAction::Wait(deadline) => {
                    self.deadline = deadline;
                    return rules::check_wait(scenario, self, self.now, deadline);
                }
                TransferAction::Ended(ending) => {
                    self.deadline = None;
                    self.ending = Some(ending);
                    return Ok(());
                }
            }
        }
        Err("it never waits".into())
    }
}
