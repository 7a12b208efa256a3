//! One turn of one transfer: its next datagram, its next job, its next deadline.

use super::action::{Action, Job};
use super::demux::PeerKey;
use super::entry::{JobKind, Phase, Running, Side};
use super::event::{Event, Outcome, RefusedReason};
use super::inbox::{Gather, Inbox};
use super::timers::earlier;
use super::tombstones::Epitaph;
use super::{Endpoint, Ignored};
use crate::Instant;
use crate::transfer::{Ending, Progress, Transfer, TransferAction};
use crate::wire::{ErrorCode, Packet, Repr};

/// So much of a peer's ERROR text is kept, in bytes.
const MAX_MESSAGE: usize = 512;

impl Endpoint {
    /// A packet of a transfer's peer.
    pub(super) fn deliver(&mut self, now: Instant, index: usize, packet: &Packet<'_>) -> Result<(), Ignored> {
        let Some(entry) = self.table.get_mut(index) else { return Err(Ignored::Stray) };
        if let Packet::Error { message, code } = *packet {
            let text = message.get(..message.len().min(MAX_MESSAGE)).unwrap_or_default();
            match entry.phase {
                Phase::Opening => {
                    self.conclude(now, index, Outcome::PeerError { code, message: text.into() });
                    return Ok(());
                }
                Phase::Active(_) => entry.peer_message = text.into(),
                Phase::Closing => return Err(Ignored::Stray),
            }
        }
        let Phase::Active(transfer) = &mut entry.phase else { return Err(Ignored::NothingNew) };
        let agreed = transfer.parameters().is_some();
        let was_sent_once = transfer.measures_round_trip();
        let progress = transfer.handle_packet(now, packet);
        if let Some(asked) = entry.asked
            && answers_all(&progress, transfer)
        {
            entry.asked = None;
            // Which copy is answered is not known (Karn).
            if was_sent_once {
                self.crowd.answered(asked, entry.id.index);
            }
        }
        if let Some(sender) = transfer.sender() {
            entry.acknowledged = sender.bytes_acknowledged();
        }
        if let Some(pace) = transfer.take_pace()
            && let Side::Server { .. } = entry.side
        {
            self.paths.insert(now, PeerKey::new(entry.peer), pace);
        }
        if !agreed && let Some(parameters) = transfer.parameters().copied() {
            self.established(now, index, &parameters);
        }
        match progress {
            Progress::Ignored => return Err(Ignored::NothingNew),
            Progress::Advanced => {}
            Progress::Data { payload, last } => self.take_data(now, index, payload, last),
        }
        self.make_ready(index);
        Ok(())
    }

    /// The parameters of a transfer are settled.
    pub(super) fn established(&mut self, now: Instant, index: usize, parameters: &crate::negotiate::Parameters) {
        let Some(entry) = self.table.get_mut(index) else { return };
        let (limit, gather) = match &entry.side {
            Side::Server { .. } => (self.config.max_upload, Gather::Ahead),
            Side::Client { request, .. } => (request.max_size, Gather::UpTo(request.gather)),
        };
        if entry.writes_storage() {
            entry.inbox = Some(Inbox::new(parameters, limit, gather));
        }
        self.events.push_back(Event::Established { id: entry.id, parameters: *parameters });
        let announced = parameters.transfer_size.filter(|_| parameters.mode == crate::wire::Mode::Octet);
        //= rfc2349#transfer-size-option-specification
        //# If the file is too large for the client to handle, it may abort the transfer with an Error packet (error
        //# code 3).
        if entry.writes_storage() && announced.is_some_and(|size| size > limit) {
            entry.refuse_too_large(now);
        }
    }

    fn take_data(&mut self, now: Instant, index: usize, payload: &[u8], last: bool) {
        let share = self.buffer_share();
        let Some(entry) = self.table.get_mut(index) else { return };
        let Some(inbox) = &mut entry.inbox else { return };
        let fits = inbox.push(payload, last);
        let room = inbox.has_room(share);
        if fits.is_err() {
            entry.refuse_too_large(now);
        } else if let Some(transfer) = entry.transfer() {
            transfer.set_room(now, room);
        }
    }

    /// A transfer's deadline has come.
    pub(super) fn wake(&mut self, now: Instant, index: usize) {
        let active = self.active_transfers();
        let Some(entry) = self.table.get_mut(index) else { return };
        if let Phase::Active(transfer) = &mut entry.phase {
            let patience = entry.asked.and_then(|asked| self.crowd.patience(now, asked, active));
            if !patience.is_some_and(|latest| transfer.wait_on(now, latest)) {
                transfer.handle_timeout(now);
            }
        }
        if entry.storage_deadline(self.config.storage_timeout).is_some_and(|deadline| deadline <= now) {
            self.storage_stalled(now, index);
        }
        self.make_ready(index);
    }

    /// The next action of a transfer, if it has one. It goes to the end of the queue if there may be more.
    pub(super) fn step(&mut self, now: Instant, index: usize, out: &mut [u8], least: usize) -> Option<Action> {
        let allowance = self.chunk_share();
        let entry = self.table.get_mut(index)?;
        entry.queued = false;
        if let Phase::Active(transfer) = &mut entry.phase {
            // What a client sends may come from a stream: nobody but us would hold it then.
            if let Side::Server { .. } = entry.side {
                transfer.set_allowance(allowance);
            }
            match transfer.poll_vectored(now, out, least) {
                TransferAction::Transmit { len, segment_size, body } => {
                    entry.asked = Some(self.crowd.ask(now));
                    let transmit = entry.transmit(len, segment_size, body);
                    self.make_ready(index);
                    return Some(Action::Transmit(transmit));
                }
                TransferAction::Request(options) => {
                    let request = &entry.request;
                    let repr = Repr::Request {
                        direction: request.direction,
                        filename: &request.filename,
                        mode: request.mode,
                        options,
                    };
                    let len = repr.emit(out).unwrap_or(0);
                    let transmit = entry.transmit(len, None, None);
                    self.make_ready(index);
                    return Some(Action::Transmit(transmit));
                }
                TransferAction::Read { offset, len, keep } => {
                    entry.storage.due = Some(Job::Read { offset, len, keep });
                }
                TransferAction::Wait(deadline) => {
                    entry.wake = deadline;
                    if let Some(dally) = transfer.receiver().and_then(crate::transfer::Receiver::dally) {
                        entry.epitaph = Some(Epitaph::Dallying(dally));
                        self.conclude(now, index, Outcome::Completed);
                        return None;
                    }
                }
                TransferAction::Ended(ending) => {
                    self.handle_ending(now, index, ending);
                    return None;
                }
            }
        }
        let action = self.next_job(now, index);
        if action.is_some() {
            self.make_ready(index);
        } else {
            self.arm(index);
        }
        action
    }

    /// Sets the timer of a transfer that has nothing to do until then.
    fn arm(&mut self, index: usize) {
        let Some(entry) = self.table.get_mut(index) else { return };
        let wake = match entry.phase {
            Phase::Active(_) => entry.wake,
            Phase::Opening | Phase::Closing => None,
        };
        let deadline = earlier(wake, entry.storage_deadline(self.config.storage_timeout));
        self.timers.set(&mut entry.timer, entry.id, deadline);
    }

    /// The job to issue now, if storage is free for one.
    fn next_job(&mut self, now: Instant, index: usize) -> Option<Action> {
        let entry = self.table.get_mut(index)?;
        if entry.storage.running.is_some() {
            return None;
        }
        let job = match entry.storage.due.take() {
            Some(job) => job,
            None => {
                if !matches!(entry.phase, Phase::Active(_)) || entry.verdict.is_some() {
                    return None;
                }
                let inbox = entry.inbox.as_mut()?;
                match inbox.next_write() {
                    Some((offset, bytes)) => Job::Write { offset, bytes },
                    None if inbox.is_drained() && entry.storage.open => Job::Commit,
                    None => return None,
                }
            }
        };
        entry.storage.running = Some(Running { kind: JobKind::of(&job), since: now });
        Some(Action::Job(entry.id, job))
    }

    /// The state machine of a transfer has come to its end.
    fn handle_ending(&mut self, now: Instant, index: usize, ending: Ending) {
        let Some(entry) = self.table.get_mut(index) else { return };
        let outcome = match ending {
            Ending::Completed => Outcome::Completed,
            Ending::DeliveredUnconfirmed => Outcome::DeliveredUnconfirmed,
            Ending::SizeProbe => Outcome::SizeProbe,
            Ending::PeerError(code) => Outcome::PeerError { code, message: core::mem::take(&mut entry.peer_message) },
            Ending::TimedOut => {
                if self.ask_next_server(now, index) {
                    return;
                }
                Outcome::TimedOut
            }
            Ending::Abandoned(breach) => {
                Outcome::Refused { code: ErrorCode::IllegalOperation, reason: RefusedReason::Illegal(breach) }
            }
            Ending::Refused(refusal) => {
                Outcome::Refused { code: ErrorCode::OptionNegotiation, reason: RefusedReason::Oack(refusal) }
            }
            Ending::Failed => entry.verdict.take().unwrap_or(Outcome::Cancelled),
        };
        self.conclude(now, index, outcome);
    }
}

/// Whether a packet with this result answers everything that its peer was sent.
fn answers_all<C: AsRef<[u8]>>(progress: &Progress<'_>, transfer: &Transfer<C>) -> bool {
    match progress {
        Progress::Data { .. } => true,
        Progress::Advanced => transfer.sender().is_some() && !transfer.has_unacknowledged(),
        Progress::Ignored => false,
    }
}
