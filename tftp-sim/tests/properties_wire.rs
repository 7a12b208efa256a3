//! The wire format: what is sent is what is understood, and nothing that comes in does harm.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Direction, EmitError, ErrorCode, Mode, OptionKind, Options, Packet, Repr};

fn config(cases: u32) -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/regressions/wire.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(persistence)),
        max_shrink_time: 20_000,
        ..ProptestConfig::default()
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    let rollover = prop_oneof![Just(Rollover::Zero), Just(Rollover::One)];
    (
        option::of(8u16..=65_464),
        option::of((3u32..=15).prop_map(|exponent| 1u16 << exponent)),
        option::of(1u8..),
        option::of(1u32..),
        option::of(any::<u64>()),
        option::of(1u16..),
        option::of(rollover),
    )
        .prop_map(|(block_size, block_size2, timeout, micro_timeout, transfer_size, window_size, rollover)| {
            Options { block_size, block_size2, timeout, micro_timeout, transfer_size, window_size, rollover }
        })
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Read), Just(Direction::Write)]
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Octet), Just(Mode::Netascii), Just(Mode::Mail)]
}

/// Something to send, as owned parts.
#[derive(Debug, Clone)]
enum Sent {
    Request(Direction, Vec<u8>, Mode, Options),
    Data(u16, Vec<u8>),
    Ack(u16),
    Error(u16, String),
    Oack(Options),
}

fn any_sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        (any_direction(), vec(1u8.., 0..600), any_mode(), any_options())
            .prop_map(|(direction, name, mode, options)| Sent::Request(direction, name, mode, options)),
        (any::<u16>(), vec(any::<u8>(), 0..2000)).prop_map(|(block, payload)| Sent::Data(block, payload)),
        any::<u16>().prop_map(Sent::Ack),
        (any::<u16>(), "[^\0]{0,60}").prop_map(|(code, message)| Sent::Error(code, message)),
        any_options().prop_map(Sent::Oack),
    ]
}

fn repr(sent: &Sent) -> Repr<'_> {
    match sent {
        Sent::Request(direction, filename, mode, options) => {
            Repr::Request { direction: *direction, filename, mode: *mode, options: *options }
        }
        Sent::Data(block, payload) => Repr::Data { block: *block, payload },
        Sent::Ack(block) => Repr::Ack { block: *block },
        Sent::Error(code, message) => Repr::Error { code: ErrorCode::from_wire(*code), message },
        Sent::Oack(options) => Repr::Oack(*options),
    }
}

fn emit(repr: &Repr<'_>) -> Vec<u8> {
    let mut out = vec![0; 4096];
    let len = repr.emit(&mut out).unwrap();
    out.truncate(len);
    out
}

/// What a packet says, as something that can be sent again.
fn again(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = vec![0; 70_000];
    let len = match *packet {
        Packet::Request(request) => {
            let options = request.options.parse().options;
            let (direction, filename, mode) = (request.direction, request.filename, request.mode);
            Repr::Request { direction, filename, mode, options }.emit(&mut out)
        }
        Packet::Data { block, payload } => Repr::Data { block, payload }.emit(&mut out),
        Packet::Ack { block } => Repr::Ack { block }.emit(&mut out),
        Packet::Error { code, message } => {
            let message = String::from_utf8_lossy(message).into_owned();
            Repr::Error { code, message: &message }.emit(&mut out)
        }
        Packet::Oack(options) => Repr::Oack(options.parse().options).emit(&mut out),
    };
    out.truncate(len.unwrap());
    out
}

/// Whatever parses says the same when it is sent again, and has kept within its bounds.
fn check_bytes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(packet) = Packet::parse(bytes) else { return Ok(()) };
    match packet {
        Packet::Request(request) => {
            prop_assert!(!request.filename.contains(&0));
            prop_assert!(request.options.count() * 2 <= bytes.len());
        }
        Packet::Data { payload, .. } => prop_assert_eq!(payload.len() + 4, bytes.len()),
        Packet::Error { message, .. } => prop_assert!(!message.contains(&0)),
        Packet::Ack { .. } | Packet::Oack(_) => {}
    }
    let sent = again(&packet);
    let once_more = again(&Packet::parse(&sent).unwrap());
    prop_assert_eq!(sent, once_more);
    Ok(())
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn what_is_sent_is_understood(sent in any_sent()) {
        let bytes = emit(&repr(&sent));
        let packet = Packet::parse(&bytes).unwrap();
        match (&sent, packet) {
            (Sent::Request(direction, name, mode, options), Packet::Request(request)) => {
                prop_assert_eq!(request.direction, *direction);
                prop_assert_eq!(request.filename, &name[..]);
                prop_assert_eq!(request.mode, *mode);
                let parsed = request.options.parse();
                prop_assert_eq!(parsed.options, *options);
                prop_assert_eq!((parsed.unknown, parsed.invalid, parsed.repeated), (0, 0, 0));
            }
            (Sent::Data(block, payload), Packet::Data { block: got, payload: bytes }) => {
                prop_assert_eq!((*block, &payload[..]), (got, bytes));
            }
            (Sent::Ack(block), Packet::Ack { block: got }) => prop_assert_eq!(*block, got),
            (Sent::Error(code, message), Packet::Error { code: got, message: text }) => {
                prop_assert_eq!((*code, message.as_bytes()), (got.to_wire(), text));
            }
            (Sent::Oack(options), Packet::Oack(raw)) => prop_assert_eq!(raw.parse().options, *options),
            (sent, packet) => prop_assert!(false, "{sent:?} became {packet:?}"),
        }
    }

    #[test]
    fn a_packet_fits_exactly_or_not_at_all(sent in any_sent(), cut in any::<prop::sample::Index>()) {
        let bytes = emit(&repr(&sent));
        let mut out = vec![0xee; bytes.len() + 8];
        prop_assert_eq!(repr(&sent).emit(&mut out[..bytes.len()]), Ok(bytes.len()));
        prop_assert_eq!(&out[bytes.len()..], &[0xee; 8][..]);
        let short = cut.index(bytes.len());
        prop_assert_eq!(repr(&sent).emit(&mut out[..short]), Err(EmitError::BufferTooSmall));
    }

    #[test]
    fn no_bytes_do_harm(opcode in 0u8..9, rest in vec(any::<u8>(), 0..700)) {
        check_bytes(&rest)?;
        check_bytes(&[&[0, opcode][..], &rest].concat())?;
    }

    #[test]
    fn no_damage_to_a_packet_does_harm(
        sent in any_sent(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = emit(&repr(&sent));
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check_bytes(&bytes)?;
        check_bytes(&bytes[..end.index(bytes.len())])?;
    }

    #[test]
    fn options_mean_the_same_in_any_order_and_case(
        options in any_options(),
        order in Just(OptionKind::ALL.to_vec()).prop_shuffle(),
        upper in vec(any::<bool>(), 80),
        unknown in option::of("[a-z_]{9,12}"),
    ) {
        let mut bytes = b"\0\x06".to_vec();
        let mut upper = upper.iter().cycle();
        for kind in order {
            let Some(value) = options.value(kind) else { continue };
            let name = kind.name().chars();
            bytes.extend(name.map(|c| if *upper.next().unwrap() { c.to_ascii_uppercase() } else { c } as u8));
            bytes.extend(format!("\0{value}\0").bytes());
            if let Some(unknown) = &unknown {
                bytes.extend(format!("{unknown}\0{value}\0").bytes());
            }
        }
        let Ok(Packet::Oack(raw)) = Packet::parse(&bytes) else { panic!() };
        prop_assert_eq!(raw.parse().options, options);
    }

    #[test]
    fn a_value_counts_only_if_it_is_a_plain_number(kind in 0usize..7, value in "[-+ 0-9a-fx.]{0,6}|[0-9]{1,30}") {
        let kind = OptionKind::ALL[kind];
        let bytes = format!("\0\u{6}{}\0{value}\0", kind.name()).into_bytes();
        let Ok(Packet::Oack(raw)) = Packet::parse(&bytes) else { panic!() };
        let parsed = raw.parse();
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            prop_assert_eq!((parsed.options, parsed.invalid), (Options::NONE, 1));
        } else if let Some(got) = parsed.options.value(kind) {
            // What was taken is the number itself or, where it was too large, the largest there is.
            let number = u64::try_from(value.parse::<u128>().unwrap()).unwrap_or(u64::MAX);
            prop_assert!(got <= number);
            prop_assert_eq!(parsed.invalid == 0, number == got, "{} {:?}", value, got);
        } else {
            prop_assert_eq!(parsed.invalid, 1);
        }
    }

    #[test]
    fn block_numbers_resolve_to_the_one_block_in_reach(
        from in prop_oneof![0u64..200_000, (1u64..5).prop_map(|round| round * 65_536 - 2), (1u64..5).prop_map(|round| round * 65_535 - 2)],
        span in 0u64..=32_767,
        distance in 0u64..66_000,
        one in any::<bool>(),
    ) {
        let rollover = if one { Rollover::One } else { Rollover::Zero };
        let block = from + distance;
        let wire = rollover.to_wire(block);
        prop_assert!(rollover == Rollover::Zero || block == 0 || wire != 0, "number 0 comes again");
        let found = rollover.resolve(wire, from, span);
        if distance <= span {
            prop_assert_eq!(found, Some(block));
        } else if let Some(other) = found {
            prop_assert!(other != block && (from..=from + span).contains(&other));
            prop_assert_eq!(rollover.to_wire(other), wire);
        }
        // Numbers follow each other, and after 65,535 comes what was agreed.
        let next = rollover.to_wire(block + 1);
        prop_assert_eq!(next, if wire == 65_535 { u16::from(one) } else { wire + 1 });
    }
}
