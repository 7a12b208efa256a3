//! What stands under the TFTP adapters for tokio and smol: an event loop for datagram protocols, files by name, and the
//! server and client made of both. It knows no async runtime; most programs want `tftp-tokio` or `tftp-smol` instead,
//! which give it one.
//!
//! From the bottom up:
//!
//! * [`runtime`]: what is needed of an async runtime. Implement it to bring your own.
//! * [`udp`], [`protocol`], [`event_loop`]: one future that drives any datagram protocol over UDP sockets. Nothing in
//!   them has heard of TFTP.
//! * [`storage`]: the trait that files come from and go to, and the back ends.
//! * [`server`], [`client`]: TFTP, by the state machine of [`tftp_proto`].
//! * [`adapter`]: the client as the adapters offer it.

pub mod adapter;
mod bridge;
pub mod client;
pub mod event_loop;
pub mod protocol;
pub mod runtime;
pub mod server;
pub mod storage;
pub mod types;
pub mod udp;

pub use tftp_proto as proto;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
