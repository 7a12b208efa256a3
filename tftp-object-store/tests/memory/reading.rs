//! Readers: ranges, versions, bounds.

use tftp_driver::storage::{Reader, StorageError, WritePolicy};

use super::support::{Fault, Op, Watched, create, open, pattern, put, read, read_all, reader, wait_until};

const CHUNK: usize = 1 << 20;

#[test]
fn opening_costs_one_look_up_and_reading_one_request_for_each_chunk() {
    let store = Watched::default();
    let content = pattern(1, 3 * CHUNK + 5);
    store.insert("pre/fix/a/b", content.clone());
    let storage = open(store.storage());
    let mut reader = reader(&storage, "/a//b").unwrap();
    assert_eq!(reader.size(), Some(content.len() as u64));
    assert_eq!(read_all(&mut reader, 1428).unwrap(), content);
    assert_eq!(store.count(Op::Head), 1);
    let mut ranges = store.ranges();
    ranges.sort_by_key(|range| range.start);
    let chunk = CHUNK as u64;
    assert_eq!(ranges, [0..chunk, chunk..2 * chunk, 2 * chunk..3 * chunk, 3 * chunk..3 * chunk + 5]);
}

#[test]
fn the_first_byte_is_there_before_the_file() {
    let store = Watched::default();
    store.insert("pre/fix/a", pattern(1, 100 * CHUNK));
    let storage = open(store.storage().cache_bytes(0));
    let mut reader = reader(&storage, "a").unwrap();
    assert_eq!(read(&mut reader, 0, 512).unwrap().len(), 512);
    wait_until("one chunk ahead", || store.count(Op::Get) == 2);
    // Whatever else is read of the first chunk needs nothing more.
    for offset in (0..CHUNK - 512).step_by(512) {
        assert!(reader.try_read_at(offset as u64, 512).is_some());
    }
    assert_eq!(store.count(Op::Get), 2);
}

#[test]
fn what_is_read_ahead_is_answered_at_once() {
    let store = Watched::default();
    let content = pattern(1, 2 * CHUNK);
    store.insert("pre/fix/a", content.clone());
    let storage = open(store.storage().cache_bytes(0));
    let mut reader = reader(&storage, "a").unwrap();
    read(&mut reader, 0, 512).unwrap();
    let (start, len) = (CHUNK - 100, 65_536);
    let mut joined = None;
    wait_until("the next chunk", || {
        joined = reader.try_read_at(start as u64, len);
        joined.is_some()
    });
    assert_eq!(joined.unwrap().unwrap(), &content[start..start + len]);
    // A retransmission may go back over the edge.
    assert_eq!(reader.try_read_at(start as u64 - 90_000, 512).unwrap().unwrap().len(), 512);
    assert_eq!(store.count(Op::Get), 2);
}

#[test]
fn memory_for_chunks_is_bounded_for_all_readers_together() {
    let store = Watched::default();
    let contents: Vec<_> = (0..30).map(|index| pattern(index, 3 * CHUNK)).collect();
    for (index, content) in contents.iter().enumerate() {
        store.insert(&format!("pre/fix/{index}"), content.clone());
    }
    let limit = 10 * CHUNK as u64;
    let storage = open(store.storage().cache_bytes(limit / 2).read_buffer_bytes(limit / 2));
    let mut readers: Vec<_> = (0..contents.len()).map(|index| reader(&storage, &index.to_string()).unwrap()).collect();
    for offset in (0..3 * CHUNK).step_by(60_000) {
        for (index, reader) in readers.iter_mut().enumerate() {
            let piece = read(reader, offset as u64, 60_000).unwrap();
            let expected = &contents[index];
            assert_eq!(piece, expected[offset..(offset + 60_000).min(expected.len())]);
            assert!(storage.stats().bytes_in_memory <= limit);
        }
    }
    drop(readers);
    wait_until("readers that are gone hold nothing", || storage.stats().bytes_in_memory <= limit / 2);
}

#[test]
fn an_origin_may_tell_the_version_with_some_answers_only() {
    use Op::{Get, Head};

    let leave_out: [(&[Op], &[Op]); 6] = [
        (&[Head], &[]),
        (&[Head], &[Head]),
        (&[Head, Get], &[Head]),
        (&[Head, Get], &[]),
        (&[Head, Get], &[Head, Get]),
        (&[Get], &[]),
    ];
    for (no_etag, no_time) in leave_out {
        let store = Watched::default();
        let old = pattern(1, 3 * CHUNK);
        store.insert("pre/fix/a", old.clone());
        store.leave_out(no_etag, no_time);
        let storage = open(store.storage().cache_bytes(0).fresh_for(std::time::Duration::ZERO));
        let context = format!("without ETag {no_etag:?}, without time {no_time:?}");
        assert!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap() == old, "{context}");
        let mut before = reader(&storage, "a").unwrap();
        read(&mut before, 0, 1000).unwrap();
        wait_until("one chunk ahead", || store.count(Get) == 5);
        store.insert("pre/fix/a", pattern(2, 3 * CHUNK));
        // Nothing but its size tells this one from the other.
        let is_blind = no_etag.len() == 2 && no_time.len() == 2;
        let result = read(&mut before, 2 * CHUNK as u64, 1000);
        assert!(is_blind || matches!(result, Err(StorageError::Changed)), "{context}: {result:?}");
    }
}

#[test]
fn what_nothing_tells_from_another_version_is_not_read_as_the_same() {
    let store = Watched::default();
    store.insert("pre/fix/a", pattern(1, 3 * CHUNK));
    // It has an ETag when it is opened, and then neither that nor a time.
    store.leave_out(&[Op::Get], &[Op::Head, Op::Get]);
    let storage = open(store.storage().cache_bytes(0));
    assert!(matches!(read(&mut reader(&storage, "a").unwrap(), 0, 1000), Err(StorageError::Changed)));
}

#[test]
fn a_replaced_object_is_an_error_and_never_a_mixture() {
    let store = Watched::default();
    let old = pattern(1, 5 * CHUNK);
    store.insert("pre/fix/a", old.clone());
    let storage = open(store.storage().cache_bytes(0).fresh_for(std::time::Duration::ZERO));
    let mut before = reader(&storage, "a").unwrap();
    assert_eq!(read(&mut before, 0, 1000).unwrap(), &old[..1000]);
    wait_until("one chunk ahead", || store.count(Op::Get) == 2);
    let new = pattern(2, 5 * CHUNK);
    store.insert("pre/fix/a", new.clone());
    // What it has it may give; beyond that it must not read the other one.
    let mut offset = 1000;
    let error = loop {
        match read(&mut before, offset as u64, 50_000) {
            Ok(piece) => assert_eq!(piece, &old[offset..offset + 50_000]),
            Err(error) => break error,
        }
        offset += 50_000;
    };
    assert!(matches!(error, StorageError::Changed), "{error:?}");
    assert!(offset < 3 * CHUNK);
    assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), new);
}

#[test]
fn an_object_that_vanishes_while_it_is_read_has_changed() {
    let store = Watched::default();
    store.insert("pre/fix/a", pattern(1, 5 * CHUNK));
    let storage = open(store.storage().cache_bytes(0));
    let mut reader = reader(&storage, "a").unwrap();
    {
        use tftp_object_store::object_store::{ObjectStoreExt as _, path::Path};
        futures_lite::future::block_on(store.inner.delete(&Path::parse("pre/fix/a").unwrap())).unwrap();
    }
    assert!(matches!(read(&mut reader, 0, 1000), Err(StorageError::Changed)));
}

#[test]
fn a_failed_read_may_be_tried_again() {
    let store = Watched::default();
    let content = pattern(1, 10_000);
    store.insert("pre/fix/a", content.clone());
    for cache in [0, 1 << 30] {
        let storage = open(store.storage().cache_bytes(cache));
        let mut reader = reader(&storage, "a").unwrap();
        store.fail(Op::Get, &[Fault::Before]);
        let error = read(&mut reader, 0, 1000).unwrap_err();
        assert!(error.to_string().contains("the connection was cut"), "{error}");
        assert_eq!(read(&mut reader, 0, 1000).unwrap(), &content[..1000]);
    }
}

#[test]
fn a_dropped_read_loses_nothing() {
    let store = Watched::default();
    let content = pattern(1, 10_000);
    store.insert("pre/fix/a", content.clone());
    let storage = open(store.storage().cache_bytes(0));
    let mut reader = reader(&storage, "a").unwrap();
    store.hold(Some(Op::Get));
    for _ in 0..3 {
        let once = futures_lite::future::block_on(futures_lite::future::poll_once(reader.read_at(0, 1000)));
        assert!(once.is_none());
    }
    store.hold(None);
    assert_eq!(read(&mut reader, 0, 1000).unwrap(), &content[..1000]);
    assert_eq!(store.count(Op::Get), 1, "the one request goes on");
}

#[test]
fn names_of_uploads_in_progress_are_not_found_and_drop_boxes_tell_nothing() {
    let store = Watched::default();
    store.insert("pre/fix/.tftp-upload-tmp/x", "secret");
    let storage = create(&store);
    for name in [".tftp-upload-tmp/x", "/.TFTP-upload-tmp/x", "missing"] {
        assert!(matches!(reader(&storage, name), Err(StorageError::NotFound)), "{name}");
    }
    for name in ["../fix/a", "a/../../x", "..", "a\nb"] {
        assert!(matches!(reader(&storage, name), Err(StorageError::InvalidName(_))), "{name}");
    }
    assert!(matches!(put(&storage, ".tftp-upload-tmp/x", b"x"), Err(StorageError::AccessDenied(_))));
    store.insert("pre/fix/a", "a");
    let drop_box = open(store.storage().readable(false).write_policy(WritePolicy::CREATE));
    assert!(matches!(reader(&drop_box, "a"), Err(StorageError::AccessDenied(_))));
    assert!(matches!(reader(&drop_box, "b"), Err(StorageError::AccessDenied(_))));
}
