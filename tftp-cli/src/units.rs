//! Sizes, durations and ranges as people write and read them.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;

/// A size in bytes: `1500`, `64KiB`, `2 GB`. KB is 1000 bytes, KiB 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| "expected bytes, or a number with KB, MB, GB (1000) or KiB, MiB, GiB (1024)".into())
}

/// Permissions of a file, in octal: `640`, `0640`.
pub(crate) fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| digits && *mode <= 0o777)
        .ok_or_else(|| "expected three octal digits, for owner, group and others: 640".into())
}

/// A duration above zero: `500ms`, `1m 30s`; a number without a unit is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        Err(_) => humantime::parse_duration(text)
            .map_err(|_| "expected seconds, or a number with a unit such as 500ms, 2s or 1m".to_owned())?,
    };
    if duration.is_zero() {
        return Err("must be above zero".into());
    }
    if duration > Duration::from_secs(86_400) {
        return Err("must not be above a day".into());
    }
    Ok(duration)
}

/// A range of UDP ports: `LO-HI`, or one port.
pub(crate) fn parse_port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| match text.trim().parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{text:?} is not a port: expected LO-HI with ports from 1 to 65535")),
    };
    let (low, high) = (port(low)?, port(high)?);
    if low > high {
        return Err(format!("the range is empty: {low} is above {high}"));
    }
    Ok(low..=high)
}

/// A size for people: `42 B`, `1.5 MiB`.
pub(crate) fn show_size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// A duration for people, to the millisecond: `0.012 s`, `83.100 s`.
pub(crate) fn show_seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

/// Bytes per second, for people.
pub(crate) fn show_rate(bytes: u64, duration: Duration) -> String {
    let seconds = duration.as_secs_f64().max(1e-6);
    format!("{}/s", show_size((bytes as f64 / seconds) as u64))
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        assert_eq!(parse_size("1500"), Ok(1500));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("64 kb"), Ok(64_000));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        assert!(parse_size("-1").is_err());
        assert!(parse_size("lots").is_err());
        assert!(parse_size("").is_err());
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(parse_mode("640"), Ok(0o640));
        assert_eq!(parse_mode("0644"), Ok(0o644));
        for wrong in ["", "rw-r--r--", "888", "1777", "4755", "+640", "-1", "u=rw"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_default_to_seconds() {
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        for wrong in ["0", "-1", "NaN", "inf", "soon", "", "2days"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn port_ranges_are_checked() {
        assert_eq!(parse_port_range("7000-7100"), Ok(7000..=7100));
        assert_eq!(parse_port_range("7000"), Ok(7000..=7000));
        for wrong in ["", "-", "7000-", "0-5", "7100-7000", "1-65536", "a-b", "1-2-3"] {
            assert!(parse_port_range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn people_read_sizes() {
        assert_eq!(show_size(0), "0 B");
        assert_eq!(show_size(1536), "1.5 KiB");
        assert_eq!(show_rate(1 << 20, Duration::from_secs(1)), "1.0 MiB/s");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(0, "file"), "0 files");
    }
}
