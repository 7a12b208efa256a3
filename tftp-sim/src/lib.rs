//! A virtual network in virtual time, in which the protocol is tested without a socket and without waiting.
//!
//! * [`network`]: loss, duplication, reordering and delay, all from one seed.
//! * [`pair`]: two [`Transfer`](tftp_proto::transfer::Transfer)s against each other, the smallest world there is.
//! * [`world`]: any number of [`Endpoint`](tftp_proto::endpoint::Endpoint)s, of either role, and peers that a test
//!   moves by hand, with a model of storage ([`store`]) behind each endpoint and the invariants ([`ledger`]) checked
//!   after every step.
//! * [`model`]: two [`Transfer`](tftp_proto::transfer::Transfer)s in every way in which they can go: a search.
//! * [`mod@bench`]: one endpoint on a network that loses nothing and takes no time, for tests that are a dialogue.
//! * [`mod@reference`]: the protocol once more, to compare an endpoint with.
//! * [`weak`]: one transfer to a receiver that is weaker than its network.
//! * [`mod@sendmsg`]: datagrams from their pieces.
//! * [`golden`]: tables of figures, kept beside the tests.
//!
//! Same seed, same trace.
#![forbid(unsafe_code)]

pub mod bench;
pub mod captures;
pub mod content;
pub mod fuzzing;
pub mod golden;
pub mod ledger;
pub mod model;
pub mod network;
pub mod node;
pub mod packet;
pub mod pair;
pub mod reference;
pub mod sendmsg;
pub mod store;
pub mod trace;
pub mod weak;
pub mod world;

/// So many milliseconds.
#[must_use]
pub const fn ms(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}
