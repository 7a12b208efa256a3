//! One chunk as a file: what it is, its content, and a checksum over both.
//!
//! Files are not synced: what a crash or a bad disk leaves of one does not match its checksum, and is no chunk.

use std::hash::Hasher as _;
use std::io::{self, Read, Write};
use std::ops::Range;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

const MAGIC: &[u8; 8] = b"tftpchk1";

/// Magic, length of the identity, length of the content.
const HEAD: usize = 8 + 4 + 8;
const CHECKSUM: usize = 16;

/// So much of a file is looked at at a time, in bytes.
const PIECE: usize = 64 << 10;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Content(Vec<u8>),
    /// A whole chunk, but another one.
    Another,
    /// No whole chunk.
    Damaged,
}

/// A hash by which files find themselves; whose they are is decided by their identity.
pub(super) fn hash(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// How many bytes the file has.
pub(super) fn len(identity: &[u8], content: u64) -> u64 {
    (HEAD + identity.len() + CHECKSUM) as u64 + content
}

fn head(identity: &[u8], content: u64) -> io::Result<[u8; HEAD]> {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&u32::try_from(identity.len()).map_err(io::Error::other)?.to_le_bytes());
    head[12..].copy_from_slice(&content.to_le_bytes());
    Ok(head)
}

/// The checksum of all that stands before it.
fn begin(head: &[u8], identity: &[u8]) -> SipHasher13 {
    let mut hasher = SipHasher13::new();
    hasher.write(head);
    hasher.write(identity);
    hasher
}

fn end(hasher: SipHasher13) -> [u8; CHECKSUM] {
    hasher.finish128().as_u128().to_le_bytes()
}

pub(super) fn write(mut file: impl Write, identity: &[u8], content: &[u8]) -> io::Result<()> {
    let head = head(identity, content.len() as u64)?;
    file.write_all(&head)?;
    file.write_all(identity)?;
    file.write_all(content)?;
    let mut hasher = begin(&head, identity);
    hasher.write(content);
    file.write_all(&end(hasher))
}

/// Reads `part` of the chunk `identity`, which has `len` bytes. All of it is checked, and no more than the part is held.
pub(super) fn read(mut file: impl Read, identity: &[u8], len: usize, part: &Range<usize>) -> io::Result<Found> {
    let mut found = [0; HEAD];
    let mut whole = || -> io::Result<Found> {
        file.read_exact(&mut found)?;
        let expected = head(identity, len as u64)?;
        if found != expected {
            return Ok(if found[..8] == *MAGIC { Found::Another } else { Found::Damaged });
        }
        let mut theirs = vec![0; identity.len()];
        file.read_exact(&mut theirs)?;
        let mut hasher = begin(&found, &theirs);
        // Exactly as large as it must be: it stays in memory.
        let mut content = Vec::with_capacity(part.len());
        let mut piece = vec![0; PIECE.min(len)];
        for at in (0..len).step_by(PIECE) {
            let piece = &mut piece[..PIECE.min(len - at)];
            file.read_exact(piece)?;
            hasher.write(piece);
            let inside = |end: usize| end.saturating_sub(at).min(piece.len());
            content.extend_from_slice(&piece[inside(part.start)..inside(part.end)]);
        }
        let mut sum = [0; CHECKSUM];
        file.read_exact(&mut sum)?;
        if sum != end(hasher) || file.read(&mut [0])? > 0 {
            return Ok(Found::Damaged);
        }
        Ok(if theirs == identity { Found::Content(content) } else { Found::Another })
    };
    match whole() {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Found::Damaged),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(identity: &[u8], content: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        write(&mut file, identity, content).unwrap();
        assert_eq!(file.len() as u64, len(identity, content.len() as u64));
        file
    }

    fn read(file: &[u8], identity: &[u8], len: usize) -> io::Result<Found> {
        super::read(file, identity, len, &(0..len))
    }

    #[test]
    fn what_was_written_is_read() {
        for content in [&b""[..], b"x", &[7; 70_000]] {
            let file = file(b"who", content);
            assert_eq!(read(&file[..], b"who", content.len()).unwrap(), Found::Content(content.to_vec()));
        }
    }

    #[test]
    fn a_part_is_read_and_the_whole_is_checked() {
        let content: Vec<u8> = (0..3 * PIECE + 5).map(|index| (index % 251) as u8).collect();
        let mut file = file(b"who", &content);
        let len = content.len();
        for part in [0..len, 0..1, len - 1..len, 9..PIECE, PIECE..2 * PIECE, PIECE - 1..PIECE + 1, 5..len - 5, 7..7] {
            let found = super::read(&file[..], b"who", len, &part).unwrap();
            assert_eq!(found, Found::Content(content[part.clone()].to_vec()), "{part:?}");
        }
        let last = file.len() - CHECKSUM - 1;
        file[last] ^= 1;
        assert_eq!(super::read(&file[..], b"who", len, &(0..1)).unwrap(), Found::Damaged);
    }

    #[test]
    fn another_chunk_is_not_this_one() {
        let file = file(b"who", b"content");
        for (identity, len) in [(&b"why"[..], 7), (b"who", 6), (b"whoever", 7), (b"", 7)] {
            assert_eq!(read(&file[..], identity, len).unwrap(), Found::Another, "{identity:?}");
        }
    }

    #[test]
    fn no_damage_goes_unseen() {
        let file = file(b"who", b"content");
        for end in 0..file.len() {
            assert_eq!(read(&file[..end], b"who", 7).unwrap(), Found::Damaged, "cut at {end}");
        }
        let mut longer = file.clone();
        longer.push(0);
        assert_eq!(read(&longer[..], b"who", 7).unwrap(), Found::Damaged);
        for bit in 0..8 * file.len() {
            let mut file = file.clone();
            file[bit / 8] ^= 1 << (bit % 8);
            let found = read(&file[..], b"who", 7).unwrap();
            assert!(matches!(found, Found::Damaged | Found::Another), "bit {bit}");
        }
    }
}
