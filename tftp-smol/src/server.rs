//! The server on async-io.

use crate::Smol;

/// A TFTP server on async-io. See [`tftp_driver::server::Server`].
pub type Server = tftp_driver::server::Server<Smol>;

/// Settings of a [`Server`]. See [`tftp_driver::server::ServerBuilder`].
pub type ServerBuilder<S = ()> = tftp_driver::server::ServerBuilder<Smol, S>;

/// One event loop of a server that has several. See [`tftp_driver::server::Part`].
pub type Part = tftp_driver::server::Part<Smol>;
