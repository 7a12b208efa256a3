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
        self.mix(now.as_micros());
        self.mix(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now:?} {}", text()));
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
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
