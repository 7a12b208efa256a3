//! Netascii (RFC 764 as used by RFC 1350): CR LF ends a line, CR NUL is a lone CR.
//!
//! A local line ends with LF alone. Both directions stream: any chunking gives the same result, also when a CR
//! falls on the edge of a block.

/// Turns local text into netascii, one output buffer after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Encoder {
    /// The second byte of a pair whose first byte filled the last buffer.
    pending: Option<u8>,
}

impl Encoder {
    /// Encodes from `input` until `out` is full or `input` is used up.
    ///
    /// Returns the bytes taken from `input` and the bytes written to `out`.
    pub fn encode(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize) {
        let mut taken = 0;
        let mut written = 0;
        for slot in out.iter_mut() {
            if let Some(byte) = self.pending.take() {
                *slot = byte;
            } else if let Some(byte) = input.get(taken) {
                taken += 1;
                *slot = match byte {
                    b'\n' => {
                        self.pending = Some(b'\n');
                        b'\r'
                    }
                    b'\r' => {
                        self.pending = Some(0);
                        b'\r'
                    }
                    other => *other,
                };
            } else {
                break;
            }
            written += 1;
        }
        (taken, written)
    }

    /// Whether a byte waits that belongs to input already taken.
    #[must_use]
    pub const fn has_pending(&self) -> bool {
        self.pending.is_some()
    }
}

/// Turns netascii into local text, one input buffer after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decoder {
    /// The last input ended with a CR whose meaning the next byte decides.
    after_cr: bool,
}

impl Decoder {
    /// Decodes all of `input`, handing each run of local bytes to `put`.
    ///
    /// At most one byte more than `input.len()` comes out. A CR followed by anything but LF or NUL stays a CR.
    pub fn decode(&mut self, input: &[u8], mut put: impl FnMut(&[u8])) {
        //= rfc1350#section-5
        //# A host which receives netascii mode data must translate the data to its own format.
        let mut rest = input;
        while !rest.is_empty() {
            if core::mem::take(&mut self.after_cr) {
                match rest {
                    [b'\n', tail @ ..] => {
                        put(b"\n");
                        rest = tail;
                    }
                    [0, tail @ ..] => {
                        put(b"\r");
                        rest = tail;
                    }
                    _ => put(b"\r"),
                }
                continue;
            }
            let run = rest.iter().position(|byte| *byte == b'\r').unwrap_or(rest.len());
            let (plain, tail) = rest.split_at(run);
            if !plain.is_empty() {
                put(plain);
            }
            rest = match tail {
                [_, after @ ..] => {
                    self.after_cr = true;
                    after
                }
                [] => tail,
            };
        }
    }

    /// Ends the text: a CR that nothing followed is written.
    pub fn finish(&mut self, mut put: impl FnMut(&[u8])) {
        if core::mem::take(&mut self.after_cr) {
            put(b"\r");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn encode(input: &[u8], out_size: usize, in_size: usize) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut result = Vec::new();
        for piece in input.chunks(in_size) {
            let mut piece = piece;
            loop {
                let mut out = std::vec![0; out_size];
                let (taken, written) = encoder.encode(piece, &mut out);
                result.extend_from_slice(&out[..written]);
                piece = &piece[taken..];
                if written < out_size {
                    break;
                }
            }
        }
        result
    }

    fn decode(input: &[u8], in_size: usize) -> Vec<u8> {
        let mut decoder = Decoder::default();
        let mut result = Vec::new();
        for piece in input.chunks(in_size) {
            decoder.decode(piece, |bytes| result.extend_from_slice(bytes));
        }
        decoder.finish(|bytes| result.extend_from_slice(bytes));
        result
    }

    #[test]
    fn line_ends_and_lone_carriage_returns() {
        assert_eq!(encode(b"a\nb\rc\r\n", 100, 100), b"a\r\nb\r\0c\r\0\r\n");
        assert_eq!(decode(b"a\r\nb\r\0c\r\0\r\n", 100), b"a\nb\rc\r\n");
        assert_eq!(decode(b"\rx\r\r\n\r", 100), b"\rx\r\n\r");
    }

    #[test]
    fn any_chunking_gives_the_same_text() {
        let text = b"\n\n\r\r\n\nplain\rtext\n\r";
        let encoded = encode(text, 1000, 1000);
        for out_size in 1..8 {
            for in_size in 1..8 {
                assert_eq!(encode(text, out_size, in_size), encoded, "{out_size} {in_size}");
            }
        }
        for in_size in 1..8 {
            assert_eq!(decode(&encoded, in_size), text);
        }
    }
}
