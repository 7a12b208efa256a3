//! Netascii: any text survives, whatever the chunks.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tftp_proto::netascii::{Decoder, Encoder};

fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/regressions/netascii.txt");
    ProptestConfig {
        cases: 500,
        failure_persistence: Some(Box::new(persistence)),
        max_shrink_time: 20_000,
        ..ProptestConfig::default()
    }
}

/// Text in which line ends, carriage returns and NULs abound.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0u8), Just(b'a'), any::<u8>()], 0..200)
}

/// The definition, byte by byte.
fn reference(local: &[u8]) -> Vec<u8> {
    local
        .iter()
        .flat_map(|byte| match byte {
            b'\n' => b"\r\n".to_vec(),
            b'\r' => b"\r\0".to_vec(),
            other => vec![*other],
        })
        .collect()
}

/// Encodes in pieces of the input into buffers of changing size.
fn encode(local: &[u8], inputs: &[usize], outputs: &[usize]) -> Vec<u8> {
    let mut encoder = Encoder::default();
    let (mut inputs, mut outputs) = (inputs.iter().cycle(), outputs.iter().cycle());
    let mut wire = Vec::new();
    let mut rest = local;
    while !rest.is_empty() || encoder.has_pending() {
        let (mut piece, behind) = rest.split_at((*inputs.next().unwrap()).min(rest.len()));
        rest = behind;
        loop {
            let mut out = vec![0; *outputs.next().unwrap()];
            let (taken, written) = encoder.encode(piece, &mut out);
            wire.extend_from_slice(&out[..written]);
            piece = &piece[taken..];
            if written < out.len() {
                assert!(piece.is_empty(), "room is left, but not all was taken");
                break;
            }
        }
    }
    wire
}

fn decode(wire: &[u8], pieces: &[usize]) -> Vec<u8> {
    let mut decoder = Decoder::default();
    let mut local = Vec::new();
    let mut rest = wire;
    for size in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        let before = local.len();
        decoder.decode(piece, |run| local.extend_from_slice(run));
        assert!(local.len() - before <= piece.len() + 1, "more than its input and one byte");
        rest = behind;
    }
    decoder.finish(|run| local.extend_from_slice(run));
    local
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_survives_any_chunking(
        local in text(),
        inputs in vec(1usize..40, 1..8),
        outputs in vec(1usize..40, 1..8),
        pieces in vec(1usize..40, 1..8),
    ) {
        let wire = encode(&local, &inputs, &outputs);
        prop_assert_eq!(&wire, &reference(&local));
        prop_assert_eq!(decode(&wire, &pieces), local);
    }

    #[test]
    fn what_a_sloppy_peer_sends_decodes_the_same_in_any_chunking(wire in text(), pieces in vec(1usize..40, 1..8)) {
        prop_assert_eq!(decode(&wire, &pieces), decode(&wire, &[usize::MAX]));
    }
}
