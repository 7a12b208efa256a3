//! Option negotiation (RFC 2347): request × policy → OACK and parameters, for both roles.

use core::time::Duration;

use thiserror::Error;

use crate::config::{MAX_WINDOW, OptionPolicy};
use crate::seq::Rollover;
use crate::wire::{
    DEFAULT_BLOCK_SIZE, Direction, MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, Mode, OptionKind, Options, ParsedOptions,
};

/// What both sides of a transfer have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// Bytes in a full block.
    pub block_size: u16,
    /// Blocks sent per acknowledgement.
    pub window_size: u16,
    /// The retransmission interval, where one was negotiated.
    pub timeout: Option<Duration>,
    /// What follows block 65,535.
    pub rollover: Rollover,
    /// The file's size in bytes as far as one side told it: a hint, not a promise.
    pub transfer_size: Option<u64>,
    /// Octet or netascii.
    pub mode: Mode,
}

impl Parameters {
    /// The parameters of RFC 1350, where no option was granted.
    #[must_use]
    pub const fn without_options(mode: Mode) -> Self {
        Self {
            block_size: DEFAULT_BLOCK_SIZE,
            //= rfc1350#section-2
            //# Each data packet contains one block of data, and must be acknowledged by an acknowledgment packet before
            //# the next packet can be sent.
            window_size: 1,
            timeout: None,
            rollover: Rollover::Zero,
            transfer_size: None,
            mode,
        }
    }

    /// The nearest that a transfer can work with: blocks of no bytes, or windows of no blocks, would never end.
    pub(crate) fn within_limits(self) -> Self {
        Self {
            block_size: self.block_size.clamp(MIN_BLOCK_SIZE, MAX_BLOCK_SIZE),
            window_size: self.window_size.clamp(1, MAX_WINDOW),
            ..self
        }
    }

    /// The parameters that a set of granted options stands for.
    fn from_granted(granted: &Options, mode: Mode) -> Self {
        let seconds = granted.timeout.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let micros = granted.micro_timeout.map(|micros| Duration::from_micros(u64::from(micros)));
        Self {
            //= rfc2347#negotiation-protocol
            //# An option not acknowledged by the server must be ignored by the client and server as if it were never
            //# requested.
            block_size: granted.block_size.or(granted.block_size2).unwrap_or(DEFAULT_BLOCK_SIZE),
            window_size: granted.window_size.unwrap_or(1),
            timeout: micros.or(seconds),
            rollover: granted.rollover.unwrap_or_default(),
            transfer_size: granted.transfer_size,
            mode,
        }
    }
}

/// A server's answer to the options of a request.
///
/// `size` is the size of the file for a read, if it is known. What is malformed, out of range, switched off or
/// unknown is left out; a size above the policy's maximum becomes that maximum. If nothing is left there is no OACK.
#[must_use]
pub fn grant(
    asked: &Options,
    direction: Direction,
    mode: Mode,
    policy: &OptionPolicy,
    size: Option<u64>,
) -> (Options, Parameters) {
    //= rfc2347#negotiation-protocol
    //# The server must not include in the OACK any option which had not been specifically requested by the client; that
    //# is, only the client may initiate option negotiation.
    let mut granted = *asked;
    for kind in OptionKind::ALL {
        if policy.disabled.contains(kind) {
            granted = granted.without(kind);
        }
    }
    let largest = policy.max_block_size.max(MIN_BLOCK_SIZE);
    //= rfc2348#blocksize-option-specification
    //# The specified value must be less than or equal to the value specified by the client.
    granted.block_size = granted.block_size.map(|size| size.min(largest));
    // Both name the block size: one answer is enough, and the one with an RFC wins.
    granted.block_size2 = match granted.block_size {
        Some(_) => None,
        None => granted.block_size2.map(|size| previous_power_of_two(size.min(largest))),
    };
    //= rfc7440#section-3
    //# The specified value MUST be less than or equal to the value specified by the client.
    granted.window_size = granted.window_size.map(|window| window.min(policy.max_window).clamp(1, MAX_WINDOW));
    let allowed = policy.min_timeout..=policy.max_timeout;
    //= rfc2349#timeout-interval-option-specification
    //# The specified timeout value must match the value specified by the client.
    granted.timeout = granted.timeout.filter(|seconds| allowed.contains(&Duration::from_secs(u64::from(*seconds))));
    granted.micro_timeout = granted
        .micro_timeout
        .filter(|micros| granted.timeout.is_none() && allowed.contains(&Duration::from_micros(u64::from(*micros))));
    let hint = asked.transfer_size;
    granted.transfer_size = granted.transfer_size.and_then(|asked| match direction {
        //= rfc2349#transfer-size-option-specification
        //# In Write Request packets, the size of the file, in octets, is specified in the request and echoed back in
        //# the OACK.
        Direction::Write => Some(asked),
        // The encoded size of a text is not known beforehand.
        Direction::Read if mode == Mode::Netascii => None,
        //= rfc2349#transfer-size-option-specification
        //# In Read Request packets, a size of "0" is specified in the request and the size of the file, in octets, is
        //# returned in the OACK.
        Direction::Read => size.filter(|size| *size > 0 || policy.size_of_empty_files),
    });
    let mut parameters = Parameters::from_granted(&granted, mode);
    parameters.transfer_size = match direction {
        Direction::Read => size,
        Direction::Write => hint,
    };
    (granted, parameters)
}

/// Why a client refuses an OACK. It answers with ERROR 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The OACK holds an option that was not asked for.
    #[error("the server acknowledged an option that was not asked for")]
    NotAsked,
    /// A value is malformed or out of its range.
    #[error("the server acknowledged an option with an invalid value")]
    Invalid,
    /// A value is larger than what was asked, or differs where it must be echoed.
    #[error("the server acknowledged {} with a value other than asked", .0.name())]
    Changed(OptionKind),
}

impl Refusal {
    /// Text for the server's ERROR 8.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::NotAsked => "option not requested",
            Self::Invalid => "invalid option value",
            Self::Changed(_) => "option value not acceptable",
        }
    }
}

/// A client's view of the server's OACK: the options it holds, and what they stand for.
///
/// # Errors
///
/// A [`Refusal`] if the OACK does not fit the request.
pub fn accept(asked: &Options, oack: &ParsedOptions, mode: Mode) -> Result<(Options, Parameters), Refusal> {
    //= rfc2347#negotiation-protocol
    //# If the client receives an OACK containing an unrequested option, it should respond with an ERROR packet, with
    //# error code 8, and terminate the transfer.
    if oack.unknown > 0 {
        return Err(Refusal::NotAsked);
    }
    if oack.invalid > 0 {
        return Err(Refusal::Invalid);
    }
    for (kind, value) in oack.options.iter() {
        //= rfc2347#negotiation-protocol
        //# If the client receives an OACK containing an unrequested option, it should respond with an ERROR packet,
        //# with error code 8, and terminate the transfer.
        let wanted = asked.value(kind).ok_or(Refusal::NotAsked)?;
        let fits = match kind {
            //= rfc2348#blocksize-option-specification
            //# The client must then either use the size specified in the OACK, or send an ERROR packet, with error code
            //# 8, to terminate the transfer.
            //= rfc7440#section-3
            //# The client MUST then either use the size specified in the OACK or send an ERROR packet, with error code
            //# 8, to terminate the transfer.
            OptionKind::BlockSize | OptionKind::BlockSize2 | OptionKind::WindowSize => value <= wanted,
            //= rfc2349#timeout-interval-option-specification
            //# The specified timeout value must match the value specified by the client.
            OptionKind::Timeout | OptionKind::MicroTimeout | OptionKind::Rollover => value == wanted,
            // For a read it is news; for a write some servers do not echo it exactly, and nothing hangs on it.
            OptionKind::TransferSize => true,
        };
        if !fits {
            return Err(Refusal::Changed(kind));
        }
    }
    //= rfc2347#negotiation-protocol
    //# If multiple options were requested, the client must use those options which were acknowledged by the server and
    //# must not use those options which were not acknowledged by the server.
    Ok((oack.options, Parameters::from_granted(&oack.options, mode)))
}

fn previous_power_of_two(size: u16) -> u16 {
    size.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(options: Options) -> (Options, Parameters) {
        grant(&options, Direction::Read, Mode::Octet, &OptionPolicy::default(), Some(1000))
    }

    #[test]
    fn sizes_above_the_policy_become_the_policy() {
        let policy = OptionPolicy { max_block_size: 1428, max_window: 16, ..OptionPolicy::default() };
        let asked = Options { block_size: Some(65_464), window_size: Some(64), ..Options::NONE };
        let (granted, parameters) = grant(&asked, Direction::Read, Mode::Octet, &policy, None);
        assert_eq!(granted.block_size, Some(1428));
        assert_eq!(granted.window_size, Some(16));
        assert_eq!((parameters.block_size, parameters.window_size), (1428, 16));
        let asked = Options { block_size2: Some(32_768), ..Options::NONE };
        assert_eq!(grant(&asked, Direction::Read, Mode::Octet, &policy, None).0.block_size2, Some(1024));
    }

    #[test]
    fn nothing_is_granted_that_was_not_asked() {
        assert_eq!(
            ask(Options::NONE),
            (Options::NONE, {
                let mut parameters = Parameters::without_options(Mode::Octet);
                parameters.transfer_size = Some(1000);
                parameters
            })
        );
    }

    #[test]
    fn every_option_can_be_switched_off() {
        let asked = Options {
            block_size: Some(1024),
            block_size2: Some(512),
            timeout: Some(1),
            micro_timeout: Some(20_000),
            transfer_size: Some(0),
            window_size: Some(4),
            rollover: Some(Rollover::One),
        };
        for kind in OptionKind::ALL {
            let mut policy = OptionPolicy::default();
            policy.disabled.insert(kind);
            let (granted, _) = grant(&asked, Direction::Read, Mode::Octet, &policy, Some(9));
            assert_eq!(granted.value(kind), None, "{kind:?}");
        }
    }

    #[test]
    fn tsize_answers_a_read_with_the_size_and_echoes_a_write() {
        let asked = Options { transfer_size: Some(7), ..Options::NONE };
        let policy = OptionPolicy::default();
        let size = |direction, mode, size| grant(&asked, direction, mode, &policy, size).0.transfer_size;
        assert_eq!(size(Direction::Read, Mode::Octet, Some(1000)), Some(1000));
        assert_eq!(size(Direction::Read, Mode::Octet, None), None);
        assert_eq!(size(Direction::Read, Mode::Octet, Some(0)), None);
        assert_eq!(size(Direction::Read, Mode::Netascii, Some(1000)), None);
        assert_eq!(size(Direction::Write, Mode::Netascii, None), Some(7));
    }

    #[test]
    fn a_timeout_is_echoed_exactly_or_left_out() {
        let policy = OptionPolicy { max_timeout: Duration::from_secs(10), ..OptionPolicy::default() };
        for (asked, granted) in [(1, Some(1)), (10, Some(10)), (11, None)] {
            let asked = Options { timeout: Some(asked), ..Options::NONE };
            assert_eq!(grant(&asked, Direction::Read, Mode::Octet, &policy, None).0.timeout, granted);
        }
    }

    #[test]
    fn a_client_refuses_what_it_did_not_ask() {
        let asked = Options { block_size: Some(1024), timeout: Some(3), ..Options::NONE };
        let oack = |options| ParsedOptions { options, ..ParsedOptions::default() };
        let check = |options| accept(&asked, &oack(options), Mode::Octet);
        assert!(check(Options::NONE).is_ok());
        assert_eq!(check(Options { block_size: Some(512), ..Options::NONE }).unwrap().1.block_size, 512);
        let larger = Options { block_size: Some(1025), ..Options::NONE };
        assert_eq!(check(larger), Err(Refusal::Changed(OptionKind::BlockSize)));
        let other = Options { timeout: Some(2), ..Options::NONE };
        assert_eq!(check(other), Err(Refusal::Changed(OptionKind::Timeout)));
        let unasked = Options { window_size: Some(1), ..Options::NONE };
        assert_eq!(check(unasked), Err(Refusal::NotAsked));
        let unknown = ParsedOptions { unknown: 1, ..ParsedOptions::default() };
        assert_eq!(accept(&asked, &unknown, Mode::Octet), Err(Refusal::NotAsked));
    }
}
