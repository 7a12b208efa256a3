//! Packets as a test writes them down, good or bad: nothing here is checked.

/// RRQ with its options as pairs of strings.
#[must_use]
pub fn rrq(name: &str, mode: &str, options: &[(&str, &str)]) -> Vec<u8> {
    request(1, name.as_bytes(), mode, options)
}

/// WRQ with its options as pairs of strings.
#[must_use]
pub fn wrq(name: &str, mode: &str, options: &[(&str, &str)]) -> Vec<u8> {
    request(2, name.as_bytes(), mode, options)
}

/// A request with any opcode and any bytes as its name.
#[must_use]
pub fn request(opcode: u8, name: &[u8], mode: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, opcode];
    packet.extend_from_slice(name);
    packet.push(0);
    push_string(&mut packet, mode);
    push_options(&mut packet, options);
    packet
}

/// DATA.
#[must_use]
pub fn data(block: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = block.to_be_bytes();
    [&[0, 3, high, low], payload].concat()
}

/// ACK.
#[must_use]
pub fn ack(block: u16) -> Vec<u8> {
    let [high, low] = block.to_be_bytes();
    vec![0, 4, high, low]
}

/// ERROR.
#[must_use]
pub fn error(code: u16, message: &str) -> Vec<u8> {
    let [high, low] = code.to_be_bytes();
    let mut packet = vec![0, 5, high, low];
    push_string(&mut packet, message);
    packet
}

/// OACK.
#[must_use]
pub fn oack(options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, 6];
    push_options(&mut packet, options);
    packet
}

fn push_options(packet: &mut Vec<u8>, options: &[(&str, &str)]) {
    for (name, value) in options {
        push_string(packet, name);
        push_string(packet, value);
    }
}

fn push_string(packet: &mut Vec<u8>, text: &str) {
    packet.extend_from_slice(text.as_bytes());
    packet.push(0);
}

/// The second byte of a datagram: its opcode, for everything this crate has seen.
#[must_use]
pub fn opcode(packet: &[u8]) -> Option<u8> {
    packet.get(1).copied()
}

/// The block number of DATA and ACK, the code of ERROR.
#[must_use]
pub fn number(packet: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]))
}

/// The code of an ERROR; `None` for everything else.
#[must_use]
pub fn error_code(packet: &[u8]) -> Option<u16> {
    (opcode(packet) == Some(5)).then(|| number(packet)).flatten()
}

/// A datagram in words, for traces.
#[must_use]
pub fn describe(packet: &[u8]) -> String {
    let number = number(packet).unwrap_or_default();
    let text = || String::from_utf8_lossy(packet.get(2..).unwrap_or_default()).escape_debug().to_string();
    match opcode(packet) {
        Some(1) => format!("RRQ {}", text()),
        Some(2) => format!("WRQ {}", text()),
        Some(3) => format!("DATA {number} [{}]", packet.len().saturating_sub(4)),
        Some(4) => format!("ACK {number}"),
        Some(5) => format!("ERROR {number} {}", text()),
        Some(6) => format!("OACK {}", text()),
        _ => format!("[{}] {}", packet.len(), text()),
    }
}
