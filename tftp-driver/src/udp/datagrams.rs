//! Datagrams whose bytes lie in pieces: heads in one buffer, and behind each its share of a body that stays where it is.

use std::io::IoSlice;
use std::ops::Range;

use crate::protocol::Transmit;

/// Datagrams that leave in one system call, at most.
pub(super) const MAX_SEGMENTS: usize = 64;

/// Pieces of so many datagrams: a head and a body each, and once a body that goes on in the second half.
const MAX_SLICES: usize = 2 * MAX_SEGMENTS + 1;

/// A datagram or a train, and where its bytes are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagrams<'a> {
    /// Whole datagrams, or their heads, one after the other.
    out: &'a [u8],
    /// Size of each head, if there are heads only.
    head: Option<usize>,
    body: [&'a [u8]; 2],
    pub(super) len: usize,
    pub(super) segment: usize,
}

impl<'a> Datagrams<'a> {
    /// What a protocol has written into `out`, and the body that goes with it. `None` if there are less bytes than it says.
    pub(crate) fn new(transmit: &Transmit, out: &'a [u8], body: [&'a [u8]; 2]) -> Option<Self> {
        let len = transmit.len;
        let segment = transmit.segment_size.filter(|size| *size > 0).unwrap_or(len);
        let whole = out.get(..len)?;
        let body_len = match transmit.head {
            None => 0,
            Some(head) if head > 0 && head <= segment => len.checked_sub(head * len.div_ceil(segment))?,
            Some(_) => return None,
        };
        let [first, second] = body;
        let enough = body_len <= first.len() + second.len();
        enough.then_some(Self { out: whole, head: transmit.head, body, len, segment })
    }

    /// Calls `with` with the bytes of whole datagrams, at most [`MAX_SEGMENTS`] of them.
    pub(super) fn slices<T>(&self, range: Range<usize>, with: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let Some(head) = self.head else {
            return with(&[IoSlice::new(self.out.get(range).unwrap_or_default())]);
        };
        // Clearing a long list costs as much as sending a short datagram.
        if range.len() <= self.segment {
            with(fill(&mut [IoSlice::new(&[]); 3], self.pieces(head, range)))
        } else {
            with(fill(&mut [IoSlice::new(&[]); MAX_SLICES], self.pieces(head, range)))
        }
    }

    /// The pieces of a range of whole datagrams.
    fn pieces(&self, head: usize, range: Range<usize>) -> impl Iterator<Item = &'a [u8]> {
        let Self { out, body, segment, .. } = *self;
        let begin = range.start / segment;
        let starts = range.clone().step_by(segment);
        out.chunks(head).zip(0..).skip(begin).zip(starts).flat_map(move |((head, index), start)| {
            let len = segment.min(range.end - start).saturating_sub(head.len());
            let [one, two] = part(body, index * (segment - head.len()), len);
            [head, one, two].into_iter().filter(|piece| !piece.is_empty())
        })
    }
}

fn fill<'s, 'a>(slices: &'s mut [IoSlice<'a>], pieces: impl Iterator<Item = &'a [u8]>) -> &'s [IoSlice<'a>] {
    let mut count = 0;
    for (slot, piece) in slices.iter_mut().zip(pieces) {
        *slot = IoSlice::new(piece);
        count += 1;
    }
    slices.get(..count).unwrap_or_default()
}

/// Up to `len` bytes of a body from `at` on.
fn part([first, second]: [&[u8]; 2], at: usize, len: usize) -> [&[u8]; 2] {
    let one = first.get(at..).unwrap_or_default();
    let one = one.get(..len).unwrap_or(one);
    let two = second.get(at.saturating_sub(first.len())..).unwrap_or_default();
    let two = two.get(..len - one.len()).unwrap_or(two);
    [one, two]
}

/// Puts datagrams that [`Datagrams::new`] has found to be all there together in `out`, where their heads are.
pub(crate) fn assemble(transmit: &mut Transmit, out: &mut [u8], body: [&[u8]; 2]) {
    let Some(head) = transmit.head.take() else { return };
    let segment = transmit.segment_size.filter(|size| *size > 0).unwrap_or(transmit.len);
    // From the last to the first: one is put where the heads of later ones were.
    for index in (0..transmit.len.div_ceil(segment.max(1))).rev() {
        let start = index * segment;
        out.copy_within(index * head..(index + 1) * head, start);
        let mut at = start + head;
        for piece in part(body, index * (segment - head), segment.min(transmit.len - start).saturating_sub(head)) {
            out[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trains of every length from a body in two pieces, beside the same trains written by hand.
    fn for_each_train(mut with: impl FnMut(Transmit, &mut [u8], [&[u8]; 2], &[u8])) {
        let body: Vec<u8> = (100..200).collect();
        for segment in 4..9 {
            for len in 1..40 {
                let payload = segment - 3;
                let mut whole = Vec::new();
                let mut heads = Vec::new();
                for (index, part) in body[..len].chunks(payload).enumerate() {
                    let head = [b'h', index as u8, b':'];
                    heads.extend(head);
                    whole.extend(head);
                    whole.extend(part);
                }
                for cut in 0..=len {
                    let (first, second) = body.split_at(cut);
                    let mut out = [0xEE; 256];
                    out[..heads.len()].copy_from_slice(&heads);
                    let transmit = Transmit {
                        socket: 0,
                        peer: ([127, 0, 0, 1], 9).into(),
                        local_ip: None,
                        len: whole.len(),
                        segment_size: Some(segment),
                        head: Some(3),
                    };
                    with(transmit, &mut out, [first, second], &whole);
                }
            }
        }
    }

    #[test]
    fn any_datagrams_of_a_train_are_found_in_their_pieces() {
        for_each_train(|transmit, out, body, whole| {
            let datagrams = Datagrams::new(&transmit, out, body).unwrap();
            for start in (0..whole.len()).step_by(datagrams.segment) {
                for end in (start + datagrams.segment..whole.len()).step_by(datagrams.segment).chain([whole.len()]) {
                    let found = datagrams.slices(start..end, |slices| {
                        slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>()
                    });
                    assert_eq!(found, whole[start..end]);
                }
            }
        });
    }

    #[test]
    fn what_was_in_pieces_can_be_put_together_where_the_heads_are() {
        for_each_train(|mut transmit, out, body, whole| {
            assemble(&mut transmit, out, body);
            assert_eq!((&out[..transmit.len], transmit.head), (whole, None));
        });
    }

    #[test]
    fn a_full_train_has_room_for_all_its_pieces() {
        let body = vec![7; MAX_SEGMENTS * 10];
        let out = vec![1; MAX_SEGMENTS * 11];
        let transmit = Transmit {
            socket: 0,
            peer: ([127, 0, 0, 1], 9).into(),
            local_ip: None,
            len: out.len(),
            segment_size: Some(11),
            head: Some(1),
        };
        let (first, second) = body.split_at(315);
        let datagrams = Datagrams::new(&transmit, &out, [first, second]).unwrap();
        let count = datagrams.slices(0..out.len(), |slices| {
            assert_eq!(slices.iter().map(|slice| slice.len()).sum::<usize>(), out.len());
            slices.len()
        });
        assert_eq!(count, MAX_SLICES);
    }

    #[test]
    fn bytes_that_are_not_there_are_not_sent() {
        let transmit = Transmit {
            socket: 0,
            peer: ([127, 0, 0, 1], 9).into(),
            local_ip: None,
            len: 20,
            segment_size: Some(10),
            head: Some(4),
        };
        let ok = |transmit: Transmit, out: usize, body: usize| {
            Datagrams::new(&transmit, &vec![0; out], [&[], &vec![0; body]]).is_some()
        };
        assert!(ok(transmit, 20, 12));
        assert!(!ok(transmit, 20, 11));
        assert!(!ok(transmit, 19, 12), "there must be room to put them together");
        assert!(ok(Transmit { head: Some(10), ..transmit }, 20, 0), "heads with nothing behind them");
        assert!(!ok(Transmit { head: Some(11), ..transmit }, 22, 20));
        assert!(!ok(Transmit { head: Some(0), ..transmit }, 20, 20));
        assert!(ok(Transmit { head: None, ..transmit }, 20, 0));
        assert!(!ok(Transmit { head: None, ..transmit }, 19, 0));
        assert!(ok(Transmit { head: None, len: 0, segment_size: None, ..transmit }, 20, 0));
    }
}
