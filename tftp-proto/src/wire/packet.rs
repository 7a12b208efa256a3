//! Received packets.

use thiserror::Error;

use super::options::{RawOptions, split_at_nul};
use super::{ErrorCode, opcode};

/// The longest file name accepted, in bytes. RFC 2347 limits the whole request to 512.
pub const MAX_FILENAME: usize = 1024;

/// Which way the file goes, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// RRQ: from the server to the client.
    Read,
    /// WRQ: from the client to the server.
    Write,
}

/// The transfer mode of a request (RFC 1350).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Bytes as they are.
    #[default]
    Octet,
    /// Text with CR LF line ends and CR NUL for a lone CR.
    Netascii,
    /// Obsolete (RFC 1123 §4.2.2.1): parsed so that it can be refused by name.
    Mail,
}

impl Mode {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Octet => "octet",
            Self::Netascii => "netascii",
            Self::Mail => "mail",
        }
    }

    /// The mode of that name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        //= rfc1350#section-5
        //# The mode field contains the string "netascii", "octet", or "mail" (or any combination of upper and lower
        //# case
        [Self::Octet, Self::Netascii, Self::Mail]
            .into_iter()
            .find(|mode| mode.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// An RRQ or WRQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request<'a> {
    /// RRQ or WRQ.
    pub direction: Direction,
    /// The file name as it came: any bytes but NUL, perhaps none.
    pub filename: &'a [u8],
    /// The transfer mode.
    pub mode: Mode,
    /// The options that follow.
    pub options: RawOptions<'a>,
}

/// A packet whose parts have been checked to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packet<'a> {
    /// RRQ or WRQ.
    Request(Request<'a>),
    /// DATA: a block number as on the wire and up to 65,464 bytes.
    Data {
        /// 16-bit block number.
        block: u16,
        /// The block's bytes.
        payload: &'a [u8],
    },
    /// ACK.
    Ack {
        /// 16-bit block number.
        block: u16,
    },
    /// ERROR. The message is what the peer sent, up to the first NUL: escape it before it reaches a log.
    Error {
        /// The error code.
        code: ErrorCode,
        /// The message's bytes.
        message: &'a [u8],
    },
    /// OACK.
    Oack(RawOptions<'a>),
}

/// Why bytes are not a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Too short for an opcode, or for the block number that must follow it.
    #[error("datagram too short")]
    TooShort,
    /// An opcode that no RFC defines.
    #[error("unknown opcode {0}")]
    UnknownOpcode(u16),
    /// No NUL ends the file name.
    #[error("request without an end of its file name")]
    UnterminatedFilename,
    /// The file name is longer than [`MAX_FILENAME`].
    #[error("file name longer than {MAX_FILENAME} bytes")]
    FilenameTooLong,
    /// No mode follows the file name.
    #[error("request without a mode")]
    MissingMode,
    /// A mode that no RFC defines.
    #[error("unknown transfer mode")]
    UnknownMode,
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says what is missing. Bytes behind a complete packet are no error.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (operation, rest) = split_u16(bytes).ok_or(ParseError::TooShort)?;
        match operation {
            opcode::RRQ => Request::parse(Direction::Read, rest).map(Self::Request),
            opcode::WRQ => Request::parse(Direction::Write, rest).map(Self::Request),
            opcode::DATA => {
                let (block, payload) = split_u16(rest).ok_or(ParseError::TooShort)?;
                Ok(Self::Data { block, payload })
            }
            opcode::ACK => {
                let (block, _) = split_u16(rest).ok_or(ParseError::TooShort)?;
                Ok(Self::Ack { block })
            }
            opcode::ERROR => {
                // Some peers send an ERROR without a message or even a code: it ends the transfer all the same.
                let (code, message) = split_u16(rest).unwrap_or((0, &[]));
                let message = split_at_nul(message).map_or(message, |(text, _)| text);
                Ok(Self::Error { code: ErrorCode::from_wire(code), message })
            }
            opcode::OACK => Ok(Self::Oack(RawOptions::new(rest))),
            other => Err(ParseError::UnknownOpcode(other)),
        }
    }
}

impl<'a> Request<'a> {
    fn parse(direction: Direction, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (filename, rest) = split_at_nul(bytes).ok_or(ParseError::UnterminatedFilename)?;
        if filename.len() > MAX_FILENAME {
            return Err(ParseError::FilenameTooLong);
        }
        let (mode, options) = split_at_nul(rest).unwrap_or((rest, &[]));
        if mode.is_empty() {
            return Err(ParseError::MissingMode);
        }
        let mode = Mode::from_name(mode).ok_or(ParseError::UnknownMode)?;
        Ok(Self { direction, filename, mode, options: RawOptions::new(options) })
    }
}

fn split_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*head), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_datagrams_and_unknown_opcodes_have_a_reason() {
        for bytes in [&b""[..], b"\0", b"\0\x03", b"\0\x03\0", b"\0\x04", b"\0\x04\x01"] {
            assert_eq!(Packet::parse(bytes), Err(ParseError::TooShort), "{bytes:?}");
        }
        for operation in [0u8, 7, 255] {
            assert_eq!(Packet::parse(&[0, operation, 0, 0]), Err(ParseError::UnknownOpcode(u16::from(operation))));
        }
        assert_eq!(Packet::parse(b"\x01\x01name\0octet\0"), Err(ParseError::UnknownOpcode(257)));
    }

    #[test]
    fn a_request_needs_a_terminated_name_and_a_known_mode() {
        assert_eq!(Packet::parse(b"\0\x01name"), Err(ParseError::UnterminatedFilename));
        assert_eq!(Packet::parse(b"\0\x01name\0"), Err(ParseError::MissingMode));
        assert_eq!(Packet::parse(b"\0\x01name\0\0"), Err(ParseError::MissingMode));
        assert_eq!(Packet::parse(b"\0\x01name\0binary\0"), Err(ParseError::UnknownMode));
        let long = [&b"\0\x01"[..], &[b'a'; MAX_FILENAME + 1], b"\0octet\0"].concat();
        assert_eq!(Packet::parse(&long), Err(ParseError::FilenameTooLong));
    }

    #[test]
    fn modes_in_any_case_and_without_a_last_nul() {
        for (bytes, mode) in [
            (&b"\0\x01f\0OcTeT\0"[..], Mode::Octet),
            (b"\0\x01f\0NETASCII", Mode::Netascii),
            (b"\0\x01f\0mail\0", Mode::Mail),
        ] {
            let Ok(Packet::Request(request)) = Packet::parse(bytes) else { panic!("{bytes:?}") };
            assert_eq!(request.mode, mode);
        }
    }

    #[test]
    fn names_may_be_any_bytes() {
        let Ok(Packet::Request(request)) = Packet::parse(b"\0\x02%n\xff\x01\0octet\0") else { panic!() };
        assert_eq!(request.filename, b"%n\xff\x01");
        assert_eq!(request.direction, Direction::Write);
    }

    #[test]
    fn errors_parse_without_nul_message_or_code() {
        let code = ErrorCode::FileNotFound;
        assert_eq!(Packet::parse(b"\0\x05\0\x01oops"), Ok(Packet::Error { code, message: b"oops" }));
        assert_eq!(Packet::parse(b"\0\x05\0\x01oops\0junk"), Ok(Packet::Error { code, message: b"oops" }));
        assert_eq!(Packet::parse(b"\0\x05\0\x01"), Ok(Packet::Error { code, message: b"" }));
        assert_eq!(Packet::parse(b"\0\x05"), Ok(Packet::Error { code: ErrorCode::NotDefined, message: b"" }));
    }

    #[test]
    fn trailing_bytes_of_an_ack_are_ignored() {
        assert_eq!(Packet::parse(b"\0\x04\x01\x02junk"), Ok(Packet::Ack { block: 0x0102 }));
    }
}
