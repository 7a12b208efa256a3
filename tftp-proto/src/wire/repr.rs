//! Packets to send.

use thiserror::Error;

use super::{DATA_HEADER, Direction, ErrorCode, Mode, Options, opcode};

/// A packet to be sent, in typed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repr<'a> {
    /// RRQ or WRQ.
    Request {
        /// RRQ or WRQ.
        direction: Direction,
        /// The file name: any bytes but NUL.
        filename: &'a [u8],
        /// The transfer mode.
        mode: Mode,
        /// The options to ask for.
        options: Options,
    },
    /// DATA.
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
    /// ERROR. A NUL in the message would end it early at the peer.
    Error {
        /// The error code.
        code: ErrorCode,
        /// Text for the peer's user.
        message: &'a str,
    },
    /// OACK: exactly the granted options, lower-case names, no padding (EDK2 and old Cisco refuse anything else).
    Oack(Options),
}

/// Why a packet could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EmitError {
    /// The buffer is too small.
    #[error("the buffer is too small for the packet")]
    BufferTooSmall,
    /// The file name holds a NUL byte, which would end it early on the wire.
    #[error("a file name cannot hold a NUL byte")]
    NulInFilename,
}

impl Repr<'_> {
    /// Writes the packet to the start of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`EmitError::BufferTooSmall`] or, for requests, [`EmitError::NulInFilename`].
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let mut writer = Writer { out, len: 0 };
        match *self {
            Self::Request { direction, filename, mode, options } => {
                if filename.contains(&0) {
                    return Err(EmitError::NulInFilename);
                }
                writer.number(match direction {
                    Direction::Read => opcode::RRQ,
                    Direction::Write => opcode::WRQ,
                })?;
                writer.string(filename)?;
                writer.string(mode.name().as_bytes())?;
                writer.options(&options)?;
            }
            Self::Data { block, payload } => {
                writer.number(opcode::DATA)?;
                writer.number(block)?;
                writer.bytes(payload)?;
            }
            Self::Ack { block } => {
                writer.number(opcode::ACK)?;
                writer.number(block)?;
            }
            Self::Error { code, message } => {
                writer.number(opcode::ERROR)?;
                writer.number(code.to_wire())?;
                //= rfc1350#section-5
                //# The error message is intended for human consumption, and should be in netascii.
                writer.string(message.as_bytes())?;
            }
            Self::Oack(options) => {
                writer.number(opcode::OACK)?;
                writer.options(&options)?;
            }
        }
        Ok(writer.len)
    }
}

/// Writes the header of DATA `block`; the payload is expected to follow it directly.
pub fn write_data_header(out: &mut [u8; DATA_HEADER], block: u16) {
    let [block_high, block_low] = block.to_be_bytes();
    let [code_high, code_low] = opcode::DATA.to_be_bytes();
    *out = [code_high, code_low, block_high, block_low];
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), EmitError> {
        let end = self.len.checked_add(bytes.len()).ok_or(EmitError::BufferTooSmall)?;
        self.out.get_mut(self.len..end).ok_or(EmitError::BufferTooSmall)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    fn number(&mut self, number: u16) -> Result<(), EmitError> {
        self.bytes(&number.to_be_bytes())
    }

    fn string(&mut self, text: &[u8]) -> Result<(), EmitError> {
        self.bytes(text)?;
        //= rfc2347#packet-formats
        //# The options and values are all NULL-terminated, in keeping with the original request format.
        self.bytes(&[0])
    }

    fn options(&mut self, options: &Options) -> Result<(), EmitError> {
        for (kind, value) in options.iter() {
            //= rfc7440#section-3
            //# Note that all fields except "opc" MUST be ASCII strings followed by a single-byte NULL character.
            self.string(kind.name().as_bytes())?;
            self.decimal(value)?;
        }
        Ok(())
    }

    fn decimal(&mut self, mut number: u64) -> Result<(), EmitError> {
        // 20 digits hold every u64.
        let mut digits = [0u8; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            start -= 1;
            if number == 0 {
                break;
            }
        }
        self.string(digits.get(start..).unwrap_or(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Rollover;
    use crate::wire::Packet;

    #[test]
    fn an_oack_has_exact_bytes() {
        let mut out = [0; 64];
        let options = Options { block_size: Some(1432), transfer_size: Some(0), ..Options::NONE };
        let len = Repr::Oack(options).emit(&mut out).unwrap();
        assert_eq!(&out[..len], b"\0\x06blksize\x001432\0tsize\x000\0");
    }

    #[test]
    fn every_option_survives_the_wire() {
        let options = Options {
            block_size: Some(65_464),
            block_size2: Some(32_768),
            timeout: Some(255),
            micro_timeout: Some(u32::MAX),
            transfer_size: Some(u64::MAX),
            window_size: Some(65_535),
            rollover: Some(Rollover::One),
        };
        let mut out = [0; 512];
        let repr = Repr::Request { direction: Direction::Write, filename: b"a/b", mode: Mode::Netascii, options };
        let len = repr.emit(&mut out).unwrap();
        let Ok(Packet::Request(request)) = Packet::parse(&out[..len]) else { panic!() };
        assert_eq!(request.filename, b"a/b");
        let parsed = request.options.parse();
        assert_eq!(parsed.options, options);
        assert_eq!((parsed.unknown, parsed.invalid, parsed.repeated), (0, 0, 0));
    }

    #[test]
    fn a_buffer_too_small_is_an_error_not_a_panic() {
        let repr = Repr::Error { code: ErrorCode::DiskFull, message: "no" };
        for len in 0..7 {
            assert_eq!(repr.emit(&mut [0; 7][..len]), Err(EmitError::BufferTooSmall));
        }
        assert_eq!(repr.emit(&mut [0; 7]), Ok(7));
    }
}
