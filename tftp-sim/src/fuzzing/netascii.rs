use tftp_proto::netascii::{Decoder, Encoder};

use super::script::Script;
use crate::reference::{decoded, encoded};

/// Encodes and decodes text in pieces of any size; the result must be that of the whole, and the text must survive.
///
/// The first bytes say how it is cut; the rest is the text, and then once more what a sloppy peer sends.
///
/// # Panics
///
/// If it is not, or does not.
pub fn netascii(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts: Vec<usize> = (0..4).map(|_| 1 + usize::from(script.byte() % 40)).collect();
    let text = script.rest();
    let wire = encode(text, &cuts);
    assert_eq!(wire, encoded(text));
    assert_eq!(decode(&wire, &cuts), text, "the text comes back");
    assert_eq!(decode(text, &cuts), decoded(text), "what a sloppy peer sends");
}

fn encode(text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut sizes = cuts.iter().cycle().copied();
    let mut wire = Vec::new();
    let mut rest = text;
    while !rest.is_empty() || encoder.has_pending() {
        let piece = &rest[..sizes.next().unwrap_or(1).min(rest.len())];
        let mut out = vec![0; sizes.next().unwrap_or(1)];
        let (taken, written) = encoder.encode(piece, &mut out);
        assert!(taken == piece.len() || written == out.len(), "it stops with room and bytes left");
        assert!(written > 0 && taken <= written, "no progress, or bytes are lost");
        wire.extend_from_slice(&out[..written]);
        rest = &rest[taken..];
    }
    wire
}

fn decode(wire: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut decoder = Decoder::default();
    let mut sizes = cuts.iter().cycle().copied();
    let mut text = Vec::new();
    let mut rest = wire;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
        let before = text.len();
        decoder.decode(piece, |run| text.extend_from_slice(run));
        assert!(text.len() - before <= piece.len() + 1, "more than its input and one byte");
        rest = behind;
    }
    decoder.finish(|run| text.extend_from_slice(run));
    text
}
