//! A file on its way to a client.

use super::Time;
use super::clock::Clock;
use super::options::Terms;

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) terms: Terms,
    pub(super) clock: Clock,
    /// The file as it travels.
    file: Vec<u8>,
    /// The oldest block that was not acknowledged; block 0 is the OACK.
    base: u64,
    /// The next to be sent.
    next: u64,
    /// One past the highest that was ever sent.
    end: u64,
    /// An ACK of the block before the window means that its first block was lost, and is not the echo of another.
    hears_gaps: bool,
    /// The window went out twice, so its ACK may come twice.
    expects_echo: bool,
    /// The last block of the window went out twice, ahead of the time for all of it.
    asked: bool,
}

impl Sending {
    pub(super) fn new(now: Time, terms: Terms, file: Vec<u8>) -> Self {
        let first = u64::from(terms.oack.is_none());
        let clock = Clock::new(now, terms.timeout, false);
        Self {
            clock,
            file,
            base: first,
            next: first,
            end: first,
            hears_gaps: true,
            expects_echo: false,
            asked: false,
            terms,
        }
    }

    /// The block that ends the file.
    fn last(&self) -> u64 {
        (self.file.len() / self.terms.block) as u64 + 1
    }

    /// One past the last block of the window.
    fn window_end(&self) -> u64 {
        if self.base == 0 { 1 } else { (self.base + self.terms.window).min(self.last() + 1) }
    }

    /// An ACK. `true`: it was that of the last block.
    pub(super) fn hear(&mut self, now: Time, number: u16) -> bool {
        let Some(acked) = self.terms.block_of(number, self.base.saturating_sub(1)..self.end) else { return false };
        if acked < self.base {
            // In lock-step a repeated ACK never causes DATA (RFC 1123 §4.2.3.1).
            if self.terms.window > 1 && self.next > self.base && self.hears_gaps {
                self.hears_gaps = false;
                self.expects_echo = true;
                self.asked = false;
                self.next = self.base;
            }
            return false;
        }
        self.clock.progress(now);
        let gap = acked + 1 < self.next;
        self.hears_gaps = !gap && !self.expects_echo;
        self.expects_echo = false;
        self.asked = false;
        self.base = acked + 1;
        self.next = self.base;
        acked == self.last()
    }

    /// The request came again: what was sent did not arrive.
    pub(super) fn repeat(&mut self) {
        if self.next == self.window_end() {
            self.asked = false;
            self.next = self.base;
        }
    }

    /// A datagram leaves.
    pub(super) fn sent(&mut self, now: Time, bytes: &[u8]) {
        if self.next == self.window_end() {
            self.hears_gaps = true;
            self.expects_echo = true;
            let asks = self.terms.window > 1 && !self.asked && bytes == self.block(self.next - 1);
            if asks && self.clock.may_ask(now) {
                self.asked = true;
                self.clock.put_off(now);
                return;
            }
            // Nothing is left to be sent: it must be the time.
            self.clock.expire(now);
            self.asked = false;
            self.next = self.base;
        }
        assert_eq!(bytes, self.block(self.next), "block {} is due: {self:?}", self.next);
        self.next += 1;
        self.clock.sent(now, self.next > self.end);
        self.end = self.end.max(self.next);
    }

    fn block(&self, block: u64) -> Vec<u8> {
        if block == 0 {
            return self.terms.oack.clone().unwrap_or_default();
        }
        let start = (usize::try_from(block).unwrap_or(0) - 1) * self.terms.block;
        let payload = &self.file[start..self.file.len().min(start + self.terms.block)];
        [&[0, 3], &self.terms.number(block).to_be_bytes()[..], payload].concat()
    }

    /// Everything that happens now has happened. `reading`: storage owes bytes.
    pub(super) fn settled(&mut self, now: Time, reading: bool) {
        if self.next < self.window_end() {
            assert!(reading, "block {} was not sent: {self:?}", self.next);
            self.clock.pause();
            return;
        }
        if reading && self.terms.window > 1 && !self.asked && self.clock.may_ask(now) {
            // It may be the block to ask with that is read again.
            self.clock.put_off(now);
        }
        assert!(now <= self.clock.latest(), "nothing was sent again by {now}: {self:?}");
    }

    pub(super) fn is_opening(&self) -> bool {
        self.base == 0
    }

    /// Only the ACK of the last block is missing.
    pub(super) fn is_delivered(&self) -> bool {
        self.clock.proved && self.base == self.last() && self.end > self.base
    }
}
