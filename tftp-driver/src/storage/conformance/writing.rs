//! The rules of writing.

use bytes::Bytes;

use super::{Bench, Failure, Storage, StorageError, expect, expect_bytes, expect_error, fill, pattern, read};
use crate::storage::{Owner, Writer};

fn not_found(error: &StorageError) -> bool {
    matches!(error, StorageError::NotFound)
}

pub(super) async fn comes_back_whole<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "a committed file comes back whole";
    for (size, len) in [
        (0, 512),
        (1, 512),
        (511, 512),
        (512, 512),
        (513, 512),
        (65_535, 1428),
        (65_536, 512),
        (65_537, 65_537),
        (300_001, 8192),
        (1 << 20, 1428),
    ] {
        let name = format!("size-{size}");
        let content = pattern(1, size);
        expect(RULE, &name, bench.put(&name, &content, len).await)?;
        expect_bytes(RULE, &name, &expect(RULE, &name, bench.get(&name, 8192).await)?, &content)?;
        super::reading::exact_reads(bench, &name, &content).await?;
        super::reading::same_offset_again(bench, &name, &content).await?;
        super::reading::readers_are_independent(bench, &name, &content).await?;
    }
    Ok(())
}

pub(super) async fn invisible_until_commit<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "an upload is invisible until its commit";
    let content = pattern(2, 200_000);
    let mut writer = expect(RULE, "open", bench.writer("a", 1).await)?;
    expect_error(RULE, "before the first byte", bench.reader("a").await, not_found)?;
    expect(RULE, "write", fill(&mut writer, &content, 1428).await)?;
    expect_error(RULE, "before the commit", bench.reader("a").await, not_found)?;
    expect(RULE, "commit", writer.commit().await)?;
    expect_bytes(RULE, "after the commit", &expect(RULE, "get", bench.get("a", 4096).await)?, &content)
}

pub(super) async fn replaced_whole<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "a replaced file is the new one and nothing of the old";
    for (seed, size) in [(20, 70_000), (21, 100), (22, 0), (23, 300_000), (24, 299_999)] {
        let content = pattern(seed, size);
        expect(RULE, "put", bench.put("a", &content, 1428).await)?;
        let what = format!("a version of {size} bytes");
        expect_bytes(RULE, &what, &expect(RULE, &what, bench.get("a", 4096).await)?, &content)?;
        super::reading::exact_reads(bench, "a", &content).await?;
    }
    Ok(())
}

pub(super) async fn abort_leaves_nothing<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "an abort leaves nothing";
    let mut writer = expect(RULE, "open", bench.writer("a", 1).await)?;
    expect(RULE, "write", fill(&mut writer, &pattern(3, 200_000), 1428).await)?;
    writer.abort().await;
    expect_error(RULE, "read", bench.reader("a").await, not_found)?;
    replaced_version_survives(RULE, bench, Writer::abort).await
}

pub(super) async fn drop_leaves_nothing<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "dropping a writer aborts it";
    let mut writer = expect(RULE, "open", bench.writer("a", 1).await)?;
    expect(RULE, "write", fill(&mut writer, &pattern(3, 200_000), 1428).await)?;
    drop(writer);
    expect_error(RULE, "read", bench.reader("a").await, not_found)?;
    replaced_version_survives(RULE, bench, |writer| async { drop(writer) }).await
}

/// An upload that would have replaced a file and does not leaves it as it was, and free to be written.
async fn replaced_version_survives<S: Storage, F: Future<Output = ()>>(
    rule: &'static str,
    bench: &Bench<'_, S>,
    end: impl FnOnce(S::Writer) -> F,
) -> Result<(), Failure> {
    let content = pattern(4, 5000);
    expect(rule, "put", bench.put("b", &content, 512).await)?;
    let mut writer = expect(rule, "open to replace", bench.writer("b", 1).await)?;
    expect_bytes(rule, "the old file", &expect(rule, "at the beginning", bench.get("b", 4096).await)?, &content)?;
    expect(rule, "write", fill(&mut writer, &pattern(5, 200_000), 1428).await)?;
    expect_bytes(rule, "the old file", &expect(rule, "meanwhile", bench.get("b", 4096).await)?, &content)?;
    end(writer).await;
    expect_bytes(rule, "the old file", &expect(rule, "get", bench.get("b", 4096).await)?, &content)?;
    expect(rule, "put again", bench.put("b", &pattern(6, 10), 512).await)?;
    expect_bytes(rule, "the new file", &expect(rule, "get", bench.get("b", 4096).await)?, &pattern(6, 10))
}

pub(super) async fn writes_are_sequential<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "writes are sequential and gapless";
    let block = Bytes::from(pattern(7, 512));
    for offset in [0, 511, 513, u64::MAX] {
        let mut writer = expect(RULE, "open", bench.writer("a", 1).await)?;
        expect(RULE, "write", writer.write_at(0, block.clone()).await)?;
        let what = format!("at {offset} where 512 is due");
        expect_error(RULE, &what, writer.write_at(offset, block.clone()).await, |_| true)?;
        writer.abort().await;
    }
    Ok(())
}

pub(super) async fn a_large_hint_is_only_a_hint<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "an announced size is refused or ignored, never allocated";
    for size in [0, 1 << 40, 1 << 63, u64::MAX] {
        match bench.writer_of("a", size).await {
            Ok(mut writer) => {
                expect(RULE, "write", writer.write_at(0, Bytes::from_static(b"small")).await)?;
                expect(RULE, "commit", writer.commit().await)?;
                expect_bytes(RULE, "content", &expect(RULE, "get", bench.get("a", 512).await)?, b"small")?;
            }
            Err(StorageError::TooLarge { .. } | StorageError::QuotaExceeded(_) | StorageError::Full) if size > 0 => {}
            Err(error) => return Err(Failure::new(RULE, format!("{size} bytes announced: {error:?}"))),
        }
    }
    Ok(())
}

pub(super) async fn one_writer<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "one writer for each name, however it is spelled";
    let busy = |error: &StorageError| matches!(error, StorageError::Busy { owner: Owner(7) });
    for name in ["a", "/a", "//a", "\\a", "./a"] {
        let mut first = expect(RULE, "open", bench.writer("a", 7).await)?;
        expect_error(RULE, "second writer", bench.writer(name, 8).await, busy)?;
        expect(RULE, "write", first.write_at(0, Bytes::from_static(b"first")).await)?;
        expect_error(RULE, "second writer", bench.writer(name, 8).await, busy)?;
        match name {
            "a" => first.abort().await,
            "/a" => drop(first),
            _ => expect(RULE, "commit", first.commit().await)?,
        }
        let second = expect(RULE, "once the first is gone", bench.writer(name, 8).await)?;
        second.abort().await;
    }
    expect_bytes(RULE, "content", &expect(RULE, "get", bench.get("a", 512).await)?, b"first")
}

pub(super) async fn names_are_independent<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "uploads of two names do not touch each other";
    let (a, b) = (pattern(8, 100_000), pattern(9, 100_001));
    let mut first = expect(RULE, "open", bench.writer("a", 1).await)?;
    let mut second = expect(RULE, "open", bench.writer("b", 2).await)?;
    expect(RULE, "write", fill(&mut first, &a, 1428).await)?;
    expect(RULE, "write", fill(&mut second, &b, 512).await)?;
    expect(RULE, "commit", second.commit().await)?;
    expect_error(RULE, "the other", bench.reader("a").await, not_found)?;
    expect(RULE, "commit", first.commit().await)?;
    expect_bytes(RULE, "a", &expect(RULE, "get", bench.get("a", 4096).await)?, &a)?;
    expect_bytes(RULE, "b", &expect(RULE, "get", bench.get("b", 4096).await)?, &b)
}

pub(super) async fn readers_keep_their_version<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "a reader keeps the version it opened";
    let (old, new) = (pattern(10, 300_000), pattern(11, 300_000));
    expect(RULE, "put", bench.put("a", &old, 1428).await)?;
    let mut reader = expect(RULE, "open", bench.reader("a").await)?;
    let piece = expect(RULE, "read", read(&mut reader, 0, 1000).await)?;
    expect_bytes(RULE, "before", &piece, &old[..1000])?;
    expect(RULE, "replace", bench.put("a", &new, 1428).await)?;
    for offset in (0..old.len()).step_by(10_000).rev() {
        let piece = expect(RULE, "read", read(&mut reader, offset as u64, 10_000).await)?;
        expect_bytes(RULE, "after", &piece, &old[offset..offset + 10_000])?;
    }
    expect_bytes(RULE, "a new reader", &expect(RULE, "get", bench.get("a", 4096).await)?, &new)
}

pub(super) async fn read_only<S: Storage>(bench: &Bench<'_, S>, name: &str) -> Result<(), Failure> {
    const RULE: &str = "read-only storage takes no upload";
    let denied = |error: &StorageError| matches!(error, StorageError::AccessDenied(_));
    expect_error(RULE, name, bench.writer(name, 1).await, denied)?;
    expect_error(RULE, name, bench.writer_of(name, 0).await, denied)
}

pub(super) async fn create_only<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "without overwrite a file is never replaced";
    let exists = |error: &StorageError| matches!(error, StorageError::AlreadyExists);
    let content = pattern(12, 2000);
    expect(RULE, "create", bench.put("a", &content, 512).await)?;
    expect_error(RULE, "open", bench.writer("a", 1).await, exists)?;
    expect_error(RULE, "again", bench.writer("a", 1).await, exists)?;
    expect_bytes(RULE, "content", &expect(RULE, "get", bench.get("a", 512).await)?, &content)
}

pub(super) async fn overwrite_only<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "without create a new file is never made";
    expect_error(RULE, "open", bench.writer("a", 1).await, not_found)?;
    expect_error(RULE, "read", bench.reader("a").await, not_found)
}

pub(super) async fn largest_size<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "no upload is larger than 1000 bytes";
    let too_large = |error: &StorageError| matches!(error, StorageError::TooLarge { limit: 1000 });
    expect(RULE, "1000 announced", bench.writer_of("a", 1000).await)?.abort().await;
    expect_error(RULE, "1001 announced", bench.writer_of("a", 1001).await, too_large)?;
    expect_error(RULE, "2^63 announced", bench.writer_of("a", 1 << 63).await, too_large)?;
    expect(RULE, "1000 written", bench.put("a", &pattern(13, 1000), 512).await)?;
    expect_error(RULE, "1001 written", bench.put("b", &pattern(13, 1001), 512).await, too_large)?;
    expect_error(RULE, "in one piece", bench.put("b", &pattern(13, 100_000), 100_000).await, too_large)?;
    expect_error(RULE, "read", bench.reader("b").await, not_found)
}
