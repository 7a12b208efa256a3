//! The rules of reading.

use super::{Bench, Failure, Storage, StorageError, expect, expect_bytes, expect_error, read};
use crate::storage::Reader;

pub(super) async fn unknown_name<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "an unknown name is not found";
    expect_error(RULE, "open", bench.reader("unknown").await, |error| matches!(error, StorageError::NotFound))
}

pub(super) async fn exact_reads<S: Storage>(bench: &Bench<'_, S>, name: &str, content: &[u8]) -> Result<(), Failure> {
    const RULE: &str = "a read is short only at the end";
    for len in [1, 7, 512, 1428, 4096, 65_535, 65_536, 65_537, 300_000] {
        if content.len() / len > 5000 {
            continue;
        }
        let mut reader = expect(RULE, "open", bench.reader(name).await)?;
        if let Some(size) = reader.size().filter(|&size| size != content.len() as u64) {
            return Err(Failure::new(RULE, format!("the size is {}, said {size}", content.len())));
        }
        let mut offset = 0;
        loop {
            let end = (offset + len).min(content.len());
            let piece = expect(RULE, "read", read(&mut reader, offset as u64, len).await)?;
            expect_bytes(RULE, &format!("{len} bytes at {offset}"), &piece, &content[offset..end])?;
            if end == content.len() {
                break;
            }
            offset = end;
        }
        for past in [content.len() as u64, content.len() as u64 + 1, u64::MAX] {
            let piece = expect(RULE, "read past the end", read(&mut reader, past, len).await)?;
            expect_bytes(RULE, "past the end", &piece, b"")?;
        }
    }
    Ok(())
}

pub(super) async fn same_offset_again<S: Storage>(
    bench: &Bench<'_, S>,
    name: &str,
    content: &[u8],
) -> Result<(), Failure> {
    const RULE: &str = "any offset may be read again, either way";
    let mut reader = expect(RULE, "open", bench.reader(name).await)?;
    let middle = content.len() / 2;
    for offset in [middle, 0, middle, content.len(), 0, middle] {
        for len in [0, 1, 1428, 100_000] {
            let expected = &content[offset..(offset + len).min(content.len())];
            let what = format!("{len} bytes at {offset}");
            let piece = expect(RULE, &what, reader.read_at(offset as u64, len).await)?;
            expect_bytes(RULE, &what, &piece, expected)?;
            if let Some(at_once) = reader.try_read_at(offset as u64, len) {
                expect_bytes(RULE, &format!("{what}, at once"), &expect(RULE, &what, at_once)?, expected)?;
            }
        }
    }
    Ok(())
}

pub(super) async fn readers_are_independent<S: Storage>(
    bench: &Bench<'_, S>,
    name: &str,
    content: &[u8],
) -> Result<(), Failure> {
    const RULE: &str = "readers of one file do not disturb each other";
    let mut first = expect(RULE, "open", bench.reader(name).await)?;
    let mut second = expect(RULE, "open beside another", bench.reader(name).await)?;
    // The one forwards, piece by piece, the other backwards, and one that comes and goes.
    let step = content.len().div_ceil(40).max(1);
    for start in (0..content.len()).step_by(step) {
        let back = content.len().saturating_sub(start + step);
        for (reader, from) in [(&mut first, start), (&mut second, back)] {
            let expected = &content[from..(from + step).min(content.len())];
            let piece = expect(RULE, "read", read(reader, from as u64, expected.len()).await)?;
            expect_bytes(RULE, &format!("at {from}"), &piece, expected)?;
        }
        if start % 5 == 0 {
            let mut third = expect(RULE, "open a third", bench.reader(name).await)?;
            let piece = expect(RULE, "read", read(&mut third, back as u64, 100).await)?;
            expect_bytes(RULE, "a third", &piece, &content[back..(back + 100).min(content.len())])?;
        }
    }
    drop(first);
    let piece = expect(RULE, "once the other is gone", read(&mut second, 0, step).await)?;
    expect_bytes(RULE, "once the other is gone", &piece, &content[..step.min(content.len())])
}
