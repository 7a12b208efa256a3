//! Where an endpoint's events go.

use tftp_proto::endpoint::Event;

/// Hears every event first.
pub(crate) trait Listener {
    /// What is left for the owner of the loop.
    type Event;

    /// Takes an event, or passes it on.
    fn hear(&mut self, event: Event) -> Option<Self::Event>;
}

/// Passes on everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassOn;

impl Listener for PassOn {
    type Event = Event;

    fn hear(&mut self, event: Event) -> Option<Event> {
        Some(event)
    }
}
