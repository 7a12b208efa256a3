//! What a client's endpoint has told, kept for its owner to look at.

use tftp_proto::endpoint::{Event, Report};
use tftp_proto::negotiate::Parameters;

use crate::bridge::Listener;

/// Takes every event of a single transfer.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Once the server has answered.
    pub(super) parameters: Option<Parameters>,
    /// Once the transfer has ended.
    pub(super) report: Option<Box<Report>>,
}

impl Listener for Notes {
    /// There is something new to look at.
    type Event = ();

    fn hear(&mut self, event: Event) -> Option<()> {
        match event {
            Event::Established { parameters, .. } => self.parameters = Some(parameters),
            Event::Finished(report) => self.report = Some(report),
            // Limits are a server's.
            _ => return None,
        }
        Some(())
    }
}
