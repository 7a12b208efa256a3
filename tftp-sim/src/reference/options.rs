//! What is asked, and what is granted of it.

use super::wire::{Mode, Request};
use super::{SECOND, Time};

/// The options of a request that can be used, in the order in which they are granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked(Vec<(&'static str, u64)>);

const NAMES: [&str; 7] = ["blksize", "blksize2", "timeout", "utimeout", "tsize", "windowsize", "rollover"];

impl Asked {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut fields: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        // What no NUL ends is not a field.
        fields.pop();
        let mut fields = fields.into_iter();
        let mut found: Vec<(&'static str, Option<u64>)> = Vec::new();
        while let Some(name) = fields.find(|field| !field.is_empty()) {
            let Some(value) = fields.next() else { break };
            let known = NAMES.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name));
            // Of a repeated option the first counts.
            if let Some(name) = known.filter(|name| found.iter().all(|(before, _)| before != name)) {
                found.push((name, number(value).and_then(|value| usable(name, value))));
            }
        }
        let value = |name| found.iter().find(|(found, _)| *found == name)?.1;
        Self(NAMES.into_iter().filter_map(|name| Some((name, value(name)?))).collect())
    }

    pub(super) fn value(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(std::str::from_utf8(text).ok()?.parse().unwrap_or(u64::MAX))
}

/// What a value stands for: too large a size is the largest there is, anything else out of range is nothing.
fn usable(name: &str, value: u64) -> Option<u64> {
    match name {
        "blksize" => (value >= 8).then(|| value.min(65_464)),
        "blksize2" => (value >= 8 && (value.count_ones() == 1 || value == u64::MAX)).then(|| value.min(32_768)),
        "timeout" => (1..=255).contains(&value).then_some(value),
        "utimeout" => (1..=u64::from(u32::MAX)).contains(&value).then_some(value),
        "tsize" => Some(value),
        "windowsize" => (value >= 1).then(|| value.min(65_535)),
        _ => (value < 2).then_some(value),
    }
}

/// What a server grants at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) window: u64,
    pub(super) shortest: Time,
    pub(super) longest: Time,
}

/// What was agreed.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) block: usize,
    pub(super) window: u64,
    pub(super) timeout: Option<Time>,
    /// What follows block 65,535.
    wraps_to: u64,
    /// Whether the client was told the size.
    pub(super) told_size: bool,
    /// The OACK, if anything was granted.
    pub(super) oack: Option<Vec<u8>>,
}

impl Terms {
    /// A server's answer to a request; `size`: of the file to be read.
    pub(super) fn grant(request: &Request, policy: Policy, size: Option<u64>) -> Self {
        let mut granted: Vec<(&str, u64)> = Vec::new();
        let has = |granted: &[(&str, u64)], name| granted.iter().any(|(known, _)| *known == name);
        for (name, value) in request.asked.0.iter().copied() {
            let allowed = |time| (policy.shortest..=policy.longest).contains(&time);
            let value = match name {
                "blksize2" if has(&granted, "blksize") => None,
                "timeout" => Some(value).filter(|value| allowed(value * SECOND)),
                "utimeout" if has(&granted, "timeout") => None,
                "utimeout" => Some(value).filter(|value| allowed(*value)),
                "tsize" if request.writes => Some(value),
                "tsize" if request.mode == Mode::Netascii => None,
                "tsize" => size.filter(|size| *size > 0),
                "windowsize" => Some(value.min(policy.window)),
                _ => Some(value),
            };
            granted.extend(value.map(|value| (name, value)));
        }
        let value = |name| granted.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let block = value("blksize").or(value("blksize2")).unwrap_or(512);
        let text: String = granted.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        Self {
            block: usize::try_from(block).unwrap_or(usize::MAX),
            window: value("windowsize").unwrap_or(1),
            timeout: value("utimeout").or(value("timeout").map(|seconds| seconds * SECOND)),
            wraps_to: value("rollover").unwrap_or(0),
            told_size: value("tsize").is_some(),
            oack: (!text.is_empty()).then(|| [&[0, 6], text.as_bytes()].concat()),
        }
    }

    /// The number of a block on the wire.
    pub(super) fn number(&self, block: u64) -> u16 {
        let mut number = block;
        while number > 65_535 {
            number -= 65_536 - self.wraps_to;
        }
        u16::try_from(number).unwrap_or(0)
    }

    /// The block in a range whose number this is.
    pub(super) fn block_of(&self, number: u16, mut range: std::ops::Range<u64>) -> Option<u64> {
        range.find(|block| self.number(*block) == number)
    }
}
