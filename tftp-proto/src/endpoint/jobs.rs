//! Answers of storage.

use alloc::boxed::Box;
use core::time::Duration;

use super::action::{FailureKind, Job, JobResult, StorageFailure, TransferId};
use super::entry::{JobKind, Phase, Running, Side};
use super::event::Outcome;
use super::tombstones::Answer;
use super::{Endpoint, Reply};
use crate::Instant;
use crate::negotiate::grant;
use crate::transfer::Transfer;
use crate::wire::{Direction, ErrorCode, MIN_BLOCK_SIZE};

/// A writer that is silent for so long yields to another request from its own host (a switch that was reset).
const YIELD_AFTER: Duration = Duration::from_secs(3);

/// The largest block that fits into an Ethernet frame over IPv4, in bytes. It is granted however many transfers there are.
pub(super) const ETHERNET_BLOCK: u16 = 1468;

/// The smallest read, in bytes.
const MIN_READ: usize = 4 << 10;
/// What all transfers together may read beyond their windows, in bytes.
const READ_AHEAD: usize = 4 << 20;
/// The part of the budget for chunks that wait for an acknowledgement.
const WAITING: usize = 16;
/// The largest read, in bytes.
const MAX_READ: usize = 64 << 10;

/// What a client hears whose file another one writes: who comes too late, and who has to yield.
const WRITTEN_BY_ANOTHER: (ErrorCode, &str) = (ErrorCode::AccessViolation, "file is being written by another client");

impl StorageFailure {
    /// What the peer is told. Nothing of the server's inside is in it.
    fn told(&self) -> (ErrorCode, &'static str) {
        match self.kind {
            FailureKind::NotFound => (ErrorCode::FileNotFound, "file not found"),
            //= rfc1123#section-4.2.3.4
            //# configurable access control
            FailureKind::AccessDenied => (ErrorCode::AccessViolation, "access denied"),
            FailureKind::InvalidName => (ErrorCode::AccessViolation, "invalid file name"),
            FailureKind::Full => (ErrorCode::DiskFull, "disk full or file too large"),
            FailureKind::OverQuota => (ErrorCode::DiskFull, "quota exceeded"),
            FailureKind::AlreadyExists => (ErrorCode::FileAlreadyExists, "file already exists"),
            FailureKind::Busy { .. } => WRITTEN_BY_ANOTHER,
            FailureKind::Changed => (ErrorCode::NotDefined, "file changed while it was read"),
            FailureKind::Exhausted | FailureKind::Other => (ErrorCode::NotDefined, "storage failed"),
        }
    }

    fn into_outcome(self) -> Outcome {
        Outcome::StorageFailed { kind: self.kind, code: self.told().0, detail: self.detail }
    }
}

impl Endpoint {
    /// Storage has answered a job.
    pub fn handle_job(&mut self, now: Instant, id: TransferId, result: JobResult) {
        let index = id.index as usize;
        let share = self.buffer_share();
        let Some(entry) = self.table.get_mut(index).filter(|entry| entry.id == id) else { return };
        let Some(Running { kind, since }) = entry.storage.running.take() else { return };
        match (kind, result) {
            (JobKind::Open, JobResult::Opened { size }) => {
                entry.storage.open = true;
                self.release_opening(index);
                self.opened(now, index, size);
            }
            (JobKind::Open, JobResult::Failed(failure)) => self.open_failed(now, index, failure),
            (JobKind::Read { offset, len }, JobResult::Read(bytes)) => {
                if let Some(failure) = entry.differs_from_its_size(offset, len, bytes.len()) {
                    self.job_failed(now, index, failure);
                } else {
                    if let Some(transfer) = entry.transfer() {
                        transfer.handle_chunk(bytes);
                    }
                    self.hasten(index);
                }
            }
            (JobKind::Write, JobResult::Written) => {
                if let Some(inbox) = &mut entry.inbox {
                    inbox.write_done();
                    let room = inbox.has_room(share);
                    if let Some(transfer) = entry.transfer() {
                        transfer.set_room(now, room);
                    }
                }
            }
            (JobKind::Commit, JobResult::Committed) => {
                entry.storage.open = false;
                entry.commit_time = Some(now - since);
                if let Some(transfer) = entry.transfer() {
                    transfer.committed(now);
                }
            }
            (JobKind::Commit, JobResult::Failed(failure)) => {
                entry.storage.open = false;
                entry.commit_time = Some(now - since);
                self.job_failed(now, index, failure);
            }
            (JobKind::Close, _) => entry.storage.open = false,
            (JobKind::Read { .. } | JobKind::Write, JobResult::Failed(failure)) => self.job_failed(now, index, failure),
            (JobKind::Open | JobKind::Read { .. } | JobKind::Write | JobKind::Commit, _) => {
                let failure = StorageFailure::new(FailureKind::Other, "storage gave an answer of another kind");
                match kind {
                    JobKind::Open => self.open_failed(now, index, failure),
                    JobKind::Read { .. } | JobKind::Write | JobKind::Commit | JobKind::Close => {
                        self.job_failed(now, index, failure);
                    }
                }
            }
        }
        self.settle(index);
        self.make_ready(index);
    }

    /// The file of a request is open: negotiate and begin. If the request was dropped meanwhile, nothing begins.
    fn opened(&mut self, now: Instant, index: usize, size: Option<u64>) {
        let seed = self.rng.next_u64();
        let share = self.buffer_share();
        // A small window is read for many turns ahead, while there are few transfers to do it for.
        let ahead = (READ_AHEAD / self.table.len().max(1)).clamp(MIN_READ, MAX_READ);
        let Some(entry) = self.table.get_mut(index) else { return };
        if !matches!(entry.phase, Phase::Opening) {
            return;
        }
        let request = &entry.request;
        let mut policy = self.config.options;
        // What is granted is fixed, so a budget can only act here. Two blocks, and two windows, may be held.
        let bearable_block = u16::try_from(share / 2).unwrap_or(u16::MAX).max(ETHERNET_BLOCK);
        policy.max_block_size = policy.max_block_size.clamp(MIN_BLOCK_SIZE, bearable_block);
        let block = request.options.block_size.unwrap_or(512).min(policy.max_block_size);
        let affordable = u16::try_from(share / (2 * usize::from(block))).unwrap_or(u16::MAX).max(1);
        let bearable = entry.recognised.map_or(u16::MAX, |known| known.window(block));
        policy.max_window = policy.max_window.min(affordable).min(bearable);
        let granted = grant(&request.options, request.direction, request.mode, &policy, size);
        let parameters = granted.1;
        let timing = self.config.timing;
        let transfer = match request.direction {
            Direction::Read => {
                let window = usize::from(parameters.block_size) * usize::from(parameters.window_size);
                let block = usize::from(parameters.block_size);
                let longest = (share / 2).clamp(MIN_READ, MAX_READ);
                let read_size = window.max(ahead).min(longest) / block * block;
                let known = self.paths.get(now, entry.key());
                let transfer =
                    Transfer::serve_read(now, granted, timing, read_size, seed).with_pacing(self.config.pacing, known);
                // Where copies find room.
                let hurries = entry.recognised.is_some_and(|known| known.window(parameters.block_size) > 1);
                if hurries { transfer.in_a_hurry() } else { transfer }
            }
            Direction::Write => Transfer::serve_write(now, granted, timing, seed),
        };
        entry.phase = Phase::Active(Box::new(transfer));
        self.arrivals.answer(entry);
        self.established(now, index, &parameters);
    }

    /// The bytes that each transfer may hold, by the budget for all.
    pub(super) fn buffer_share(&self) -> usize {
        self.config.buffer_budget / self.table.len().max(1)
    }

    /// The bytes of a file that each transfer may hold while it waits. A small read may always stay, for it is cheaper than
    /// the next one.
    pub(super) fn chunk_share(&self) -> usize {
        (self.buffer_share() / WAITING).max(MIN_READ)
    }

    fn open_failed(&mut self, now: Instant, index: usize, failure: StorageFailure) {
        if let FailureKind::Busy { owner } = failure.kind
            && self.wait_for_writer(now, index, TransferId::from_u64(owner))
        {
            return;
        }
        self.release_opening(index);
        let Some(entry) = self.table.get(index) else { return };
        if matches!(entry.phase, Phase::Opening) {
            let is_exhausted = failure.kind == FailureKind::Exhausted;
            if !is_exhausted {
                let (code, message) = failure.told();
                self.replies.push_back(Reply {
                    socket: entry.socket,
                    peer: entry.peer,
                    local_ip: entry.local_ip,
                    answer: Answer::Error(code, message),
                });
            }
            self.conclude(now, index, failure.into_outcome());
            if is_exhausted {
                // As at any other limit: silence, for the client will ask again, and room for when it does.
                self.evict(now, None);
            }
        }
    }

    /// Another transfer is writing the file. If that one has to yield, the newcomer waits until it has let go.
    fn wait_for_writer(&mut self, now: Instant, index: usize, owner: TransferId) -> bool {
        let Some(newcomer) = self.table.get_mut(index).filter(|entry| matches!(entry.phase, Phase::Opening)) else {
            return false;
        };
        let (id, host) = (newcomer.id, newcomer.key().ip);
        if owner == id {
            return false;
        }
        let owner_index = owner.index as usize;
        let Some(holder) = self.table.get_mut(owner_index).filter(|entry| entry.id == owner) else {
            // It let go while this answer was on its way: ask once more. A writer of another endpoint stays.
            let Some(newcomer) = self.table.get_mut(index) else { return false };
            if core::mem::replace(&mut newcomer.storage.reopened, true) {
                return false;
            }
            newcomer.storage.due = Some(newcomer.open_job());
            return true;
        };
        let yields = match &holder.phase {
            Phase::Closing => true,
            Phase::Opening => false,
            Phase::Active(_) if holder.storage.is_committing() => false,
            Phase::Active(_) => !holder.is_proved() || (holder.silence(now) >= YIELD_AFTER && holder.key().ip == host),
        };
        if !yields {
            return false;
        }
        holder.waiters.push(id);
        if !matches!(holder.phase, Phase::Closing) {
            let (code, message) = WRITTEN_BY_ANOTHER;
            holder.fail(now, code, message, Outcome::Yielded);
            self.make_ready(owner_index);
        }
        true
    }

    /// A job of a running transfer failed.
    fn job_failed(&mut self, now: Instant, index: usize, failure: StorageFailure) {
        let Some(entry) = self.table.get_mut(index) else { return };
        let (code, message) = failure.told();
        entry.fail(now, code, message, failure.into_outcome());
    }

    /// Storage has not answered for too long.
    pub(super) fn storage_stalled(&mut self, now: Instant, index: usize) {
        let failure = StorageFailure::new(FailureKind::Other, "storage did not answer in time");
        match self.table.get(index).map(|entry| &entry.phase) {
            Some(Phase::Opening) => self.open_failed(now, index, failure),
            Some(Phase::Active(_)) => self.job_failed(now, index, failure),
            Some(Phase::Closing) | None => {}
        }
    }

    /// Of a transfer that has ended, storage may still hold a file: let it go, and then forget the transfer.
    pub(super) fn settle(&mut self, index: usize) {
        let Some(entry) = self.table.get_mut(index) else { return };
        if !matches!(entry.phase, Phase::Closing) || entry.storage.running.is_some() {
            return;
        }
        if entry.storage.open {
            entry.storage.due = Some(if entry.writes_storage() { Job::Abort } else { Job::Close });
            self.make_ready(index);
            return;
        }
        self.release_opening(index);
        let Some(entry) = self.table.try_remove(index) else { return };
        self.closing -= 1;
        for waiter in entry.waiters {
            let Some(waiting) = self.table.get_mut(waiter.index as usize).filter(|entry| entry.id == waiter) else {
                continue;
            };
            // As long as it waits it has nothing else to do.
            waiting.storage.due = Some(waiting.open_job());
            self.make_ready(waiter.index as usize);
        }
    }

    /// Gives back the place among the files being opened, if the transfer still has it.
    fn release_opening(&mut self, index: usize) {
        if let Some(entry) = self.table.get_mut(index)
            && core::mem::take(&mut entry.storage.holds_opening)
        {
            self.config.admission.release_opening();
        }
    }
}

impl super::entry::Entry {
    /// Ends an upload or download that is larger than allowed.
    pub(super) fn refuse_too_large(&mut self, now: Instant) {
        let code = ErrorCode::DiskFull;
        let outcome = Outcome::Refused { code, reason: super::RefusedReason::TooLarge };
        self.fail(now, code, "file too large", outcome);
    }

    /// Why these bytes cannot be of the file that was opened: it ends before the size that storage announced, or goes on
    /// behind it. Who was told the size would take a part for the whole. A client's own file was announced by its owner.
    fn differs_from_its_size(&self, offset: u64, asked: usize, got: usize) -> Option<StorageFailure> {
        let (Side::Server { .. }, Phase::Active(transfer)) = (&self.side, &self.phase) else { return None };
        let size = transfer.parameters()?.transfer_size?;
        let end = offset.saturating_add(got as u64);
        let expected = size.min(offset.saturating_add(asked as u64));
        let detail = if end > size.max(offset) {
            alloc::format!("the file goes on behind the {size} bytes that it was said to have")
        } else if end < expected {
            alloc::format!("the file ended after {end} of the {size} bytes that it was said to have")
        } else {
            return None;
        };
        Some(StorageFailure::new(FailureKind::Changed, detail))
    }

    /// When the running job has taken too long. A commit may take its time, and so may a client's own storage.
    pub(super) fn storage_deadline(&self, timeout: Duration) -> Option<Instant> {
        let since = match self.storage.running {
            Some(Running { kind: JobKind::Open | JobKind::Read { .. } | JobKind::Write, since }) => since,
            Some(Running { kind: JobKind::Commit | JobKind::Close, .. }) => return None,
            // It waits for another writer to let go.
            None if matches!(self.phase, Phase::Opening) => self.started,
            None => return None,
        };
        let ours = matches!(self.side, Side::Server { .. });
        let ended = matches!(self.phase, Phase::Closing) || self.verdict.is_some();
        (ours && !ended).then(|| since + timeout)
    }
}
