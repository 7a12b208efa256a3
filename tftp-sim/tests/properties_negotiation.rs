//! Negotiation: never more than was asked, never more than the policy allows, and both sides agree.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tftp_proto::config::{MAX_WINDOW, OptionPolicy};
use tftp_proto::negotiate::{Parameters, accept, grant};
use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Direction, Mode, OptionKind, Options, Packet, Repr};

fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/regressions/negotiation.txt");
    ProptestConfig {
        cases: 800,
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
        option::of(prop_oneof![1u32.., 1u32..200_000]),
        option::of(prop_oneof![any::<u64>(), 0u64..2]),
        option::of(1u16..),
        option::of(rollover),
    )
        .prop_map(|(block_size, block_size2, timeout, micro_timeout, transfer_size, window_size, rollover)| {
            Options { block_size, block_size2, timeout, micro_timeout, transfer_size, window_size, rollover }
        })
}

prop_compose! {
    fn any_policy()(
        disabled in vec(0usize..7, 0..4),
        max_block_size in any::<u16>(),
        max_window in any::<u16>(),
        min_timeout in 0u64..3_000_000,
        max_timeout in 0u64..300_000_000,
        size_of_empty_files in any::<bool>(),
    ) -> OptionPolicy {
        let mut policy = OptionPolicy {
            max_block_size,
            max_window,
            min_timeout: Duration::from_micros(min_timeout),
            max_timeout: Duration::from_micros(max_timeout),
            size_of_empty_files,
            ..OptionPolicy::default()
        };
        for kind in disabled {
            policy.disabled.insert(OptionKind::ALL[kind]);
        }
        policy
    }
}

fn any_direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Read), Just(Direction::Write)]
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![3 => Just(Mode::Octet), 1 => Just(Mode::Netascii)]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_grant_lies_within_request_and_policy(
        asked in any_options(),
        policy in any_policy(),
        direction in any_direction(),
        mode in any_mode(),
        size in option::of(prop_oneof![any::<u64>(), Just(0u64)]),
    ) {
        let (granted, parameters) = grant(&asked, direction, mode, &policy, size);
        for (kind, value) in granted.iter() {
            prop_assert!(!policy.disabled.contains(kind), "{kind:?} is switched off");
            let wanted = asked.value(kind);
            prop_assert!(wanted.is_some(), "{kind:?} was not asked");
            let wanted = wanted.unwrap();
            match kind {
                OptionKind::BlockSize | OptionKind::BlockSize2 => {
                    prop_assert!((8..=wanted).contains(&value));
                    prop_assert!(value <= u64::from(policy.max_block_size.max(8)));
                    prop_assert!(kind == OptionKind::BlockSize || value.is_power_of_two());
                }
                OptionKind::WindowSize => {
                    prop_assert!((1..=wanted.min(u64::from(MAX_WINDOW))).contains(&value));
                    prop_assert!(value <= u64::from(policy.max_window.max(1)));
                }
                OptionKind::Timeout | OptionKind::MicroTimeout => {
                    prop_assert_eq!(value, wanted);
                    let unit = if kind == OptionKind::Timeout { 1_000_000 } else { 1 };
                    let interval = Duration::from_micros(value * unit);
                    prop_assert!((policy.min_timeout..=policy.max_timeout).contains(&interval));
                }
                OptionKind::Rollover => prop_assert_eq!(value, wanted),
                OptionKind::TransferSize => match direction {
                    Direction::Write => prop_assert_eq!(value, wanted),
                    Direction::Read => {
                        prop_assert_eq!(Some(value), size);
                        prop_assert!(mode == Mode::Octet && (value > 0 || policy.size_of_empty_files));
                    }
                },
            }
        }
        prop_assert!(granted.block_size.is_none() || granted.block_size2.is_none(), "two block sizes");
        prop_assert!(granted.timeout.is_none() || granted.micro_timeout.is_none(), "two timeouts");
        let block_size = granted.block_size.or(granted.block_size2).unwrap_or(512);
        prop_assert_eq!(parameters.block_size, block_size);
        prop_assert_eq!(parameters.window_size, granted.window_size.unwrap_or(1));
        prop_assert_eq!(parameters.rollover, granted.rollover.unwrap_or_default());
        if granted.is_empty() {
            let plain = Parameters { transfer_size: parameters.transfer_size, ..Parameters::without_options(mode) };
            prop_assert_eq!(parameters, plain);
        }
    }

    #[test]
    fn the_client_accepts_what_our_server_grants_and_both_mean_the_same(
        asked in any_options(),
        policy in any_policy(),
        direction in any_direction(),
        mode in any_mode(),
        size in option::of(any::<u64>()),
    ) {
        let (granted, server) = grant(&asked, direction, mode, &policy, size);
        prop_assume!(!granted.is_empty());
        let mut out = [0; 512];
        let len = Repr::Oack(granted).emit(&mut out).unwrap();
        let Ok(Packet::Oack(raw)) = Packet::parse(&out[..len]) else { panic!() };
        let client = accept(&asked, &raw.parse(), mode);
        prop_assert!(client.is_ok(), "{client:?}");
        let (told, client) = client.unwrap();
        prop_assert_eq!(told, granted);
        prop_assert_eq!(Parameters { transfer_size: None, ..client }, Parameters { transfer_size: None, ..server });
    }

    #[test]
    fn a_client_takes_nothing_that_it_did_not_ask(asked in any_options(), offered in any_options(), unknown in 0u16..2) {
        let mut oack = tftp_proto::wire::ParsedOptions::default();
        oack.options = offered;
        oack.unknown = unknown;
        let Ok((_, parameters)) = accept(&asked, &oack, Mode::Octet) else { return Ok(()) };
        prop_assert_eq!(unknown, 0);
        let most = asked.block_size.into_iter().chain(asked.block_size2).max().unwrap_or(512);
        prop_assert!(parameters.block_size <= most.max(512));
        prop_assert!(parameters.window_size <= asked.window_size.unwrap_or(1));
        for (kind, _) in offered.iter() {
            prop_assert!(asked.value(kind).is_some(), "{kind:?} was not asked");
        }
    }
}
