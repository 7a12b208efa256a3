//! TFTP as a pure state machine: bytes and timer events in, actions out.
//!
//! No socket, no clock, no thread, no file and no global state: the caller owns all of these, says what time it
//! is and carries the bytes. The same inputs give the same outputs, so every rule can be tested in virtual time.
//!
//! Three layers, each usable alone:
//!
//! 1. [`wire`]: packets as checked views of bytes, and typed representations that can be emitted.
//! 2. [`transfer`]: one transfer. [`Sender`](transfer::Sender) and [`Receiver`](transfer::Receiver) are one
//!    direction each and know neither role nor address; [`Transfer`](transfer::Transfer) adds the first packets
//!    (requests and option acknowledgements) for either role. No allocation.
//! 3. [`endpoint`] (feature `alloc`): many transfers at once, with demultiplexing, admission, timers, storage
//!    jobs and statistics.
//!
//! It implements RFC 1350 (the protocol), RFC 1123 §4.2 (its corrections), RFC 2347 (options), RFC 2348 (block
//! size), RFC 2349 (timeout and transfer size) and RFC 7440 (windows), and the options `utimeout`, `blksize2` and
//! `rollover` that are in use without one.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod client;
pub mod config;
#[cfg(feature = "alloc")]
pub mod endpoint;
pub mod negotiate;
pub mod netascii;
mod rng;
pub mod seq;
mod stats;
mod time;
pub mod transfer;
pub mod wire;

pub use rng::Rng;
pub use stats::Stats;
pub use time::Instant;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
