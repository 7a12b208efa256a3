//! Limits to what is kept.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use futures_lite::future::{block_on, poll_once};
use tftp_driver::storage::layers::{Quota, ReadOnly, Split, WriteOnly};
use tftp_driver::storage::{
    Context, Memory, Owner, ReadRequest, Storage, StorageError, Usage, WritePolicy, WriteRequest, Writer, conformance,
};

use crate::support::{get, memory, peer, put, writer};

const NOTHING: Usage = Usage { bytes: 0, files: 0 };

fn exceeded<T>(result: &Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::QuotaExceeded(_)))
}

fn content(len: usize) -> String {
    "x".repeat(len)
}

/// What a memory really holds.
fn kept(memory: &Memory) -> Usage {
    let list = memory.list();
    Usage { bytes: list.iter().map(|(_, size)| size).sum(), files: list.len() as u64 }
}

#[test]
fn storage_with_a_quota_conforms() {
    let make = |policy| {
        let memory = Memory::builder().write_policy(policy).build();
        Quota::new(memory, NOTHING).max_bytes(64 << 20).max_files(100)
    };
    block_on(conformance::writable(make, &Context::inline())).unwrap();
}

#[test]
fn bytes_and_files_are_limited_to_the_last() {
    let files = memory(&[]);
    let quota = Quota::new(files.clone(), Usage { bytes: 100, files: 1 }).max_bytes(1000).max_files(3);
    assert!(exceeded(&put(&quota, "a", &content(901))));
    put(&quota, "a", &content(900)).unwrap();
    assert!(exceeded(&put(&quota, "b", "x")));
    put(&quota, "b", "").unwrap();
    assert!(exceeded(&writer(&quota, "c")), "one file too many is refused at once");
    assert_eq!(quota.used(), Usage { bytes: 1000, files: 3 });
    assert_eq!(files.list().len(), 2);
    let error = put(&quota, "c", "").unwrap_err();
    assert_eq!(
        error.to_string(),
        "quota exceeded: 1000 of 1000 bytes and 3 of 3 files are kept, and it needs a file more"
    );
    let error = put(&quota, "a", &content(901)).unwrap_err();
    let expected = "quota exceeded: 1000 of 1000 bytes and 3 of 3 files are kept, and it needs 1 byte more";
    assert_eq!(error.to_string(), expected);
    let bytes_alone = Quota::new(memory(&[]), NOTHING).max_bytes(1000);
    let error = put(&bytes_alone, "a", &content(5000)).unwrap_err();
    let expected = "quota exceeded: 0 of 1000 bytes and 0 of any number of files are kept, and it needs 5000 bytes and a file more";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_that_is_replaced_counts_for_the_difference() {
    let files = memory(&[]);
    let quota = Quota::new(files.clone(), NOTHING).max_bytes(1000).max_files(1);
    put(&quota, "a", &content(1000)).unwrap();
    put(&quota, "/a", &content(1000)).unwrap();
    assert!(exceeded(&put(&quota, "a", &content(1001))));
    assert_eq!(get(&quota, "a").unwrap().len(), 1000);
    put(&quota, "a", &content(10)).unwrap();
    assert_eq!(quota.used(), Usage { bytes: 10, files: 1 });
    put(&quota, "a", &content(1000)).unwrap();
    assert_eq!(quota.used(), kept(&files));
}

#[test]
fn what_is_announced_is_checked_and_not_reserved() {
    let quota = Quota::new(memory(&[]), NOTHING).max_bytes(1000);
    let open = |name: &str, size| {
        let request = WriteRequest { size: Some(size), ..WriteRequest::new(name, peer(), Owner(1)) };
        block_on(quota.open_write(&request, &Context::inline()))
    };
    for size in [1001, 100 << 20] {
        assert!(exceeded(&open("a", size)), "{size}");
    }
    let (first, second) = (open("a", 1000).unwrap(), open("b", 1000).unwrap());
    drop((first, second));
    assert_eq!(quota.used(), NOTHING);
}

#[test]
fn uploads_that_fail_give_everything_back() {
    let quota = Quota::new(memory(&[("old", "12345")]), Usage { bytes: 5, files: 1 }).max_bytes(1000).max_files(2);
    type End = fn(<Quota<Memory> as Storage>::Writer);
    let ends: [End; 3] = [
        drop,
        |writer| block_on(writer.abort()),
        |mut writer| assert!(block_on(writer.write_at(7, Bytes::from_static(b"x"))).is_err()),
    ];
    for end in ends {
        for name in ["old", "new"] {
            let mut upload = writer(&quota, name).unwrap();
            block_on(upload.write_at(0, content(500).into())).unwrap();
            assert!(quota.used().bytes >= 500);
            end(upload);
            assert_eq!(quota.used(), Usage { bytes: 5, files: 1 });
        }
    }
    // Refused at its end: another took the name meanwhile.
    let files = Memory::builder().write_policy(WritePolicy::CREATE).build();
    let quota = Quota::new(files.clone(), NOTHING).max_bytes(1000);
    let upload = writer(&quota, "a").unwrap();
    files.insert("a", "x").unwrap();
    assert!(block_on(upload.commit()).is_err());
    assert_eq!(quota.used(), NOTHING);
}

#[test]
fn many_uploads_at_once_cannot_exceed_it_together() {
    let files = memory(&[]);
    let quota = Quota::new(files.clone(), NOTHING).max_bytes(10_000).max_files(20);
    let most = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..8u64 {
            let (quota, files, most) = (&quota, &files, &most);
            scope.spawn(move || {
                for round in 0..300u64 {
                    let name = format!("{}", (thread * 7 + round) % 30);
                    let Ok(mut upload) = writer(quota, &name) else { continue };
                    let size = (round * 37 + thread * 101) % 900;
                    let written = (0..size).try_for_each(|at| block_on(upload.write_at(at, Bytes::from_static(b"x"))));
                    match written {
                        Ok(()) if round % 3 > 0 => drop(block_on(upload.commit())),
                        _ => block_on(upload.abort()),
                    }
                    let now = kept(files);
                    most.fetch_max(now.bytes, Ordering::Relaxed);
                    assert!(now.bytes <= 10_000 && now.files <= 20, "{now:?}");
                    let used = quota.used();
                    assert!(used.bytes <= 10_000 && used.files <= 20, "{used:?}");
                }
            });
        }
    });
    assert_eq!(quota.used(), kept(&files), "nothing is lost and nothing left behind");
    assert!(most.into_inner() > 8000, "it was never close to full");
}

#[test]
fn what_others_removed_is_found_before_an_upload_is_refused() {
    let files = memory(&[]);
    let (measured, count) = (files.clone(), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&count);
    let quota = Quota::new(files.clone(), NOTHING).max_bytes(1000).max_files(3).measure(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        kept(&measured)
    });
    put(&quota, "a", &content(1000)).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0, "only when it is full");
    files.remove("a");
    put(&quota, "b", &content(800)).unwrap();
    assert_eq!((count.load(Ordering::SeqCst), quota.used()), (1, Usage { bytes: 800, files: 1 }));
    // Full again: what is refused now does not keep the disk busy.
    for _ in 0..100 {
        assert!(exceeded(&put(&quota, "c", &content(300))));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn what_others_added_counts_once_it_is_found() {
    let files = memory(&[]);
    let measured = files.clone();
    let quota = Quota::new(files.clone(), NOTHING).max_bytes(1000).measure(move || kept(&measured));
    files.insert("theirs", content(700)).unwrap();
    assert!(exceeded(&put(&quota, "a", &content(1001))), "measured now");
    assert!(exceeded(&put(&quota, "a", &content(301))));
    put(&quota, "a", &content(300)).unwrap();
}

/// Memory whose commits are done when they are first polled, and say so when they are polled again.
#[derive(Clone)]
struct Slow(Memory);

struct SlowWriter<W>(W);

impl Storage for Slow {
    type Reader = <Memory as Storage>::Reader;
    type Writer = SlowWriter<<Memory as Storage>::Writer>;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<Self::Reader, StorageError> {
        self.0.open_read(request, cx).await
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<Self::Writer, StorageError> {
        self.0.open_write(request, cx).await.map(SlowWriter)
    }
}

impl<W: Writer> Writer for SlowWriter<W> {
    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        self.0.write_at(offset, bytes).await
    }

    async fn commit(self) -> Result<(), StorageError> {
        let result = self.0.commit().await;
        futures_lite::future::yield_now().await;
        result
    }

    async fn abort(self) {
        self.0.abort().await;
    }
}

type Commit = Pin<Box<dyn Future<Output = Result<(), StorageError>> + Send>>;

/// Begins an upload of so many bytes, to be committed.
fn upload(quota: &Quota<Slow>, name: &str, size: usize) -> Commit {
    let mut writer = writer(quota, name).unwrap();
    block_on(writer.write_at(0, content(size).into())).unwrap();
    Box::pin(writer.commit())
}

#[test]
fn uploads_that_end_while_it_is_measured_are_never_forgotten() {
    // Whether the files are looked at before the upload ends or after, whether it hears of its end before the
    // measurement is over or after, and whether it replaces a larger file.
    for case in 0..8 {
        let (before, within, shrinks) = (case & 1 > 0, case & 2 > 0, case & 4 > 0);
        let files = memory(&[]);
        let commit = Arc::new(Mutex::new(None::<Commit>));
        let (measured, ending) = (files.clone(), Arc::clone(&commit));
        let quota = Quota::new(Slow(files.clone()), NOTHING).max_bytes(1000).measure(move || {
            let found = kept(&measured);
            if let Some(commit) = ending.lock().unwrap().as_mut() {
                assert!(block_on(poll_once(commit.as_mut())).is_none());
                if within {
                    block_on(commit).unwrap();
                }
            }
            if before { found } else { kept(&measured) }
        });
        block_on(upload(&quota, "old", 100)).unwrap();
        *commit.lock().unwrap() = Some(if shrinks { upload(&quota, "old", 10) } else { upload(&quota, "new", 800) });
        // Refused, so that it is measured.
        assert!(exceeded(&put(&quota, "larger", &content(2000))));
        let commit = commit.lock().unwrap().take();
        if let Some(commit) = commit.filter(|_| !within) {
            block_on(commit).unwrap();
        }
        let (used, kept) = (quota.used(), kept(&files));
        assert_eq!(kept.bytes, if shrinks { 10 } else { 900 });
        assert!(used.bytes >= kept.bytes && used.files >= kept.files, "{before} {within} {shrinks}: {used:?}");
    }
}

#[test]
fn a_commit_that_nobody_waits_for_counts() {
    let files = memory(&[]);
    let quota = Quota::new(Slow(files.clone()), NOTHING).max_bytes(1000);
    let mut commit = upload(&quota, "a", 700);
    assert!(block_on(poll_once(commit.as_mut())).is_none());
    drop(commit);
    assert_eq!(kept(&files).bytes, 700);
    assert_eq!(quota.used(), Usage { bytes: 700, files: 1 });
}

#[test]
fn beneath_a_drop_box_a_file_that_is_replaced_counts_for_the_difference() {
    let files = memory(&[]);
    let served = WriteOnly::new(Quota::new(files.clone(), NOTHING).max_bytes(10).max_files(1));
    for len in [7, 10, 1, 10] {
        put(&served, "a", &content(len)).unwrap();
        assert_eq!(kept(&files), Usage { bytes: len as u64, files: 1 });
        for name in ["a", "b"] {
            assert!(matches!(get(&served, name), Err(StorageError::AccessDenied(_))), "{name}");
        }
    }
    assert!(exceeded(&put(&served, "a", &content(11))));
    assert!(exceeded(&put(&served, "b", "")));
}

#[test]
fn a_drop_box_counts_all_as_new() {
    let files = Memory::builder().readable(false).write_policy(WritePolicy::ANY).build();
    let quota = Quota::new(Split::new(ReadOnly::new(files.clone()), files), NOTHING).max_files(2);
    put(&quota, "a", "1").unwrap();
    put(&quota, "a", "2").unwrap();
    assert!(exceeded(&put(&quota, "a", "3")));
}
