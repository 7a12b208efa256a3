//! The part of a file that a sender holds: the chunk in use and the one read ahead.

/// Two adjacent chunks of a file, at most one read at a time, and where the file ends once that is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Chunks<C> {
    /// Adjacent: the second begins where the first ends.
    held: [Option<(u64, C)>; 2],
    /// The read that is under way: offset and length.
    reading: Option<(u64, usize)>,
    end: Option<u64>,
    read_size: usize,
}

impl<C: AsRef<[u8]>> Chunks<C> {
    pub(super) const fn new(read_size: usize) -> Self {
        Self { held: [None, None], reading: None, end: None, read_size }
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

    /// The next read to ask for, given that the sender stands at `offset`; one at a time. For its sake the first chunk
    /// is let go if it lies wholly before `needed_from`.
    pub(super) fn next_read(&mut self, offset: u64, needed_from: u64) -> Option<(u64, usize)> {
        if self.reading.is_some() || self.end.is_some_and(|end| offset >= end) {
            return None;
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
        self.reading = Some((from, self.read_size));
        self.reading
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

    fn answer(chunks: &mut Chunks<&'static [u8]>, offset: u64, len: usize) {
        let start = (offset as usize).min(FILE.len());
        chunks.insert(&FILE[start..(start + len).min(FILE.len())]);
    }

    #[test]
    fn reads_ahead_by_one_chunk_and_finds_the_end() {
        let mut chunks = Chunks::new(8);
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0), Some((0, 8)));
        assert_eq!(chunks.next_read(0, 0), None, "one read at a time");
        answer(&mut chunks, 0, 8);
        assert_eq!(chunks.next_read(0, 0), Some((8, 8)));
        answer(&mut chunks, 8, 8);
        assert_eq!(chunks.next_read(0, 0), None, "two chunks are enough");
        assert_eq!(chunks.view(6, 4).unwrap(), [&b"67"[..], b"89abcdef"]);
        assert_eq!(chunks.next_read(8, 8), Some((16, 8)));
        answer(&mut chunks, 16, 8);
        assert_eq!(chunks.view(18, 4).unwrap().concat(), b"ij", "the end is known, so two bytes are enough");
        assert_eq!(chunks.next_read(18, 18), None);
        assert_eq!(chunks.view(20, 4).unwrap(), [b"", b""]);
        assert_eq!(chunks.end(), Some(20));
    }

    #[test]
    fn reading_ahead_does_not_let_go_what_may_be_sent_again() {
        let mut chunks = Chunks::new(8);
        for offset in [0, 8] {
            assert_eq!(chunks.next_read(offset, 0), Some((offset, 8)));
            answer(&mut chunks, offset, 8);
        }
        assert_eq!(chunks.next_read(8, 0), None);
        assert_eq!(chunks.view(0, 8).unwrap()[0], b"01234567");
        assert_eq!(chunks.next_read(8, 8), Some((16, 8)));
    }

    #[test]
    fn going_back_asks_again_for_what_was_let_go() {
        let mut chunks = Chunks::new(8);
        for offset in [0, 8, 16] {
            assert_eq!(chunks.next_read(offset, offset), Some((offset, 8)));
            answer(&mut chunks, offset, 8);
        }
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0), Some((0, 8)));
        answer(&mut chunks, 0, 8);
        assert_eq!(chunks.view(0, 4).unwrap()[0], b"01234567");
    }

    #[test]
    fn an_answer_that_came_too_late_is_dropped() {
        let mut chunks = Chunks::new(8);
        assert_eq!(chunks.next_read(8, 8), Some((8, 8)));
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0), None, "the old read is still under way");
        answer(&mut chunks, 8, 8);
        assert!(chunks.view(0, 4).is_none());
        assert_eq!(chunks.next_read(0, 0), Some((0, 8)));
    }
}
