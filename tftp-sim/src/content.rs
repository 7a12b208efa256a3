//! File contents that show every mistake: no two blocks of a file are alike.

use tftp_proto::Rng;
use tftp_proto::netascii::{Decoder, Encoder};

/// `len` bytes that follow from `seed`.
#[must_use]
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// `len` bytes of text in which every third byte is a line feed, a carriage return or a NUL.
#[must_use]
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let byte = |_| match rng.below(12) {
        0 | 1 => b'\n',
        2 => b'\r',
        3 => 0,
        letter => b'a' + u8::try_from(letter).unwrap_or(0),
    };
    (0..len).map(byte).collect()
}

/// `local` text as it travels in netascii.
#[must_use]
pub fn to_netascii(local: &[u8]) -> Vec<u8> {
    let mut out = vec![0; local.len() * 2];
    let (_, written) = Encoder::default().encode(local, &mut out);
    out.truncate(written);
    out
}

/// Netascii as local text.
#[must_use]
pub fn from_netascii(wire: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::default();
    let mut local = Vec::with_capacity(wire.len());
    decoder.decode(wire, |run| local.extend_from_slice(run));
    decoder.finish(|run| local.extend_from_slice(run));
    local
}
