//! Exhaustive search: every way in which a small transfer can go, with the real state machines on both sides.
//!
//! A client's and a server's [`Transfer`](tftp_proto::transfer::Transfer) (negotiation, sender, receiver, retries) are
//! joined by a network that may lose, repeat and reorder datagrams and by timers that may run out at any moment, within
//! the bounds of a [`Scenario`]. Every state that can be reached is visited once.
//!
//! * `side`: one state machine and its owner, with a clock of its own; `rules` says what each step may do.
//! * `canonical`: when two states of a side are the same: time relative, counters left out.
//! * `automaton`: every step of a side is worked out once, so that the search over pairs of sides is a matter of numbers.
//! * `transition`: the network, timers and owners: what can happen next.
//! * `timed`: one clock for all, and every fault or pair of faults at every datagram of a longer transfer.
//! * `search`: breadth first over all states, then over all paths: that each of them ends, and how much DATA it costs.

mod automaton;
mod canonical;
mod piece;
mod quick;
mod rules;
mod scenario;
mod search;
mod side;
mod state;
mod timed;
mod transition;

pub use scenario::{Faults, Order, Scenario, Storage};
pub use search::{Summary, Violation, explore};
pub use timed::{Fault, LATENCY, Run, run};
