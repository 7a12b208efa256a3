//! How transfers and endpoints come to their end.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::action::TransferId;
use super::command::Shutdown;
use super::demux::Network;
use super::entry::{Phase, Side};
use super::event::{Event, Outcome};
use super::tombstones::{Answer, Epitaph};
use super::{Endpoint, Reply};
use crate::Instant;
use crate::wire::ErrorCode;

/// How long a shutdown waits for storage to let go of transfers that have ended.
const STORAGE_PATIENCE: Duration = Duration::from_secs(5);

/// An endpoint that accepts nothing new.
#[derive(Debug)]
pub(super) struct ShutdownState {
    how: Shutdown,
    /// Once only storage is waited for: until when.
    storage_patience: Option<Instant>,
}

impl Endpoint {
    /// The one place where a transfer ends: reports it, frees its places, and lets storage go.
    pub(super) fn conclude(&mut self, now: Instant, index: usize, outcome: Outcome) {
        let Some(entry) = self.table.get_mut(index) else { return };
        if matches!(entry.phase, Phase::Closing) {
            return;
        }
        // Copies of what the peer said may still be under way.
        let took_part = outcome.is_success() || matches!(outcome, Outcome::PeerError { .. }) || entry.is_proved();
        let epitaph = entry.epitaph.take().or_else(|| took_part.then_some(Epitaph::Silence));
        self.events.push_back(Event::Finished(Box::new(entry.report(now, outcome))));
        entry.phase = Phase::Closing;
        self.closing += 1;
        // A job that was not issued yet is not wanted any more.
        entry.storage.due = None;
        let peer = entry.key();
        let until = match epitaph {
            Some(Epitaph::Dallying(dally)) => dally.until(),
            _ => now + self.config.timing.dally,
        };
        if let Some(epitaph) = epitaph {
            self.tombstones.insert(entry.socket, entry.peer, entry.local_ip, epitaph, until);
            if let (Epitaph::Dallying(_), Side::Server { .. }) = (&epitaph, &entry.side) {
                self.tombstones.remember(now, entry.socket, peer, entry.request.clone());
            }
        }
        match &entry.side {
            Side::Server { group } => {
                self.arrivals.remove(entry);
                self.servers.end(*group, peer, entry.socket, index);
                self.config.admission.release_transfer(Network::new(peer));
            }
            Side::Client { request, .. } => {
                for (socket, _) in &request.servers {
                    self.clients.remove(socket);
                }
            }
        }
        self.settle(index);
    }

    /// Ends a transfer from our side: the peer gets ERROR 0, the outcome is [`Outcome::Cancelled`]. A transfer that has
    /// ended, or whose file is being committed, is not touched.
    pub fn cancel(&mut self, now: Instant, id: TransferId) {
        self.end_early(now, id, "transfer cancelled", Outcome::Cancelled);
    }

    fn end_early(&mut self, now: Instant, id: TransferId, message: &'static str, outcome: Outcome) {
        let index = id.index as usize;
        let Some(entry) = self.table.get_mut(index).filter(|entry| entry.id == id) else { return };
        match entry.phase {
            Phase::Closing => {}
            Phase::Active(_) => {
                entry.fail(now, ErrorCode::NotDefined, message, outcome);
                self.make_ready(index);
            }
            Phase::Opening => {
                self.replies.push_back(Reply {
                    socket: entry.socket,
                    peer: entry.peer,
                    local_ip: entry.local_ip,
                    answer: Answer::Error(ErrorCode::NotDefined, message),
                });
                self.conclude(now, index, outcome);
            }
        }
    }

    /// Brings the endpoint to its end: [`Action::Finished`](super::Action::Finished) comes when everything has ended.
    /// Storage that does not let go of an ended transfer is waited for, but not longer than 5 s.
    ///
    /// [`Shutdown::Immediate`] may follow [`Shutdown::Graceful`]; nothing takes back what was said before.
    pub fn shutdown(&mut self, now: Instant, how: Shutdown) {
        let state = self.shutdown.get_or_insert(ShutdownState { how, storage_patience: None });
        if how == Shutdown::Immediate {
            state.how = how;
            for id in self.all_ids() {
                self.end_early(now, id, "shutting down", Outcome::ShutDown);
            }
        }
    }

    /// Reports the transfers whose commit has outlasted the patience of a shutdown. Whether their files appear is not
    /// known; no final ACK was sent. `false`: there is none.
    pub(super) fn abandon(&mut self, now: Instant) -> bool {
        let hanging = self.table.len() > self.closing;
        for id in if hanging { self.all_ids() } else { Vec::new() } {
            self.conclude(now, id.index as usize, Outcome::ShutDown);
        }
        hanging
    }

    /// When a shutdown is complete, as far as that is known: last answers are repeated for long enough, and storage that
    /// hangs was waited for.
    pub(super) fn shutdown_deadline(&mut self, now: Instant) -> Option<Instant> {
        let state = self.shutdown.as_mut()?;
        // After an immediate shutdown all that can still be under way is a commit, and that may hang, too.
        if self.table.len() > self.closing && state.how == Shutdown::Graceful {
            return None;
        }
        if !self.table.is_empty() {
            return Some(*state.storage_patience.get_or_insert(now + STORAGE_PATIENCE));
        }
        let dallying = self.tombstones.enough().filter(|_| state.how == Shutdown::Graceful);
        Some(dallying.unwrap_or(now))
    }
}

impl Drop for Endpoint {
    /// Gives back what transfers still have of the limits: other endpoints may share them.
    fn drop(&mut self) {
        for (_, entry) in &self.table {
            if entry.storage.holds_opening {
                self.config.admission.release_opening();
            }
            if matches!(entry.side, Side::Server { .. }) && !matches!(entry.phase, Phase::Closing) {
                self.config.admission.release_transfer(Network::new(entry.key()));
            }
        }
    }
}
