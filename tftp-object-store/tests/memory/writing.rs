//! Uploads: whole or not at all, whatever fails and whenever.

use futures_lite::future::{block_on, poll_once};
use tftp_driver::storage::{Context, Owner, Storage as _, StorageError, WritePolicy, WriteRequest, Writer};
use tftp_object_store::OpenError;

use super::support::{Fault, Op, Watched, create, open, pattern, peer, put, wait_until, write, writer};

const PART: usize = 5 << 20;

#[test]
fn small_files_are_one_conditional_request() {
    let store = Watched::default();
    let storage = create(&store);
    let before = store.count(Op::Put);
    for size in [0, 1, 64 * 1024, 64 * 1024 + 1, PART] {
        put(&storage, &size.to_string(), &pattern(1, size)).unwrap();
        assert_eq!(store.content(&format!("pre/fix/{size}")).unwrap(), pattern(1, size));
    }
    assert_eq!(store.count(Op::Put) - before, 5);
    assert_eq!(store.count(Op::Create), 0);
}

#[test]
fn large_files_go_in_parts_while_they_arrive_and_appear_at_the_end() {
    let store = Watched::default();
    let storage = create(&store);
    let content = pattern(1, 4 * PART + 7);
    let mut writer = writer(&storage, "large").unwrap();
    write(&mut writer, 0, &content[..3 * PART]).unwrap();
    wait_until("parts are sent before the end", || store.count(Op::Part) >= 2);
    assert_eq!(store.keys(), [""; 0], "nothing to be seen");
    write(&mut writer, 3 * PART, &content[3 * PART..]).unwrap();
    block_on(writer.commit()).unwrap();
    assert_eq!(store.keys(), ["pre/fix/large"]);
    assert_eq!(store.content("pre/fix/large").unwrap(), content);
    assert_eq!(store.count(Op::Part), 5);
}

#[test]
fn a_store_that_is_slow_holds_the_client_back() {
    let store = Watched::default();
    let storage = create(&store);
    store.hold(Some(Op::Part));
    let mut writer = writer(&storage, "a").unwrap();
    let piece: bytes::Bytes = vec![7; 60_000].into();
    let mut taken = 0_usize;
    loop {
        match writer.try_write_at(taken as u64, &piece) {
            Some(result) => result.unwrap(),
            None => match block_on(poll_once(writer.write_at(taken as u64, piece.clone()))) {
                Some(result) => result.unwrap(),
                None => break,
            },
        }
        taken += piece.len();
        assert!(taken < 4 * PART, "it takes more than it may hold");
    }
    assert!(taken > PART, "{taken}");
    store.hold(None);
    // The write was dropped half-way.
    assert!(block_on(writer.write_at(taken as u64, piece)).is_err());
    block_on(writer.abort());
    assert_eq!(store.count(Op::Abort), 1);
    assert_eq!(store.keys(), [""; 0]);
}

#[test]
fn all_uploads_together_hold_no_more_than_they_may() {
    let store = Watched::default();
    let storage = open(store.storage().write_policy(WritePolicy::CREATE).write_buffer_bytes(2 * PART as u64));
    let names: Vec<String> = (0..8).map(|index| index.to_string()).collect();
    let content = pattern(1, 2 * PART + 1000);
    // Each has a little room of its own, which is enough for a small file.
    let small: Vec<_> = names.iter().map(|name| writer(&storage, &format!("small-{name}")).unwrap()).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let (storage, content) = (&storage, &content);
            scope.spawn(move || put(storage, name, content).unwrap());
        }
    });
    for (index, mut writer) in small.into_iter().enumerate() {
        write(&mut writer, 0, &pattern(index as u8, 60_000)).unwrap();
        block_on(writer.commit()).unwrap();
    }
    for name in names {
        assert_eq!(store.content(&format!("pre/fix/{name}")).unwrap(), content);
    }
}

/// Every request that an upload makes, cut before the store has seen it and after.
#[test]
fn a_connection_cut_at_any_stage_leaves_the_whole_file_or_nothing() {
    let stages = [Op::Put, Op::Create, Op::Part, Op::Complete, Op::Copy];
    for (size, policy) in
        [(1000, WritePolicy::CREATE), (2 * PART + 9, WritePolicy::CREATE), (2 * PART + 9, WritePolicy::ANY)]
    {
        for stage in stages {
            for fault in [Fault::Before, Fault::After] {
                let store = Watched::default();
                let storage = open(store.storage().write_policy(policy));
                store.fail(stage, &[fault]);
                let content = pattern(3, size);
                let result = put(&storage, "a", &content);
                let what = format!("{size} bytes, {stage:?}, {fault:?}: {result:?}, {:?}", store.keys());
                match result {
                    Ok(()) => {
                        assert_eq!(store.content("pre/fix/a").unwrap(), content, "{what}");
                        assert_eq!(store.keys(), ["pre/fix/a"], "{what}");
                    }
                    Err(_) => assert_eq!(store.keys(), [""; 0], "{what}"),
                }
                // The name is free again, or taken.
                store.fail(stage, &[]);
                put(&storage, "b", b"b").unwrap();
            }
        }
    }
}

#[test]
fn an_outcome_whose_answer_was_lost_is_found_out() {
    for (size, stage) in [(1000, Op::Put), (PART + 9, Op::Complete), (PART + 9, Op::Copy)] {
        let store = Watched::default();
        let storage = create(&store);
        store.fail(stage, &[Fault::After]);
        put(&storage, "a", &pattern(1, size)).unwrap();
        // And it is not mistaken for that of somebody else.
        assert!(matches!(put(&storage, "a", b"other"), Err(StorageError::AlreadyExists)));
    }
}

#[test]
fn of_two_servers_one_wins_and_the_other_is_told() {
    for size in [1000, PART + 9] {
        let store = Watched::default();
        let (first, second) = (create(&store), create(&store));
        let (a, b) = (pattern(1, size), pattern(2, size + 1));
        let (mut one, mut two) = (writer(&first, "a").unwrap(), writer(&second, "a").unwrap());
        write(&mut one, 0, &a).unwrap();
        write(&mut two, 0, &b).unwrap();
        let results = std::thread::scope(|scope| {
            let one = scope.spawn(|| block_on(one.commit()));
            let two = scope.spawn(|| block_on(two.commit()));
            [one.join().unwrap(), two.join().unwrap()]
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let loser = results.iter().find_map(|result| result.as_ref().err()).unwrap();
        assert!(matches!(loser, StorageError::AlreadyExists), "{loser:?}");
        assert_eq!(store.content("pre/fix/a").unwrap(), if results[0].is_ok() { a } else { b });
        assert_eq!(store.keys(), ["pre/fix/a"], "no temporary key is left");
    }
}

#[test]
fn a_dropped_upload_leaves_nothing_and_frees_its_name() {
    for size in [1000, 2 * PART + 9] {
        let store = Watched::default();
        let storage = create(&store);
        let mut first = writer(&storage, "a").unwrap();
        write(&mut first, 0, &pattern(1, size)).unwrap();
        assert!(matches!(writer(&storage, "/a"), Err(StorageError::Busy { owner: Owner(1) })));
        drop(first);
        wait_until("the name is free", || writer(&storage, "a").is_ok());
        assert_eq!(store.keys(), [""; 0]);
    }
}

#[test]
fn dropping_the_storage_with_an_upload_does_not_block_and_leaves_nothing() {
    let store = Watched::default();
    let storage = create(&store);
    let mut upload = writer(&storage, "a").unwrap();
    write(&mut upload, 0, &pattern(1, 2 * PART + 9)).unwrap();
    drop(storage);
    drop(upload);
    wait_until("the abort", || store.count(Op::Abort) == 1);
    assert_eq!(store.keys(), [""; 0]);
}

#[test]
fn nothing_cancels_a_commit() {
    for (size, stage) in [(1000, Op::Put), (2 * PART + 9, Op::Part), (2 * PART + 9, Op::Copy)] {
        let store = Watched::default();
        let storage = create(&store);
        let mut upload = writer(&storage, "a").unwrap();
        let content = pattern(1, size);
        if stage != Op::Part {
            write(&mut upload, 0, &content).unwrap();
            store.hold(Some(stage));
        } else {
            store.hold(Some(stage));
            write(&mut upload, 0, &content).unwrap();
        }
        let mut commit = Box::pin(upload.commit());
        assert!(block_on(poll_once(&mut commit)).is_none());
        drop(commit);
        drop(storage);
        store.hold(None);
        wait_until("the file", || store.keys() == ["pre/fix/a"]);
        assert_eq!(store.content("pre/fix/a").unwrap(), content);
    }
}

#[test]
fn uploads_above_what_the_store_can_copy_are_refused_at_once() {
    let store = Watched::default();
    let storage = create(&store);
    let limit = storage.max_upload();
    let announce = |size| {
        let request = WriteRequest { size: Some(size), ..WriteRequest::new("a", peer(), Owner(1)) };
        block_on(storage.open_write(&request, &Context::inline()))
    };
    block_on(announce(limit).unwrap().abort());
    assert!(matches!(announce(limit + 1), Err(StorageError::TooLarge { limit: said }) if said == limit));
}

/// A store that pretends: whatever the condition, it writes.
#[test]
fn a_store_that_ignores_conditions_is_found_out() {
    let store = super::support::Careless::default();
    let open = |policy: WritePolicy| block_on(store.storage().write_policy(policy).open());
    let error = open(WritePolicy::CREATE).unwrap_err();
    assert!(matches!(error, OpenError::Conditions(_)), "{error:?}");
    assert!(error.to_string().contains("allow overwriting"), "{error}");
    for policy in [WritePolicy::READ_ONLY, WritePolicy::OVERWRITE, WritePolicy::ANY] {
        open(policy).unwrap();
    }
    assert_eq!(store.0.keys(), [""; 0], "the probe leaves nothing");
}
