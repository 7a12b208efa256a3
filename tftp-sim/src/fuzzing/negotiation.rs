use std::time::Duration;

use tftp_proto::config::{OptionPolicy, OptionSet};
use tftp_proto::negotiate::{Parameters, accept, grant};
use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Direction, Mode, OptionKind, Options, Packet, ParsedOptions, Repr};

use super::script::Script;

/// A request's options meet a policy, and then the client any OACK.
///
/// What the server grants must lie within the request and the policy, the parameters must be those that the OACK says,
/// and the client that asked must accept it. An OACK of any other server is accepted only if it is no more than asked.
///
/// # Panics
///
/// If a rule is broken.
pub fn negotiation(input: &[u8]) {
    let mut script = Script::new(input);
    let policy = policy(&mut script);
    let (write, text) = (script.flag(), script.flag());
    let direction = if write { Direction::Write } else { Direction::Read };
    let mode = if text { Mode::Netascii } else { Mode::Octet };
    let size = script.flag().then(|| script.number());
    let len = usize::from(script.byte());
    let asked = parse(script.bytes(len));
    let (granted, parameters) = grant(&asked.options, direction, mode, &policy, size);
    check_grant(&asked.options, &granted, &policy);
    check_size(&asked.options, &granted, direction, mode, size, &policy);
    check_parameters(&granted, &parameters, mode);

    // Our own answer, over the wire, suits the client that asked; both end up with the same parameters.
    let mut out = [0; 512];
    let len = Repr::Oack(granted).emit(&mut out).unwrap_or(0);
    let accepted = accept(&asked.options, &parse(out.get(2..len).unwrap_or_default()), mode);
    let (agreed, theirs) = accepted.unwrap_or_else(|refusal| unreachable!("{asked:?} {granted:?}: {refusal}"));
    assert_eq!(agreed, granted);
    assert_eq!(Parameters { transfer_size: None, ..theirs }, Parameters { transfer_size: None, ..parameters });

    // And somebody else's.
    let oack = parse(script.rest());
    if let Ok((agreed, parameters)) = accept(&asked.options, &oack, mode) {
        assert_eq!((oack.unknown, oack.invalid), (0, 0), "accepted all the same");
        check_echo(&asked.options, &agreed);
        check_parameters(&agreed, &parameters, mode);
    } else {
        assert!(oack.unknown > 0 || oack.invalid > 0 || !is_echo(&asked.options, &oack.options), "refused for nothing");
    }
}

fn policy(script: &mut Script<'_>) -> OptionPolicy {
    let mut disabled = OptionSet::NONE;
    let mask = script.byte();
    for (place, kind) in OptionKind::ALL.into_iter().enumerate() {
        if mask >> place & 1 == 1 {
            disabled.insert(kind);
        }
    }
    OptionPolicy {
        disabled,
        max_block_size: script.word(),
        max_window: script.word(),
        min_timeout: Duration::from_millis(u64::from(script.byte())),
        max_timeout: Duration::from_secs(u64::from(script.byte())),
        size_of_empty_files: script.flag(),
    }
}

fn parse(bytes: &[u8]) -> ParsedOptions {
    let oack = [b"\0\x06", bytes].concat();
    let Ok(Packet::Oack(raw)) = Packet::parse(&oack) else { unreachable!("any bytes may follow") };
    raw.parse()
}

fn check_grant(asked: &Options, granted: &Options, policy: &OptionPolicy) {
    check_echo(asked, granted);
    for kind in OptionKind::ALL {
        assert!(granted.value(kind).is_none() || !policy.disabled.contains(kind), "{kind:?} is switched off");
    }
    let largest = policy.max_block_size.max(8);
    for size in granted.block_size.into_iter().chain(granted.block_size2) {
        assert!((8..=largest).contains(&size), "a block size of {size}");
    }
    assert!(granted.block_size.is_none() || granted.block_size2.is_none(), "two block sizes");
    assert!(granted.block_size2.is_none_or(u16::is_power_of_two));
    let window = granted.window_size.unwrap_or(1);
    assert!((1..=policy.max_window.clamp(1, 32_767)).contains(&window), "a window of {window}");
    let seconds = granted.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    let micros = granted.micro_timeout.map(|micros| Duration::from_micros(micros.into()));
    assert!(seconds.is_none() || micros.is_none(), "two timeouts");
    for timeout in seconds.into_iter().chain(micros) {
        assert!(policy.min_timeout <= timeout && timeout <= policy.max_timeout, "a timeout of {timeout:?}");
    }
    // What can be granted is.
    let is_on = |kind| !policy.disabled.contains(kind);
    assert_eq!(granted.block_size.is_some(), asked.block_size.is_some() && is_on(OptionKind::BlockSize));
    assert_eq!(granted.window_size.is_some(), asked.window_size.is_some() && is_on(OptionKind::WindowSize));
    assert_eq!(granted.rollover.is_some(), asked.rollover.is_some() && is_on(OptionKind::Rollover));
}

fn check_size(
    asked: &Options,
    granted: &Options,
    direction: Direction,
    mode: Mode,
    size: Option<u64>,
    policy: &OptionPolicy,
) {
    let Some(told) = granted.transfer_size else { return };
    match direction {
        Direction::Write => assert_eq!(asked.transfer_size, Some(told), "an echo"),
        Direction::Read => {
            assert_eq!((size, mode), (Some(told), Mode::Octet), "a size that is not known");
            assert!(told > 0 || policy.size_of_empty_files, "an empty file's size");
        }
    }
}

/// Nothing that was not asked, and nothing larger; timeouts and the rollover as they were asked.
fn check_echo(asked: &Options, granted: &Options) {
    assert!(is_echo(asked, granted), "{granted:?} was granted to {asked:?}");
}

fn is_echo(asked: &Options, granted: &Options) -> bool {
    fn no_larger<T: PartialOrd>(granted: Option<T>, asked: Option<T>) -> bool {
        granted.is_none_or(|granted| asked.is_some_and(|asked| granted <= asked))
    }
    no_larger(granted.block_size, asked.block_size)
        && no_larger(granted.block_size2, asked.block_size2)
        && no_larger(granted.window_size, asked.window_size)
        && (granted.timeout.is_none() || granted.timeout == asked.timeout)
        && (granted.micro_timeout.is_none() || granted.micro_timeout == asked.micro_timeout)
        && (granted.rollover.is_none() || granted.rollover == asked.rollover)
        && (granted.transfer_size.is_none() || asked.transfer_size.is_some())
}

/// The parameters are what the OACK says, and RFC 1350's where it says nothing.
fn check_parameters(granted: &Options, parameters: &Parameters, mode: Mode) {
    assert_eq!(parameters.block_size, granted.block_size.or(granted.block_size2).unwrap_or(512));
    assert_eq!(parameters.window_size, granted.window_size.unwrap_or(1));
    assert_eq!(parameters.rollover, granted.rollover.unwrap_or(Rollover::Zero));
    assert_eq!(parameters.mode, mode);
    let micros = granted.timeout.map(|seconds| u64::from(seconds) * 1_000_000);
    let micros = granted.micro_timeout.map(u64::from).or(micros);
    assert_eq!(parameters.timeout, micros.map(Duration::from_micros));
}
