//! The client's part before the first answer: asking, asking again, and falling back (RFC 2347).

mod handshake;

pub use handshake::Asking;
pub(crate) use handshake::{Answer, ErrorAnswer, Handshake, HandshakeAction};
