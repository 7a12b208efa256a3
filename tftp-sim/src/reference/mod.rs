//! TFTP once more: a second, simple statement of what a server may and must send, to compare the endpoint with.
//!
//! It shares no code with `tftp-proto`: it reads packets, negotiates, numbers blocks and counts time by itself. It sends
//! nothing. It is told what a server hears from peers and from storage, and judges everything that leaves: a datagram that
//! it does not expect is an error, and so is one that it expects and that does not come. Where the protocol leaves a
//! choice, as in when to send again, it knows bounds and not moments.
//!
//! What it does not know: pacing (a window leaves at once), single-port mode, two writers of one file, limits on how much
//! is served, shutting down. Those are tested elsewhere.

mod clock;
mod options;
mod receiving;
mod sending;
mod server;
mod text;
mod transfer;
mod wire;

pub use server::{Answer, Server};
pub use text::{decoded, encoded};
pub use transfer::End;

/// Microseconds.
pub type Time = u64;

const SECOND: Time = 1_000_000;
