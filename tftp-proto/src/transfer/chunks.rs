//! The part of a file that a sender holds: the chunk in use and the one read ahead. Where that is more than it may hold, only
//! what is about to leave.

/// Two adjacent chunks of a file, at most one read at a time, and where the file ends once that is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Chunks<C> {
    /// Adjacent: the second begins where the first ends.
    held: [Option<(u64, C)>; 2],
    /// The read that is under way: offset and length.
    reading: Option<(u64, usize)>,
    end: Option<u64>,
    read_size: usize,
    /// What may be held while nothing can be sent, in bytes.
    allowance: usize,
}

/// What a sender could do with, in bytes from where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// What leaves next.
    pub(super) train: usize,
    /// What leaves before the next ACK, and after each.
    pub(super) window: usize,
    pub(super) each_window: usize,
}

impl Wanted {
    /// Whole windows or at least whole trains, as many as may be held, and at least one train.
    fn within(self, allowance: usize) -> usize {
        match allowance.checked_sub(self.window) {
            Some(more) => self.window + more / self.each_window.max(1) * self.each_window,
            None => (allowance / self.train.max(1)).max(1) * self.train,
        }
    }
}

impl<C: AsRef<[u8]>> Chunks<C> {
    pub(super) const fn new(read_size: usize) -> Self {
        Self { held: [None, None], reading: None, end: None, read_size, allowance: usize::MAX }
    }

    pub(super) const fn set_allowance(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Whether two chunks are more than may be held.
    pub(super) const fn are_scarce(&self) -> bool {
        self.read_size.saturating_mul(2) > self.allowance
    }

    /// The bytes held.
    pub(super) fn len(&self) -> usize {
        self.held.iter().flatten().map(|(_, bytes)| bytes.as_ref().len()).sum()
    }

    /// What lies before `sent` goes, and so does the rest if it is more than may be held.
    pub(super) fn let_go(&mut self, sent: u64) {
        self.drop_before(sent);
        if self.len() > self.allowance {
            self.held = [None, None];
        }
    }

    fn drop_before(&mut self, offset: u64) {
        while let [Some((start, bytes)), second] = &mut self.held
            && *start + bytes.as_ref().len() as u64 <= offset
        {
            self.held = [second.take(), None];
        }
    }

    /// Where the held bytes end, if `offset` lies within or just behind them.
    fn held_until(&self, offset: u64) -> Option<u64> {
        let [first, second] = &self.held;
        let (start, bytes) = first.as_ref()?;
        let mut end = start + bytes.as_ref().len() as u64;
        if let Some((_, bytes)) = second {
            end += bytes.as_ref().len() as u64;
        }
        (*start..=end).contains(&offset).then_some(end)
    }

    /// The bytes from `offset` on in up to two pieces, if `needed` of them are held or the file ends before that.
    pub(super) fn view(&self, offset: u64, needed: usize) -> Option<[&[u8]; 2]> {
        let end = if self.end.is_some_and(|end| offset >= end) { offset } else { self.held_until(offset)? };
        let at_end = self.end.is_some_and(|file_end| end >= file_end);
        if !at_end && end - offset < needed as u64 {
            return None;
        }
        let [first, second] = &self.held;
        Some([tail(first.as_ref(), offset), tail(second.as_ref(), offset)])
    }

    /// As much of these bytes as is held, in up to two pieces.
    pub(super) fn slices(&self, offset: u64, len: usize) -> [&[u8]; 2] {
        let [first, second] = &self.held;
        let [one, two] = [tail(first.as_ref(), offset), tail(second.as_ref(), offset)];
        let one = one.get(..len).unwrap_or(one);
        [one, two.get(..len - one.len()).unwrap_or(two)]
    }

    /// The next read to ask for, given that the sender stands at `offset`; one at a time. For its sake the first chunk
    /// is let go if it lies wholly before `needed_from`.
    pub(super) fn next_read(&mut self, offset: u64, needed_from: u64, wanted: Wanted) -> Option<(u64, usize)> {
        if self.reading.is_some() || self.end.is_some_and(|end| offset >= end) {
            return None;
        }
        if self.are_scarce() {
            self.drop_before(needed_from);
        }
        let from = match self.held_until(offset) {
            None => {
                self.held = [None, None];
                offset
            }
            Some(end) => {
                if let [Some((start, bytes)), Some(_)] = &self.held {
                    if needed_from < *start + bytes.as_ref().len() as u64 {
                        return None;
                    }
                    let [_, second] = &mut self.held;
                    self.held = [second.take(), None];
                }
                end
            }
        };
        if self.end.is_some_and(|end| from >= end) {
            return None;
        }
        // A chunk that may stay is as long as ever: readers of one file then ask for the same pieces of it.
        let len = if self.read_size > self.allowance {
            let here = usize::try_from(from - offset).unwrap_or(usize::MAX);
            wanted.within(self.allowance).saturating_sub(here).clamp(1, self.read_size)
        } else {
            self.read_size
        };
        self.reading = Some((from, len));
        self.reading
    }

    /// Lets everything go, unless a read is under way that may bring what is missing.
    pub(super) fn start_again(&mut self) {
        if self.reading.is_none() {
            self.held = [None, None];
        }
    }

    /// The answer to the read under way: fewer bytes than asked mean the end of the file.
    pub(super) fn insert(&mut self, chunk: C) {
        let Some((offset, asked)) = self.reading.take() else { return };
        let len = chunk.as_ref().len();
        if len < asked {
            self.end = Some(offset + len as u64);
        }
        match &mut self.held {
            [None, _] => self.held = [Some((offset, chunk)), None],
            [Some((start, first)), second @ None] if *start + first.as_ref().len() as u64 == offset => {
                *second = Some((offset, chunk));
            }
            // The sender went back meanwhile: it will ask for what it needs now.
            [Some(_), _] => {}
        }
    }

    /// Where the file ends, once a read has shown it.
    pub(super) const fn end(&self) -> Option<u64> {
        self.end
    }
}

/// The bytes of `chunk` from `offset` on.
fn tail<C: AsRef<[u8]>>(chunk: Option<&(u64, C)>, offset: u64) -> &[u8] {
    let Some((start, bytes)) = chunk else { return &[] };
    let skip = usize::try_from(offset.saturating_sub(*start)).unwrap_or(usize::MAX);
    bytes.as_ref().get(skip..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"0123456789abcdefghij";

    const ANY: Wanted = trains(4);

    /// Windows of one train.
    const fn trains(train: usize) -> Wanted {
        Wanted { train, window: train, each_window: train }
    }

    #[test]
    fn reads_are_of_whole_trains_and_of_whole_windows_where_they_fit() {
        let wanted = Wanted { train: 8, window: 20, each_window: 32 };
        for (allowance, len) in [(0, 8), (8, 8), (15, 8), (16, 16), (19, 16), (20, 20), (51, 20), (52, 52), (90, 84)] {
            assert_eq!(wanted.within(allowance), len, "{allowance}");
        }
    }

    fn answer(chunks: &mut Chunks<&'static [u8]>, offset: u64, len: usize) {
        let start = (offset as usize).min(FILE.len());
        chunks.insert(&FILE[start..(start + len).min(FILE.len())]);
    }

    #[test]
    fn reads_ahead_by_one_chunk_and_finds_the_end() {
        let mut chunks = Chunks::new(8);
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0, ANY), Some((0, 8)));
        assert_eq!(chunks.next_read(0, 0, ANY), None, "one read at a time");
        answer(&mut chunks, 0, 8);
        assert_eq!(chunks.next_read(0, 0, ANY), Some((8, 8)));
        answer(&mut chunks, 8, 8);
        assert_eq!(chunks.next_read(0, 0, ANY), None, "two chunks are enough");
        assert_eq!(chunks.view(6, 4).unwrap(), [&b"67"[..], b"89abcdef"]);
        assert_eq!(chunks.next_read(8, 8, ANY), Some((16, 8)));
        answer(&mut chunks, 16, 8);
        assert_eq!(chunks.view(18, 4).unwrap().concat(), b"ij", "the end is known, so two bytes are enough");
        assert_eq!(chunks.next_read(18, 18, ANY), None);
        assert_eq!(chunks.view(20, 4).unwrap(), [b"", b""]);
        assert_eq!(chunks.end(), Some(20));
    }

    #[test]
    fn slices_end_where_they_are_told_to() {
        let mut chunks = Chunks::new(8);
        assert_eq!(chunks.slices(0, 4), [b"", b""]);
        for offset in [0, 8] {
            assert_eq!(chunks.next_read(offset, 0, ANY), Some((offset, 8)));
            answer(&mut chunks, offset, 8);
        }
        assert_eq!(chunks.slices(2, 3), [&b"234"[..], b""]);
        assert_eq!(chunks.slices(6, 4), [&b"67"[..], b"89"]);
        assert_eq!(chunks.slices(9, 4), [&b""[..], b"9abc"]);
        assert_eq!(chunks.slices(14, 4), [&b""[..], b"ef"], "no more is held");
        assert_eq!(chunks.slices(20, 4), [b"", b""]);
    }

    #[test]
    fn reading_ahead_does_not_let_go_what_may_be_sent_again() {
        let mut chunks = Chunks::new(8);
        for offset in [0, 8] {
            assert_eq!(chunks.next_read(offset, 0, ANY), Some((offset, 8)));
            answer(&mut chunks, offset, 8);
        }
        assert_eq!(chunks.next_read(8, 0, ANY), None);
        assert_eq!(chunks.view(0, 8).unwrap()[0], b"01234567");
        assert_eq!(chunks.next_read(8, 8, ANY), Some((16, 8)));
    }

    #[test]
    fn going_back_asks_again_for_what_was_let_go() {
        let mut chunks = Chunks::new(8);
        for offset in [0, 8, 16] {
            assert_eq!(chunks.next_read(offset, offset, ANY), Some((offset, 8)));
            answer(&mut chunks, offset, 8);
        }
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0, ANY), Some((0, 8)));
        answer(&mut chunks, 0, 8);
        assert_eq!(chunks.view(0, 4).unwrap()[0], b"01234567");
    }

    #[test]
    fn an_answer_that_came_too_late_is_dropped() {
        let mut chunks = Chunks::new(8);
        assert_eq!(chunks.next_read(8, 8, ANY), Some((8, 8)));
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0, ANY), None, "the old read is still under way");
        answer(&mut chunks, 8, 8);
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0, ANY), Some((0, 8)));
    }

    #[test]
    fn where_memory_is_scarce_chunks_are_no_longer_than_what_leaves_next() {
        let mut chunks = Chunks::new(8);
        chunks.set_allowance(16);
        assert!(!chunks.are_scarce());
        chunks.set_allowance(8);
        assert!(chunks.are_scarce());
        assert_eq!(chunks.next_read(0, 0, trains(3)), Some((0, 8)), "one chunk may stay");
        answer(&mut chunks, 0, 8);
        chunks.let_go(8);
        chunks.set_allowance(7);
        assert_eq!(chunks.next_read(0, 0, trains(3)), Some((0, 6)), "two trains of three may stay");
        answer(&mut chunks, 0, 6);
        chunks.let_go(3);
        assert_eq!(chunks.view(3, 3).unwrap(), [&b"345"[..], b""], "not sent yet");
        chunks.let_go(6);
        assert_eq!(chunks.len(), 0);
        assert_eq!(chunks.next_read(6, 6, trains(5)), Some((6, 5)));
        answer(&mut chunks, 6, 5);
        // Two bytes are left of it, and six are needed.
        assert_eq!(chunks.next_read(9, 9, trains(6)), Some((11, 4)));
        answer(&mut chunks, 11, 4);
        assert_eq!(chunks.view(9, 6).unwrap(), [&b"9a"[..], b"bcde"]);
        chunks.let_go(9);
        assert_eq!(chunks.len(), 0, "together they are too much");
        assert_eq!(chunks.next_read(9, 9, trains(9)), Some((9, 8)), "no longer than any other");
    }

    #[test]
    fn what_was_let_go_is_read_again_and_the_end_stays_known() {
        let mut chunks = Chunks::new(32);
        chunks.set_allowance(0);
        assert_eq!(chunks.next_read(16, 16, trains(8)), Some((16, 8)));
        answer(&mut chunks, 16, 8);
        chunks.let_go(20);
        assert_eq!((chunks.end(), chunks.len()), (Some(20), 0));
        assert_eq!(chunks.view(20, 8).unwrap(), [b"", b""]);
        assert!(chunks.view(16, 8).is_none());
        assert_eq!(chunks.next_read(16, 16, trains(8)), Some((16, 8)));
        answer(&mut chunks, 16, 8);
        assert_eq!(chunks.view(16, 8).unwrap()[0], b"ghij");
    }

    #[test]
    fn two_chunks_that_end_within_a_block_are_read_anew() {
        let mut chunks = Chunks::new(8);
        chunks.set_allowance(0);
        assert_eq!(chunks.next_read(0, 0, trains(8)), Some((0, 8)));
        answer(&mut chunks, 0, 8);
        assert_eq!(chunks.next_read(2, 2, trains(8)), Some((8, 2)));
        chunks.start_again();
        answer(&mut chunks, 8, 2);
        assert_eq!(chunks.view(2, 8).unwrap(), [&b"234567"[..], b"89"], "a read that is under way is waited for");
        assert!(chunks.view(4, 8).is_none());
        assert_eq!(chunks.next_read(4, 4, trains(8)), None);
        chunks.start_again();
        assert_eq!(chunks.next_read(4, 4, trains(8)), Some((4, 8)));
    }
}
