//! Control of a server that runs.

use std::fmt;
use std::sync::Arc;

use futures_channel::mpsc::UnboundedSender;
use tftp_proto::endpoint::{Admission, Shutdown};

use crate::bridge::Command;

/// Controls a [`Server`](super::Server) from anywhere, with all its event loops. Cheap to clone; does not keep the
/// server alive.
#[derive(Clone)]
pub struct ServerHandle {
    /// One for each event loop.
    pub(super) commands: Arc<[UnboundedSender<Command>]>,
    pub(super) admission: Arc<Admission>,
}

impl ServerHandle {
    /// Takes no new requests and lets the transfers in progress end; the server's future ends with the last of them, and
    /// never if that one is a [commit](crate::storage::Writer::commit) that never ends: follow with [`stop`](Self::stop) after
    /// a deadline of your own. No effect on a server that has ended.
    pub fn shutdown(&self) {
        self.send(Shutdown::Graceful);
    }

    /// Ends every transfer with an ERROR packet and aborts the uploads; the server's future ends once they are cleaned
    /// up. A commit that has begun is awaited. Storage that hangs holds up the end for some seconds, not for ever. No
    /// effect on a server that has ended.
    pub fn stop(&self) {
        self.send(Shutdown::Immediate);
    }

    /// Transfers in progress; 0 once the server's future has ended or was dropped.
    #[must_use]
    pub fn active_transfers(&self) -> usize {
        self.admission.transfers()
    }

    fn send(&self, how: Shutdown) {
        for commands in &*self.commands {
            // Fails only if the server is gone, and then there is nothing left to shut down.
            let _ = commands.unbounded_send(Command::Shutdown(how));
        }
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("active_transfers", &self.active_transfers()).finish()
    }
}
