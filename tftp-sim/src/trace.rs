//! What happened, as a fingerprint and, if asked for, in words.

use tftp_proto::Instant;

/// A running fingerprint of everything that happens in a world.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: None }
    }
}

impl Trace {
    /// Keeps every line from now on, for people to read.
    pub fn keep_lines(&mut self) {
        self.lines.get_or_insert_default();
    }

    /// Notes something. `text` is only called if lines are kept; `bytes` is what counts for the fingerprint.
    pub fn note(&mut self, now: Instant, bytes: &[u8], text: impl FnOnce() -> String) {
        for byte in now.as_micros().to_le_bytes().iter().chain(bytes) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now:?} {}", text()));
        }
    }

    /// The fingerprint so far: the same for the same seed.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.hash
    }

    /// The lines kept so far.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
