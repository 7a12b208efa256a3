//! A store that is slow, busy, cut off or killed; two servers on one bucket; a thousand readers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use tftp_driver::storage::{StorageError, WritePolicy, Writer as _};
use tftp_object_store::{ObjectStorage, ObjectStorageBuilder};

use super::stand::{Place, Proxy, Request, Verdict, Weed, eventually, secret};
use super::support::{PART, at, get, open, pattern, put, read, read_all, reader, with, write, writer};

const CHUNK: usize = 1 << 20;
const DAY: Duration = Duration::from_secs(86_400);

fn named(place: &Place, name: &str) -> ObjectStorageBuilder {
    at(place).write_policy(WritePolicy::CREATE).instance(name).leftovers_after(DAY)
}

/// What of other uploads is left in the store: objects, and uploads that were begun.
fn leftovers(weed: &Weed) -> (usize, usize) {
    // A server that takes everything for too old says how much there was.
    let storage = open(at(&weed.place()).write_policy(WritePolicy::ANY).leftovers_after(Duration::ZERO));
    let removed = block_on(storage.removed_leftovers()).unwrap();
    assert_eq!(removed.failed, 0);
    (removed.objects, removed.uploads)
}

/// Fails the first request of a kind with `verdict`, and lets all others pass.
fn once(is: impl Fn(&Request) -> bool + Send + 'static, verdict: Verdict) -> impl FnMut(&Request) -> Verdict + Send {
    let mut done = false;
    move |request| {
        if !done && is(request) {
            done = true;
            return verdict;
        }
        Verdict::Pass
    }
}

fn is_upload(request: &Request) -> bool {
    request.target.contains("uploadId=") || request.target.contains("?uploads")
}

type Stage = (&'static str, usize, fn(&Request) -> bool);

/// The stages of uploads, as they are seen on the wire.
const STAGES: [Stage; 6] = [
    ("the put of a small file", 5000, |request| request.method == "PUT" && request.creates && !request.copies),
    ("beginning", PART + 9, |request| request.method == "POST" && request.target.contains("?uploads")),
    ("a part", PART + 9, |request| request.method == "PUT" && is_upload(request)),
    ("completing", PART + 9, |request| request.method == "POST" && request.target.contains("uploadId=")),
    ("copying", PART + 9, |request| request.copies),
    ("deleting the temporary key", PART + 9, |request| request.method == "DELETE"),
];

#[test]
fn one_failure_at_any_stage_of_an_upload_is_got_over_or_leaves_nothing() {
    let Some(weed) = Weed::start() else { return };
    let proxy = Proxy::start(weed.address());
    let storage = open(named(&weed.place().through(&proxy), "a"));
    let direct = open(at(&weed.place()).fresh_for(Duration::ZERO));
    let verdicts =
        [Verdict::Unavailable, Verdict::CutBefore, Verdict::CutRequest, Verdict::CutAfter, Verdict::CutAnswer];
    let mut index = 0;
    for (what, size, is) in STAGES {
        for verdict in verdicts {
            index += 1;
            let name = format!("file-{index}");
            proxy.rule(once(is, verdict));
            let content = pattern(index as u8, size);
            let result = put(&storage, &name, &content);
            let context = format!("{what}, {verdict:?}: {result:?}");
            match get(&direct, &name) {
                Ok(there) => assert!(result.is_ok() && there == content, "{context}"),
                Err(StorageError::NotFound) => assert!(result.is_err(), "{context}"),
                Err(error) => panic!("{context}: {error}"),
            }
            // What a request did whose answer was lost is what a restart cleans up.
            proxy.rule(|_| Verdict::Pass);
        }
    }
    block_on(open(named(&weed.place(), "a")).removed_leftovers()).unwrap();
    assert_eq!(leftovers(&weed), (0, 0));
}

#[test]
fn one_failure_at_any_stage_of_a_download_is_got_over() {
    let Some(weed) = Weed::start() else { return };
    let content = pattern(1, 3 * CHUNK + 5);
    put(&with(&weed.place(), WritePolicy::CREATE), "file", &content).unwrap();
    let proxy = Proxy::start(weed.address());
    for (is, what) in [
        ((|request| request.method == "HEAD") as fn(&Request) -> bool, "looking"),
        (|request| request.method == "GET" && request.range.is_some_and(|(first, _)| first == 0), "the first chunk"),
        (|request| request.method == "GET" && request.range.is_some_and(|(first, _)| first > 0), "a later chunk"),
    ] {
        for verdict in [Verdict::Unavailable, Verdict::CutBefore, Verdict::CutAfter, Verdict::CutAnswer] {
            let storage = open(at(&weed.place().through(&proxy)));
            proxy.rule(once(is, verdict));
            let there = get(&storage, "file").unwrap_or_else(|error| panic!("{what}, {verdict:?}: {error}"));
            assert!(there == content, "{what}, {verdict:?}");
        }
    }
}

#[test]
fn a_store_that_stays_away_is_a_clear_error_without_secrets() {
    let Some(weed) = Weed::start() else { return };
    let proxy = Proxy::start(weed.address());
    let storage = open(named(&weed.place().through(&proxy), "a"));
    put(&storage, "file", b"content").unwrap();
    for (verdict, says) in [(Verdict::Unavailable, "503"), (Verdict::CutBefore, "error sending request")] {
        proxy.rule(move |_| verdict);
        let storage = open(at(&weed.place().through(&proxy)));
        let error = get(&storage, "file").unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        for text in [error, format!("{storage:?}"), format!("{:?}", at(&weed.place()))] {
            assert!(!text.contains(secret()), "{text}");
        }
    }
}

#[test]
fn a_slow_store_delays_and_nothing_else() {
    let Some(weed) = Weed::start() else { return };
    let proxy = Proxy::start(weed.address());
    let storage = open(named(&weed.place().through(&proxy), "a"));
    proxy.rule(|_| Verdict::Slow(Duration::from_millis(300)));
    let content = pattern(1, PART + 9);
    put(&storage, "file", &content).unwrap();
    assert!(get(&storage, "file").unwrap() == content);
}

#[test]
fn of_two_servers_one_wins_and_the_file_is_whole() {
    let Some(weed) = Weed::start() else { return };
    let (first, second) = (open(named(&weed.place(), "a")), open(named(&weed.place(), "b")));
    for (index, size) in [1000, PART + 9].into_iter().cycle().take(12).enumerate() {
        let name = format!("file-{index}");
        let contents = [pattern(1, size), pattern(2, size + 1)];
        let mut writers = Vec::new();
        for (storage, content) in [&first, &second].into_iter().zip(&contents) {
            let mut writer = writer(storage, &name).unwrap();
            write(&mut writer, 0, content).unwrap();
            writers.push(writer);
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let commits: Vec<_> = writers.into_iter().map(|writer| scope.spawn(|| block_on(writer.commit()))).collect();
            commits.into_iter().map(|commit| commit.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
        let loser = results.iter().find_map(|result| result.as_ref().err()).unwrap();
        assert!(matches!(loser, StorageError::AlreadyExists), "{loser:?}");
        let winner = usize::from(results[1].is_ok());
        assert!(get(&first, &name).unwrap() == contents[winner]);
    }
    assert_eq!(leftovers(&weed), (0, 0));
}

/// A server that is killed in the middle of an upload: its requests stop where they are, for good.
fn kill_in(weed: &Weed, name: &str, is: fn(&Request) -> bool) {
    let proxy = Proxy::start(weed.address());
    let storage = open(named(&weed.place().through(&proxy), name));
    let reached = proxy.hang_from(is);
    let mut upload = writer(&storage, "file").unwrap();
    write(&mut upload, 0, &pattern(1, 2 * PART + 9)).unwrap();
    let mut commit = Box::pin(upload.commit());
    eventually("the stage", || {
        let _ = block_on(poll_once(&mut commit));
        reached.load(Ordering::SeqCst).then_some(())
    });
    // Nothing of it runs on, or cleans up.
    std::mem::forget((commit, storage));
    std::mem::forget(proxy);
}

#[test]
fn a_restart_removes_what_a_killed_server_left_and_nothing_of_a_live_one() {
    let Some(weed) = Weed::start() else { return };
    let live = open(named(&weed.place(), "live"));
    let mut upload = writer(&live, "other").unwrap();
    let content = pattern(9, 3 * PART);
    write(&mut upload, 0, &content).unwrap();
    type Kill = (fn(&Request) -> bool, usize, usize);
    let stages: [Kill; 3] = [
        (|request| request.method == "PUT" && request.target.contains("partNumber=2"), 0, 1),
        (|request| request.method == "POST" && request.target.contains("uploadId="), 0, 1),
        (|request| request.copies, 1, 0),
    ];
    for (stage, objects, uploads) in stages {
        kill_in(&weed, "killed", stage);
        // Of another server nothing is touched.
        let other = block_on(open(named(&weed.place(), "other")).removed_leftovers()).unwrap();
        assert_eq!((other.objects, other.uploads), (0, 0));
        let restarted = open(named(&weed.place(), "killed"));
        let removed = block_on(restarted.removed_leftovers()).unwrap();
        assert_eq!((removed.objects, removed.uploads, removed.failed), (objects, uploads, 0));
        assert!(matches!(get(&restarted, "file"), Err(StorageError::NotFound)));
    }
    block_on(upload.commit()).unwrap();
    assert!(get(&live, "other").unwrap() == content);
    assert_eq!(leftovers(&weed), (0, 0));
}

#[test]
fn a_store_that_is_killed_and_comes_back_has_the_whole_file_or_nothing() {
    let Some(mut weed) = Weed::start() else { return };
    let storage = open(named(&weed.place(), "a"));
    let content = pattern(1, 3 * PART);
    put(&storage, "before", &content).unwrap();
    let mut upload = writer(&storage, "during").unwrap();
    write(&mut upload, 0, &content[..2 * PART]).unwrap();
    weed.kill();
    let mut result = write(&mut upload, 2 * PART, &content[2 * PART..]);
    if result.is_ok() {
        result = block_on(upload.commit());
    } else {
        block_on(upload.abort());
    }
    assert!(result.is_err(), "there is no store");
    weed.restart();
    let restarted = open(named(&weed.place(), "a"));
    block_on(restarted.removed_leftovers()).unwrap();
    assert!(matches!(get(&restarted, "during"), Err(StorageError::NotFound)));
    assert!(get(&restarted, "before").unwrap() == content);
    put(&restarted, "during", &content).unwrap();
    assert!(get(&restarted, "during").unwrap() == content);
    assert_eq!(leftovers(&weed), (0, 0));
}

#[test]
fn a_thousand_readers_of_a_large_object_cost_one_fetch_of_each_byte() {
    let Some(weed) = Weed::start() else { return };
    let content = pattern(1, 32 * CHUNK);
    put(&with(&weed.place(), WritePolicy::CREATE), "initrd", &content).unwrap();
    let proxy = Proxy::start(weed.address());
    let cache = 48 * CHUNK as u64;
    let storage: ObjectStorage =
        open(at(&weed.place().through(&proxy)).cache_bytes(cache).fresh_for(Duration::from_secs(3600)));
    let most = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (storage, content, most) = (&storage, &content, &most);
            scope.spawn(move || {
                let mut readers: Vec<_> = (0..250).map(|_| reader(storage, "initrd").unwrap()).collect();
                // Each begins a little later than the one before.
                for turn in 0..content.len() / 65_536 + 250 {
                    for (index, reader) in readers.iter_mut().enumerate() {
                        let Some(offset) = turn.checked_sub(index).map(|turn| turn * 65_536) else { continue };
                        if offset < content.len() {
                            let piece = read(reader, offset as u64, 65_536).unwrap();
                            assert!(piece == content[offset..offset + 65_536], "{thread}, {index}, {offset}");
                        }
                    }
                    most.fetch_max(storage.stats().bytes_in_memory as usize, Ordering::Relaxed);
                }
            });
        }
    });
    let log = proxy.log();
    assert_eq!(log.iter().filter(|request| request.method == "HEAD").count(), 1);
    let mut ranges: Vec<_> = log.iter().filter_map(|request| request.range).collect();
    ranges.sort_unstable();
    let mut next = 0;
    for (first, last) in ranges {
        assert_eq!(first, next, "each byte once");
        next = last + 1;
    }
    assert_eq!(next, content.len() as u64);
    let most = most.into_inner() as u64;
    assert!(most <= cache, "{most}");
}

#[test]
fn a_replaced_object_is_an_error_and_never_a_mixture() {
    let Some(weed) = Weed::start() else { return };
    let (old, new) = (pattern(1, 6 * CHUNK), pattern(2, 6 * CHUNK));
    let writing = with(&weed.place(), WritePolicy::ANY);
    put(&writing, "file", &old).unwrap();
    let storage = open(at(&weed.place()).cache_bytes(0));
    let mut before = reader(&storage, "file").unwrap();
    assert!(read(&mut before, 0, 1000).unwrap() == old[..1000]);
    put(&writing, "file", &new).unwrap();
    let error = read_all(&mut before).unwrap_err();
    assert!(matches!(error, StorageError::Changed), "{error:?}");
    assert!(get(&storage, "file").unwrap() == new);
}
