//! The invariants of one endpoint: what must hold after every step, and at the end.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tftp_proto::endpoint::{Event, Job, Report, TransferId, Transmit};
use tftp_proto::wire::Packet;

use crate::packet::{describe, opcode};

/// What an endpoint has promised and not yet kept.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Transfers that were opened or started and have not finished.
    owed: BTreeSet<TransferId>,
    finished: BTreeSet<TransferId>,
    ended: BTreeSet<TransferId>,
    reports: Vec<Report>,
    events: Vec<Event>,
}

impl Ledger {
    /// A client's transfer was started.
    pub fn note_start(&mut self, id: TransferId) {
        assert!(self.owed.insert(id), "{id:?} was given twice");
    }

    /// A job was asked for.
    ///
    /// # Panics
    ///
    /// If a file is opened under an identifier that was used before, or a second end follows the first.
    pub fn note_job(&mut self, id: TransferId, job: &Job) {
        match job {
            Job::OpenRead(_) | Job::OpenWrite(_) => {
                assert!(!self.ended.contains(&id), "{id:?} opens again after its end");
                self.owed.insert(id);
            }
            Job::Commit | Job::Abort | Job::Close => {
                assert!(self.ended.insert(id), "{id:?} ends twice: {job:?}");
            }
            Job::Read { .. } | Job::Write { .. } => {
                assert!(!self.ended.contains(&id), "{id:?} goes on after its end: {job:?}");
            }
        }
    }

    /// An event was told.
    ///
    /// # Panics
    ///
    /// If a transfer finishes twice, or settles its parameters after its end.
    pub fn note_event(&mut self, event: Event) {
        match &event {
            Event::Finished(report) => {
                assert!(self.finished.insert(report.id), "{:?} finished twice", report.id);
                self.owed.remove(&report.id);
                self.reports.push(Report::clone(report));
            }
            Event::Established { id, .. } => {
                assert!(!self.finished.contains(id), "{id:?} is established after its end");
            }
            _ => {}
        }
        self.events.push(event);
    }

    /// Checks datagrams about to leave. `error_from`: who has just sent an ERROR, to whom nothing may go but a new
    /// request.
    ///
    /// # Panics
    ///
    /// If they must not leave.
    pub fn check_transmit(transmit: &Transmit, bytes: &[u8], error_from: Option<SocketAddr>) {
        let Transmit { peer, segment_size, .. } = *transmit;
        assert!(!bytes.is_empty(), "an empty transmission to {peer}");
        assert_ne!(peer.port(), 0, "a transmission to port 0");
        assert!(!peer.ip().is_multicast() && !peer.ip().is_unspecified(), "a transmission to {peer}");
        assert!(peer.ip() != std::net::Ipv4Addr::BROADCAST, "a transmission to {peer}");
        assert!(segment_size.is_none_or(|size| size > 0 && size < bytes.len()), "a train of one");
        for datagram in bytes.chunks(segment_size.unwrap_or(bytes.len())) {
            assert!(Packet::parse(datagram).is_ok(), "not a packet: {datagram:?}");
            let is_request = matches!(opcode(datagram), Some(1 | 2));
            assert!(error_from != Some(peer) || is_request, "{} in answer to an ERROR", describe(datagram));
            // No inside of the server in an error text.
            let tells = opcode(datagram) == Some(5) && datagram.windows(7).any(|part| part == b"/secret");
            assert!(!tells, "a path of the server leaves");
        }
    }

    /// Transfers that were opened or started and have not told their end.
    pub fn owed(&self) -> impl Iterator<Item = TransferId> + '_ {
        self.owed.iter().copied()
    }

    /// How the transfers ended, in that order.
    #[must_use]
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Every event so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}
