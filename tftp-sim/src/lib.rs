//! A virtual network in virtual time, in which the protocol is tested without a socket and without waiting.
//!
//! * [`network`]: loss, duplication, reordering and delay, all from one seed.
//! * [`pair`]: two [`Transfer`](tftp_proto::transfer::Transfer)s against each other, the smallest world there is.
//! * [`world`]: any number of [`Endpoint`](tftp_proto::endpoint::Endpoint)s, of either role, and peers that a test
//!   moves by hand, with a model of storage behind each endpoint and the invariants checked after every step.
//!
//! Same seed, same trace.
#![forbid(unsafe_code)]

pub mod content;
pub mod network;
pub mod packet;
pub mod pair;
