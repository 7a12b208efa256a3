//! Netascii, byte by byte.

/// Text as it travels: LF as CR LF, CR as CR NUL.
#[must_use]
pub fn encoded(text: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| match byte {
        b'\n' => vec![b'\r', b'\n'],
        b'\r' => vec![b'\r', 0],
        other => vec![*other],
    };
    text.iter().flat_map(byte).collect()
}

/// A CR and what follows it: LF ends the line, NUL is swallowed, anything else leaves the CR as it is.
#[must_use]
pub fn decoded(wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut place = 0;
    while let Some(byte) = wire.get(place) {
        let pair = if *byte == b'\r' { wire.get(place + 1) } else { None };
        text.push(if pair == Some(&b'\n') { b'\n' } else { *byte });
        place += if matches!(pair, Some(b'\n' | 0)) { 2 } else { 1 };
    }
    text
}
