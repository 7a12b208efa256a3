//! What a datagram says.

use super::options::Asked;

/// A datagram as the model understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Request(Request),
    Data(u16, Vec<u8>),
    Ack(u16),
    Error(u16),
    Oack,
    /// A request without a mode that is known: the one malformed packet that is answered.
    NoMode,
    Nonsense,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) writes: bool,
    pub(super) name: Vec<u8>,
    pub(super) mode: Mode,
    pub(super) asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Octet,
    Netascii,
    Mail,
}

pub(super) fn read(bytes: &[u8]) -> Said {
    match *bytes {
        [0, opcode @ (1 | 2), ..] => request(opcode == 2, &bytes[2..]),
        [0, 3, high, low, ..] => Said::Data(u16::from_be_bytes([high, low]), bytes[4..].to_vec()),
        [0, 4, high, low, ..] => Said::Ack(u16::from_be_bytes([high, low])),
        [0, 5, high, low, ..] => Said::Error(u16::from_be_bytes([high, low])),
        // Without a code it ends a transfer all the same.
        [0, 5, ..] => Said::Error(0),
        [0, 6, ..] => Said::Oack,
        _ => Said::Nonsense,
    }
}

fn request(writes: bool, bytes: &[u8]) -> Said {
    let fields: Vec<&[u8]> = bytes.splitn(3, |byte| *byte == 0).collect();
    let [name, mode, ..] = fields[..] else { return Said::Nonsense };
    if name.len() > 1024 {
        return Said::Nonsense;
    }
    let mode = match mode.to_ascii_lowercase().as_slice() {
        b"octet" => Mode::Octet,
        b"netascii" => Mode::Netascii,
        b"mail" => Mode::Mail,
        _ => return Said::NoMode,
    };
    let asked = Asked::read(fields.get(2).copied().unwrap_or_default());
    Said::Request(Request { writes, name: name.to_vec(), mode, asked })
}

/// An ACK's bytes.
pub(super) fn ack(number: u16) -> Vec<u8> {
    [[0, 4], number.to_be_bytes()].concat()
}

/// Whether these are the bytes of an ERROR of that code, with a text that ends where the datagram does.
pub(super) fn is_error(bytes: &[u8], code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    bytes.starts_with(&[0, 5, high, low])
        && bytes.len() > 5
        && bytes.iter().skip(4).position(|byte| *byte == 0) == Some(bytes.len() - 5)
}
