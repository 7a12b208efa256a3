use tftp_proto::config::OptionPolicy;
use tftp_proto::negotiate::{accept, grant};
use tftp_proto::wire::{Direction, Mode, Packet, ParsedOptions, RawOptions, Repr};

/// Parses a datagram; what it says must survive being written and parsed again, and what a server grants of its
/// options must be acceptable to the client that asked.
///
/// # Panics
///
/// If it does not, or is not.
pub fn parser(datagram: &[u8]) {
    let Ok(packet) = Packet::parse(datagram) else { return };
    let mut out = vec![0; datagram.len() + 1024];
    match packet {
        Packet::Request(request) => {
            let parsed = check_options(request.options);
            let (direction, filename, mode) = (request.direction, request.filename, request.mode);
            let repr = Repr::Request { direction, filename, mode, options: parsed.options };
            let Packet::Request(again) = round_trip(repr, &mut out) else { unreachable!("a request stays one") };
            assert_eq!((again.direction, again.filename, again.mode), (direction, filename, mode));
            assert_eq!(again.options.parse().options, parsed.options);
            check_negotiation(&parsed, direction, mode);
        }
        Packet::Data { block, payload } => {
            assert_eq!(round_trip(Repr::Data { block, payload }, &mut out), packet);
        }
        Packet::Ack { block } => assert_eq!(round_trip(Repr::Ack { block }, &mut out), packet),
        Packet::Error { code, message } => {
            assert!(!message.contains(&0));
            if let Ok(message) = core::str::from_utf8(message) {
                assert_eq!(round_trip(Repr::Error { code, message }, &mut out), packet);
            }
        }
        Packet::Oack(options) => {
            let parsed = check_options(options);
            let Packet::Oack(again) = round_trip(Repr::Oack(parsed.options), &mut out) else {
                unreachable!("an OACK stays one")
            };
            let again = again.parse();
            assert_eq!((again.options, again.invalid, again.unknown, again.repeated), (parsed.options, 0, 0, 0));
        }
    }
}

fn round_trip<'a>(repr: Repr<'_>, out: &'a mut [u8]) -> Packet<'a> {
    let written = repr.emit(out);
    assert!(written.is_ok(), "{repr:?}: {written:?}");
    let packet = Packet::parse(&out[..written.unwrap_or(0)]);
    assert!(packet.is_ok(), "{repr:?}: {packet:?}");
    packet.unwrap_or(Packet::Ack { block: 0 })
}

fn check_options(raw: RawOptions<'_>) -> ParsedOptions {
    let parsed = raw.parse();
    let count = raw.count();
    let known = parsed.options.iter().count();
    let noted = usize::from(parsed.unknown) + usize::from(parsed.invalid) + usize::from(parsed.repeated);
    // A size that was cut is both there and noted as invalid.
    assert!(known <= count && known + noted >= count.min(usize::from(u16::MAX)) && noted <= count);
    parsed
}

/// A client always accepts what a server grants of what it asked.
fn check_negotiation(asked: &ParsedOptions, direction: Direction, mode: Mode) {
    for policy in [
        OptionPolicy::default(),
        OptionPolicy { max_block_size: 1428, max_window: 8, size_of_empty_files: true, ..OptionPolicy::default() },
        OptionPolicy { max_block_size: 0, max_window: 0, ..OptionPolicy::default() },
    ] {
        for size in [None, Some(0), Some(u64::MAX)] {
            let (granted, parameters) = grant(&asked.options, direction, mode, &policy, size);
            let mut out = [0; 512];
            let Packet::Oack(oack) = round_trip(Repr::Oack(granted), &mut out) else { unreachable!("an OACK") };
            let accepted = accept(&asked.options, &oack.parse(), mode);
            assert!(accepted.is_ok(), "{asked:?} {granted:?}: {accepted:?}");
            let Ok((_, theirs)) = accepted else { return };
            assert_eq!(
                (theirs.block_size, theirs.window_size, theirs.timeout, theirs.rollover),
                (parameters.block_size, parameters.window_size, parameters.timeout, parameters.rollover)
            );
            assert!((8..=65_464).contains(&theirs.block_size) && theirs.window_size > 0);
        }
    }
}
