//! Packets: checked views of received bytes, and typed representations to send.
//!
//! Parsing is lenient where real peers are sloppy (trailing bytes, a missing last NUL, any case, names that are
//! not UTF-8) and strict where it matters; every rejection has a typed reason. Nothing here allocates or panics.

mod error_code;
mod options;
mod packet;
mod repr;

pub use error_code::ErrorCode;
pub use options::{MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, OptionKind, Options, ParsedOptions, RawOptions};
pub use packet::{Direction, MAX_FILENAME, Mode, Packet, ParseError, Request};
pub use repr::{EmitError, Repr, write_data_header};

/// Bytes before the payload of a DATA packet: opcode and block number.
pub const DATA_HEADER: usize = 4;

/// The block size where none was negotiated (RFC 1350).
pub const DEFAULT_BLOCK_SIZE: u16 = 512;

/// The operation codes of RFC 1350 and RFC 2347.
mod opcode {
    pub(super) const RRQ: u16 = 1;
    pub(super) const WRQ: u16 = 2;
    pub(super) const DATA: u16 = 3;
    pub(super) const ACK: u16 = 4;
    pub(super) const ERROR: u16 = 5;
    pub(super) const OACK: u16 = 6;
}
