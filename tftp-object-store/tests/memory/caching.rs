//! The shared cache.

use std::time::Duration;

use tftp_driver::storage::{Context, ReadRequest, Storage as _, StorageError};

use super::support::{Fault, Op, Watched, create, open, pattern, peer, put, read, read_all, reader, wait_until};

const CHUNK: usize = 1 << 20;

#[test]
fn a_thousand_readers_cause_one_look_up_and_one_fetch_of_each_byte() {
    let store = Watched::default();
    let content = pattern(1, 8 * CHUNK + 77);
    store.insert("pre/fix/kernel", content.clone());
    let limit = 16 * CHUNK as u64;
    let storage =
        open(store.storage().cache_bytes(limit).read_buffer_bytes(limit).fresh_for(Duration::from_secs(3600)));
    // All of them ask before the first has its answer.
    store.hold(Some(Op::Head));
    let opens: Vec<_> = (0..1000)
        .map(|_| {
            let storage = storage.clone();
            Box::pin(async move { storage.open_read(&ReadRequest::new("kernel", peer()), &Context::inline()).await })
        })
        .collect();
    let mut opening = futures_util::future::join_all(opens);
    assert!(futures_lite::future::block_on(futures_lite::future::poll_once(&mut opening)).is_none());
    wait_until("the look-up", || store.count(Op::Head) == 1);
    store.hold(None);
    let mut readers: Vec<_> = futures_lite::future::block_on(opening).into_iter().map(Result::unwrap).collect();
    // In step, but some are far behind the others.
    let mut most = 0;
    for turn in 0..(content.len() / 65_536 + 60) {
        for (index, reader) in readers.iter_mut().enumerate() {
            let Some(offset) = turn.checked_sub(index % 60).map(|turn| turn * 65_536) else { continue };
            if offset < content.len() {
                let piece = read(reader, offset as u64, 65_536).unwrap();
                assert_eq!(piece, &content[offset..(offset + 65_536).min(content.len())]);
            }
        }
        most = most.max(storage.stats().bytes_in_memory);
    }
    assert_eq!(store.count(Op::Head), 1);
    let mut ranges = store.ranges();
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    for range in ranges {
        assert_eq!(range.start, end, "each byte once");
        end = range.end;
    }
    assert_eq!(end, content.len() as u64);
    assert!(most <= limit, "{most}");
    let stats = storage.stats();
    assert_eq!((stats.look_ups, stats.look_ups_saved), (1, 999));
    assert_eq!((stats.chunks_fetched, stats.bytes_fetched), (9, content.len() as u64));
    assert!(stats.hit_ratio().unwrap() > 0.99);
}

#[test]
fn an_answer_is_believed_for_so_long_and_no_longer() {
    for (believed, look_ups) in [(Duration::from_secs(3600), 1), (Duration::ZERO, 3), (Duration::from_nanos(1), 3)] {
        let store = Watched::default();
        store.insert("pre/fix/a", "a");
        let storage = open(store.storage().fresh_for(believed));
        for _ in 0..3 {
            reader(&storage, "a").unwrap();
        }
        assert_eq!(store.count(Op::Head), look_ups, "{believed:?}");
        for _ in 0..3 {
            assert!(matches!(reader(&storage, "missing"), Err(StorageError::NotFound)));
        }
        assert_eq!(store.count(Op::Head), 2 * look_ups, "{believed:?}: that it is missing is an answer, too");
    }
}

#[test]
fn stale_answers_never_mix_versions() {
    let store = Watched::default();
    let (old, new) = (pattern(1, 3 * CHUNK), pattern(2, 3 * CHUNK));
    store.insert("pre/fix/a", old.clone());
    let storage = open(store.storage().fresh_for(Duration::from_secs(3600)));
    let mut first = reader(&storage, "a").unwrap();
    read(&mut first, 0, 10).unwrap();
    store.insert("pre/fix/a", new);
    // The answer is believed, and its chunks are in the cache or not to be had.
    let mut second = reader(&storage, "a").unwrap();
    match read_all(&mut second, 65_536) {
        Ok(content) => assert_eq!(content, old),
        Err(error) => assert!(matches!(error, StorageError::Changed), "{error:?}"),
    }
}

#[test]
fn a_reader_that_finds_its_version_gone_has_the_next_one_ask_again() {
    let store = Watched::default();
    store.insert("pre/fix/a", pattern(1, 3 * CHUNK));
    let storage = open(store.storage().fresh_for(Duration::from_secs(3600)));
    let mut first = reader(&storage, "a").unwrap();
    let new = pattern(2, 3 * CHUNK);
    store.insert("pre/fix/a", new.clone());
    assert!(matches!(read(&mut first, 0, 10), Err(StorageError::Changed)));
    assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), new);
}

#[test]
fn uploads_through_the_same_storage_are_seen_at_once() {
    let store = Watched::default();
    let storage = create(&store);
    assert!(matches!(reader(&storage, "a"), Err(StorageError::NotFound)));
    put(&storage, "a", b"hello").unwrap();
    assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 512).unwrap(), b"hello");
}

#[test]
fn a_failure_is_told_to_those_who_waited_and_forgotten() {
    let store = Watched::default();
    store.insert("pre/fix/a", "a");
    let storage = open(store.storage().fresh_for(Duration::from_secs(3600)));
    store.fail(Op::Head, &[Fault::Before]);
    assert!(reader(&storage, "a").is_err());
    let mut reader = reader(&storage, "a").unwrap();
    store.fail(Op::Get, &[Fault::Before]);
    assert!(read(&mut reader, 0, 1).is_err());
    assert_eq!(read(&mut reader, 0, 1).unwrap(), "a");
}

#[test]
fn what_is_larger_than_the_cache_passes_through_it() {
    let store = Watched::default();
    let content = pattern(1, 20 * CHUNK);
    store.insert("pre/fix/a", content.clone());
    let limit = 4 * CHUNK as u64;
    let storage = open(store.storage().cache_bytes(limit).read_buffer_bytes(limit));
    for _ in 0..2 {
        assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), content);
        assert!(storage.stats().bytes_in_memory <= 2 * limit);
    }
}
