//! The server on tokio.

use crate::Tokio;

/// A TFTP server on tokio. See [`tftp_driver::server::Server`].
pub type Server = tftp_driver::server::Server<Tokio>;

/// Settings of a [`Server`]. See [`tftp_driver::server::ServerBuilder`].
pub type ServerBuilder<S = ()> = tftp_driver::server::ServerBuilder<Tokio, S>;

/// One event loop of a server that has several. See [`tftp_driver::server::Part`].
pub type Part = tftp_driver::server::Part<Tokio>;
