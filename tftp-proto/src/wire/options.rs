//! Options of requests and option acknowledgements (RFC 2347), and their values.

use crate::seq::Rollover;

/// The smallest block size (RFC 2348).
pub const MIN_BLOCK_SIZE: u16 = 8;
/// The largest block size (RFC 2348).
pub const MAX_BLOCK_SIZE: u16 = 65_464;

/// The options this crate knows, by their names on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptionKind {
    /// `blksize`, bytes (RFC 2348).
    BlockSize,
    /// `blksize2`, bytes, a power of two (no RFC).
    BlockSize2,
    /// `timeout`, seconds (RFC 2349).
    Timeout,
    /// `utimeout`, microseconds (no RFC).
    MicroTimeout,
    /// `tsize`, bytes (RFC 2349).
    TransferSize,
    /// `windowsize`, blocks (RFC 7440).
    WindowSize,
    /// `rollover`, 0 or 1 (no RFC).
    Rollover,
}

impl OptionKind {
    /// Every option, in the order in which this crate sends them.
    pub const ALL: [Self; 7] = [
        Self::BlockSize,
        Self::BlockSize2,
        Self::Timeout,
        Self::MicroTimeout,
        Self::TransferSize,
        Self::WindowSize,
        Self::Rollover,
    ];

    /// The name on the wire, in lower case as some clients demand it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlockSize => "blksize",
            Self::BlockSize2 => "blksize2",
            Self::Timeout => "timeout",
            Self::MicroTimeout => "utimeout",
            Self::TransferSize => "tsize",
            Self::WindowSize => "windowsize",
            Self::Rollover => "rollover",
        }
    }

    /// The option of that name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        //= rfc2347#packet-formats
        //# The first option, in case-insensitive ASCII (e.g., blksize).
        Self::ALL.into_iter().find(|kind| kind.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// A set of options with valid values: what is asked in a request or granted in an OACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// `blksize` in bytes, 8 to 65,464 (RFC 2348).
    pub block_size: Option<u16>,
    /// `blksize2` in bytes, a power of two from 8 to 32,768.
    pub block_size2: Option<u16>,
    /// `timeout` in seconds, 1 to 255 (RFC 2349).
    pub timeout: Option<u8>,
    /// `utimeout` in microseconds, at least 1.
    pub micro_timeout: Option<u32>,
    /// `tsize` in bytes (RFC 2349).
    pub transfer_size: Option<u64>,
    /// `windowsize` in blocks, 1 to 65,535 (RFC 7440).
    pub window_size: Option<u16>,
    /// `rollover`.
    pub rollover: Option<Rollover>,
}

impl Options {
    /// No option at all.
    pub const NONE: Self = Self {
        block_size: None,
        block_size2: None,
        timeout: None,
        micro_timeout: None,
        transfer_size: None,
        window_size: None,
        rollover: None,
    };

    /// Whether no option is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// The value of an option as a number on the wire.
    #[must_use]
    pub fn value(&self, kind: OptionKind) -> Option<u64> {
        match kind {
            OptionKind::BlockSize => self.block_size.map(u64::from),
            OptionKind::BlockSize2 => self.block_size2.map(u64::from),
            OptionKind::Timeout => self.timeout.map(u64::from),
            OptionKind::MicroTimeout => self.micro_timeout.map(u64::from),
            OptionKind::TransferSize => self.transfer_size,
            OptionKind::WindowSize => self.window_size.map(u64::from),
            OptionKind::Rollover => self.rollover.map(Rollover::value),
        }
    }

    /// The options that are set, with their values, in sending order.
    pub fn iter(&self) -> impl Iterator<Item = (OptionKind, u64)> + '_ {
        OptionKind::ALL.into_iter().filter_map(|kind| Some((kind, self.value(kind)?)))
    }

    /// The same options without those of `kind`.
    #[must_use]
    pub fn without(mut self, kind: OptionKind) -> Self {
        match kind {
            OptionKind::BlockSize => self.block_size = None,
            OptionKind::BlockSize2 => self.block_size2 = None,
            OptionKind::Timeout => self.timeout = None,
            OptionKind::MicroTimeout => self.micro_timeout = None,
            OptionKind::TransferSize => self.transfer_size = None,
            OptionKind::WindowSize => self.window_size = None,
            OptionKind::Rollover => self.rollover = None,
        }
        self
    }

    /// Sets an option from a number that may be out of its range.
    ///
    /// Too large a size becomes the largest there is, so that the peer can be offered it; anything else out of
    /// range leaves the option out. Returns whether the number was in range.
    fn set(&mut self, kind: OptionKind, number: u64) -> bool {
        match kind {
            OptionKind::BlockSize => {
                //= rfc2348#blocksize-option-specification
                //# Valid values range between "8" and "65464" octets, inclusive.
                self.block_size = clamp_size(number, MIN_BLOCK_SIZE, MAX_BLOCK_SIZE);
                self.block_size.map(u64::from) == Some(number)
            }
            OptionKind::BlockSize2 => {
                // Above every u64 power of two the number was saturated; the largest block is meant all the same.
                let valid = number.is_power_of_two() || number == u64::MAX;
                self.block_size2 = valid.then(|| clamp_size(number, MIN_BLOCK_SIZE, 32_768)).flatten();
                self.block_size2.map(u64::from) == Some(number)
            }
            OptionKind::Timeout => {
                //= rfc2349#timeout-interval-option-specification
                //# Valid values range between "1" and "255" seconds, inclusive.
                self.timeout = u8::try_from(number).ok().filter(|seconds| *seconds > 0);
                self.timeout.is_some()
            }
            OptionKind::MicroTimeout => {
                self.micro_timeout = u32::try_from(number).ok().filter(|micros| *micros > 0);
                self.micro_timeout.is_some()
            }
            OptionKind::TransferSize => {
                self.transfer_size = Some(number);
                true
            }
            OptionKind::WindowSize => {
                //= rfc7440#section-3
                //# The valid values range MUST be between 1 and 65535 blocks, inclusive.
                self.window_size = clamp_size(number, 1, u16::MAX);
                self.window_size.map(u64::from) == Some(number)
            }
            OptionKind::Rollover => {
                self.rollover = match number {
                    0 => Some(Rollover::Zero),
                    1 => Some(Rollover::One),
                    _ => None,
                };
                self.rollover.is_some()
            }
        }
    }
}

fn clamp_size(number: u64, min: u16, max: u16) -> Option<u16> {
    (number >= u64::from(min)).then(|| u16::try_from(number).unwrap_or(max).min(max))
}

/// The option part of a packet: an iterator over the raw pairs of name and value.
///
/// A last option without its value or without a NUL at its end is left out. A NUL where a name should begin is
/// skipped, so that padding and stray bytes do not hide the options behind them; an empty value is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RawOptions<'a>(&'a [u8]);

impl<'a> RawOptions<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The options known to this crate, typed, and what was odd about the rest.
    ///
    /// Of a repeated option the first counts.
    #[must_use]
    pub fn parse(self) -> ParsedOptions {
        let mut parsed = ParsedOptions::default();
        let mut seen = [false; OptionKind::ALL.len()];
        //= rfc2347#packet-formats
        //# The order in which options are specified is not significant.
        for (name, value) in self {
            let Some(kind) = OptionKind::from_name(name) else {
                //= rfc2347#negotiation-protocol
                //# Options which the server does not support should be omitted from the OACK; they should not cause an
                //# ERROR packet to be generated.
                parsed.unknown += 1;
                continue;
            };
            //= rfc2347#negotiation-protocol
            //# however, an option may only be specified once.
            if core::mem::replace(&mut seen[kind as usize], true) {
                parsed.repeated += 1;
                continue;
            }
            match parse_number(value) {
                Some(number) if parsed.options.set(kind, number) => {}
                Some(_) | None => parsed.invalid += 1,
            }
        }
        parsed
    }
}

impl<'a> Iterator for RawOptions<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [0, rest @ ..] = self.0 {
            self.0 = rest;
        }
        //= rfc2347#packet-formats
        //# The options and values are all NULL-terminated, in keeping with the original request format.
        let (name, rest) = split_at_nul(self.0)?;
        let (value, rest) = split_at_nul(rest)?;
        self.0 = rest;
        Some((name, value))
    }
}

/// What the option part of a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ParsedOptions {
    /// The known options with usable values.
    pub options: Options,
    /// Options this crate does not know.
    pub unknown: u16,
    /// Known options whose value was malformed or out of range (a size too large stays, cut to the largest).
    pub invalid: u16,
    /// Known options that came again.
    pub repeated: u16,
}

/// Splits at the first NUL, which belongs to neither part.
pub(super) fn split_at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// A plain decimal number: digits only. One that does not fit becomes `u64::MAX`.
fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.checked_mul(10).and_then(|n| n.checked_add(digit)).unwrap_or(u64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> ParsedOptions {
        RawOptions::new(bytes).parse()
    }

    #[test]
    fn names_in_any_case_and_any_order() {
        let parsed = parse(b"TSize\x000\0BLKSIZE\x001432\0");
        assert_eq!(parsed.options.transfer_size, Some(0));
        assert_eq!(parsed.options.block_size, Some(1432));
    }

    #[test]
    fn only_plain_decimal_numbers_count() {
        for value in ["-1", "+8", "0x200", " 8", "8 ", "", "eight", "1e3"] {
            let bytes = [b"blksize\0", value.as_bytes(), b"\0"].concat();
            let parsed = parse(&bytes);
            assert_eq!(parsed.options, Options::NONE, "{value:?}");
            assert_eq!(parsed.invalid, 1, "{value:?}");
        }
    }

    #[test]
    fn too_large_becomes_the_largest_and_too_small_is_left_out() {
        let long = "9".repeat(400);
        for (value, expected) in
            [("7", None), ("0", None), ("8", Some(8)), ("65465", Some(65_464)), (long.as_str(), Some(65_464))]
        {
            let bytes = [b"blksize\0", value.as_bytes(), b"\0"].concat();
            assert_eq!(parse(&bytes).options.block_size, expected, "{value}");
        }
        assert_eq!(parse(b"windowsize\x000\0").options.window_size, None);
        assert_eq!(parse(b"windowsize\x0065536\0").options.window_size, Some(65_535));
        assert_eq!(parse(b"timeout\x000\0").options.timeout, None);
        assert_eq!(parse(b"timeout\x00256\0").options.timeout, None);
        assert_eq!(parse(b"utimeout\x000\0").options.micro_timeout, None);
        assert_eq!(parse(b"blksize2\x001000\0").options.block_size2, None);
        assert_eq!(parse(b"blksize2\x0065536\0").options.block_size2, Some(32_768));
        assert_eq!(parse(b"rollover\x002\0").options.rollover, None);
        assert_eq!(parse(b"tsize\x0018446744073709551616\0").options.transfer_size, Some(u64::MAX));
    }

    #[test]
    fn the_first_of_a_repeated_option_counts() {
        let parsed = parse(b"blksize\x00600\0blksize\x00700\0");
        assert_eq!(parsed.options.block_size, Some(600));
        assert_eq!(parsed.repeated, 1);
        assert_eq!(parse(b"blksize\x00x\0blksize\x00700\0").options.block_size, None);
    }

    #[test]
    fn empty_values_padding_and_cut_options_hide_nothing() {
        assert_eq!(parse(b"multicast\0\0blksize\x00600\0").options.block_size, Some(600));
        assert_eq!(parse(b"\0\0blksize\x00600\0\0\0").options.block_size, Some(600));
        assert_eq!(parse(b"blksize\x00600\0tsize\x0012").options.transfer_size, None);
        assert_eq!(parse(b"blksize\x00600\0tsize").options.block_size, Some(600));
        assert_eq!(parse(b"foo_blksize_bar\x00600\0").options, Options::NONE);
    }
}
