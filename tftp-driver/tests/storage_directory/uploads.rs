//! Uploads: what is there before, during and after.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Context, Directory, Owner, Storage, StorageError, WritePolicy, WriteRequest, Writer};

use crate::support::{Fixture, PUBLIC, pattern, pool, skipped, temporaries, wait_until, writer, writer_on};

fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap_or("022");
    u32::from_str_radix(umask.trim(), 8).unwrap()
}

#[test]
fn policies() {
    let cases = [
        (WritePolicy::READ_ONLY, false, false),
        (WritePolicy::CREATE, true, false),
        (WritePolicy::OVERWRITE, false, true),
        (WritePolicy::ANY, true, true),
    ];
    for (policy, create, overwrite) in cases {
        let fixture = Fixture::with_policy(policy);
        assert_eq!(fixture.put("new", b"new").is_ok(), create, "{policy:?}");
        assert_eq!(fixture.inside("new").exists(), create, "{policy:?}");
        assert_eq!(fixture.put("file", b"new").is_ok(), overwrite, "{policy:?}");
        assert_eq!(fs::read(fixture.inside("file")).unwrap() == b"new", overwrite, "{policy:?}");
        assert_eq!(fixture.get("dir/file").unwrap(), PUBLIC);
        assert!(temporaries(&fixture.inside("")).is_empty());
    }
    assert!(matches!(Fixture::with_policy(WritePolicy::CREATE).put("file", b""), Err(StorageError::AlreadyExists)));
    assert!(matches!(Fixture::with_policy(WritePolicy::OVERWRITE).put("new", b""), Err(StorageError::NotFound)));
}

#[test]
fn a_directory_is_read_only_by_default() {
    let fixture = Fixture::new();
    let directory = Directory::open(fixture.inside("")).unwrap();
    assert!(matches!(writer(&directory, "new", 1), Err(StorageError::AccessDenied(_))));
    assert!(matches!(writer(&directory, "file", 1), Err(StorageError::AccessDenied(_))));
}

#[test]
fn a_drop_box_cannot_be_read() {
    let fixture = Fixture::new();
    let directory =
        Directory::builder(fixture.inside("")).write_policy(WritePolicy::CREATE).readable(false).open().unwrap();
    block_on(writer(&directory, "new", 1).unwrap().commit()).unwrap();
    for name in ["new", "file", "missing"] {
        assert!(matches!(crate::support::reader(&directory, name), Err(StorageError::AccessDenied(_))));
    }
}

#[test]
fn mode_is_0666_less_the_umask_unless_set() {
    let fixture = Fixture::new();
    let mode = |name| fs::metadata(fixture.inside(name)).unwrap().permissions().mode() & 0o7777;
    fixture.put("new", b"new").unwrap();
    assert_eq!(mode("new"), 0o666 & !umask());
    // 0o666 is more than any umask leaves, so that it shows.
    for (set, expected) in [(0o7640, 0o640), (0o666, 0o666), (0o400, 0o400), (0, 0)] {
        let builder = Directory::builder(fixture.inside("")).write_policy(WritePolicy::ANY);
        let directory = builder.mode(set).open().unwrap();
        let upload = writer(&directory, "set", 1).unwrap();
        let temporary = fs::metadata(&temporaries(&fixture.inside(""))[0]).unwrap();
        assert_eq!(temporary.permissions().mode() & 0o777, 0o600 & !umask(), "nobody else's until it is there");
        block_on(upload.commit()).unwrap();
        assert_eq!(mode("set"), expected);
    }
}

#[test]
fn uploads_belong_to_whom_they_are_given() {
    let fixture = Fixture::new();
    let open = |user, group| {
        let builder = Directory::builder(fixture.inside("")).write_policy(WritePolicy::ANY).create_directories(true);
        builder.owner(user, group).mode(0o640).open()
    };
    let owner = |name| {
        let metadata = fs::metadata(fixture.inside(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let us = owner("");
    let Ok(directory) = open(Some(4711), Some(4712)) else {
        // What we may not do is found out at the start.
        let refused = open(Some(4711), None).unwrap_err();
        assert!(refused.to_string().contains("uploads cannot be given to user 4711: "), "{refused}");
        skipped("uploads_belong_to_whom_they_are_given", "only root may give files away");
        return;
    };
    for name in ["new", "file", "made/new"] {
        block_on(writer(&directory, name, 1).unwrap().commit()).unwrap();
        assert_eq!(owner(name), (4711, 4712), "{name}");
    }
    assert_eq!(owner("made"), (4711, 4712));
    assert_eq!(fs::metadata(fixture.inside("made")).unwrap().mode() & 0o777, 0o750);
    let directory = open(None, Some(4712)).unwrap();
    block_on(writer(&directory, "new", 1).unwrap().commit()).unwrap();
    assert_eq!(owner("new"), (us.0, 4712));
    assert!(temporaries(&fixture.inside("")).is_empty());
}

#[test]
fn an_upload_whose_temporary_file_was_taken_away_touches_nothing_of_others() {
    for commit in [true, false] {
        let fixture = Fixture::new();
        let mut first = fixture.writer("new").unwrap();
        block_on(first.write_at(0, Bytes::from_static(b"first"))).unwrap();
        let temporary = temporaries(&fixture.inside("")).pop().unwrap();
        fs::remove_file(&temporary).unwrap();
        fs::write(&temporary, "another's, not complete").unwrap();
        if commit {
            assert!(matches!(block_on(first.commit()), Err(StorageError::Other(_))));
        } else {
            block_on(first.abort());
        }
        assert!(!fixture.inside("new").exists());
        assert_eq!(fs::read_to_string(&temporary).unwrap(), "another's, not complete");
    }
}

#[test]
fn during_an_upload_the_old_file_is_read() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("file").unwrap();
    for block in 0..300 {
        block_on(writer.write_at(block * 512, pattern(1, 512).into())).unwrap();
        assert_eq!(fixture.get("file").unwrap(), PUBLIC);
    }
    block_on(writer.commit()).unwrap();
    assert_eq!(fixture.get("file").unwrap(), pattern(1, 512).repeat(300));
}

#[test]
fn a_client_that_leaves_leaves_nothing() {
    let fixture = Fixture::new();
    let before = fixture.tree();
    for name in ["new", "file", "dir/new"] {
        for abort in [true, false] {
            let mut writer = fixture.writer(name).unwrap();
            block_on(writer.write_at(0, pattern(1, 200_000).into())).unwrap();
            assert_eq!(temporaries(&fixture.inside("")).len(), 1);
            match abort {
                true => block_on(writer.abort()),
                false => drop(writer),
            }
            assert_eq!(fixture.tree(), before);
        }
    }
    assert_eq!(fixture.get("file").unwrap(), PUBLIC);
}

#[test]
fn two_writers_of_one_file_by_any_path() {
    let fixture = Fixture::new();
    symlink("dir", fixture.inside("other-dir")).unwrap();
    let first = writer(&fixture.directory, "dir/new", 41).unwrap();
    for name in ["dir/new", "other-dir/new", "/dir//new", "\\dir\\new", "dir/../other-dir/./new"] {
        let second = writer(&fixture.directory, name, 42);
        assert!(matches!(second, Err(StorageError::Busy { owner: Owner(41) })), "{name}: {second:?}");
    }
    let other = writer(&fixture.directory, "new", 43).unwrap();
    block_on(first.commit()).unwrap();
    drop(writer(&fixture.directory, "other-dir/new", 42).unwrap());
    drop(other);
}

#[test]
fn what_appeared_during_the_upload_is_not_replaced() {
    let fixture = Fixture::with_policy(WritePolicy::CREATE);
    for make in [
        |path| fs::write(path, "mine").unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("../outside", path).unwrap(),
    ] as [fn(std::path::PathBuf); 3]
    {
        let mut writer = fixture.writer("new").unwrap();
        block_on(writer.write_at(0, Bytes::from_static(b"theirs"))).unwrap();
        make(fixture.inside("new"));
        let before = fixture.tree().len();
        assert!(matches!(block_on(writer.commit()), Err(StorageError::AlreadyExists)));
        assert_eq!(fixture.tree().len(), before - 1, "only the temporary file is gone");
        fixture.assert_outside_untouched();
        let path = fixture.inside("new");
        if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[test]
fn replacing_what_became_something_else_is_refused() {
    let fixture = Fixture::new();
    for make in [|path| fs::create_dir(path).unwrap(), |path| symlink("../outside", path).unwrap()]
        as [fn(std::path::PathBuf); 2]
    {
        let writer = fixture.writer("new").unwrap();
        make(fixture.inside("new"));
        assert!(matches!(block_on(writer.commit()), Err(StorageError::AccessDenied(_))));
        assert!(temporaries(&fixture.inside("")).is_empty());
        fixture.assert_outside_untouched();
        let path = fixture.inside("new");
        if path.is_dir() { fs::remove_dir(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
}

#[test]
fn a_file_that_we_may_not_write_is_not_replaced() {
    let fixture = Fixture::new();
    fs::set_permissions(fixture.inside("file"), fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(fixture.inside("file")).is_ok() {
        skipped("a_file_that_we_may_not_write_is_not_replaced", "root may write everything");
        return;
    }
    assert!(matches!(fixture.writer("file"), Err(StorageError::AccessDenied(_))));
}

#[test]
fn announced_sizes_are_not_allocated() {
    let fixture = Fixture::new();
    let peer = ([192, 0, 2, 1], 2000).into();
    for size in [1 << 40, 1 << 63, u64::MAX] {
        let request = WriteRequest { size: Some(size), ..WriteRequest::new("new", peer, Owner(1)) };
        let mut writer = block_on(fixture.directory.open_write(&request, &pool())).unwrap();
        block_on(writer.write_at(0, Bytes::from_static(b"x"))).unwrap();
        let temporary = fs::metadata(&temporaries(&fixture.inside(""))[0]).unwrap();
        assert!(temporary.len() <= 1 && temporary.blocks() <= 8);
        block_on(writer.abort());
    }
}

#[test]
fn the_size_cap_holds_for_what_arrives() {
    let fixture = Fixture::with_policy(WritePolicy::ANY.with_max_size(100_000));
    let mut writer = fixture.writer("new").unwrap();
    for block in 0..195 {
        block_on(writer.write_at(block * 512, pattern(1, 512).into())).unwrap();
    }
    let result = writer.try_write_at(195 * 512, &pattern(1, 512).into()).unwrap();
    assert!(matches!(result, Err(StorageError::TooLarge { limit: 100_000 })));
    block_on(writer.abort());
    assert!(temporaries(&fixture.inside("")).is_empty());
    fixture.put("new", &pattern(1, 100_000)).unwrap();
}

#[test]
fn a_large_upload_is_flushed_on_the_way_and_whole() {
    let fixture = Fixture::new();
    let content = pattern(7, 20 << 20);
    let mut writer = fixture.writer("new").unwrap();
    let mut offset = 0;
    let mut at_once = 0;
    for block in content.chunks(1428) {
        let block = Bytes::copy_from_slice(block);
        match writer.try_write_at(offset, &block) {
            Some(result) => {
                result.unwrap();
                at_once += 1;
            }
            None => block_on(writer.write_at(offset, block.clone())).unwrap(),
        }
        offset += block.len() as u64;
    }
    assert!(at_once > 14_000, "{at_once} of {} blocks without a thread", content.len() / 1428);
    block_on(writer.commit()).unwrap();
    assert!(fixture.get("new").unwrap() == content);
}

#[test]
fn many_uploads_at_once() {
    let fixture = Fixture::new();
    let mut writers: Vec<_> = (0..200).map(|i| writer(&fixture.directory, format!("f{i}"), i).unwrap()).collect();
    for block in 0..20 {
        for (i, writer) in writers.iter_mut().enumerate() {
            block_on(writer.write_at(block * 5000, pattern(i, 5000).into())).unwrap();
        }
    }
    for writer in writers {
        block_on(writer.commit()).unwrap();
    }
    for i in 0..200 {
        assert_eq!(fixture.get(format!("f{i}")).unwrap(), pattern(i, 5000).repeat(20));
    }
    assert!(temporaries(&fixture.inside("")).is_empty());
}

type Work = Box<dyn FnOnce() + Send>;

/// A pool whose work waits until it is let go.
fn held_pool() -> (Context, Arc<Mutex<Vec<Work>>>) {
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let queue = Arc::clone(&waiting);
    (Context::new(move |work| queue.lock().unwrap().push(work)), waiting)
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut TaskContext::from_waker(Waker::noop()))
}

#[test]
fn a_commit_that_nobody_waits_for_still_happens() {
    let fixture = Fixture::new();
    let (cx, waiting) = held_pool();
    let request = WriteRequest::new("new", ([192, 0, 2, 1], 2000).into(), Owner(1));
    let mut writer = {
        let mut open = pin!(fixture.directory.open_write(&request, &cx));
        assert!(poll_once(open.as_mut()).is_pending());
        waiting.lock().unwrap().pop().unwrap()();
        let Poll::Ready(writer) = poll_once(open.as_mut()) else { panic!("open did not end") };
        writer.unwrap()
    };
    writer.try_write_at(0, &Bytes::from_static(b"content")).unwrap().unwrap();
    {
        let mut commit = pin!(writer.commit());
        assert!(poll_once(commit.as_mut()).is_pending());
    }
    assert!(!fixture.inside("new").exists());
    assert!(matches!(fixture.writer("new"), Err(StorageError::Busy { .. })), "the claim is held until then");
    waiting.lock().unwrap().pop().unwrap()();
    assert_eq!(fixture.get("new").unwrap(), b"content");
    drop(fixture.writer("new").unwrap());
}

#[test]
fn a_commit_dropped_on_a_running_pool_still_happens() {
    let fixture = Fixture::new();
    let mut writer = fixture.writer("new").unwrap();
    block_on(writer.write_at(0, pattern(1, 1000).into())).unwrap();
    let _ = poll_once(pin!(writer.commit()));
    wait_until("the file is there", || fixture.inside("new").exists());
    assert_eq!(fixture.get("new").unwrap(), pattern(1, 1000));
}

#[test]
fn pieces_of_any_size_come_to_the_file_in_order() {
    let fixture = Fixture::new();
    let content = pattern(1, 5_000_000);
    let mut writer = fixture.writer("new").unwrap();
    let mut sizes = [0, 1, 511, 1428, 0, 65_464, 7, 32_768, 300_000, 600_000, 3].into_iter().cycle();
    // Enough tiny ones in a row that they are more than one system call takes.
    let mut tiny = std::iter::repeat_n(3, 3000);
    let mut done = 0;
    while done < content.len() {
        let len = tiny.next().or_else(|| sizes.next()).unwrap().min(content.len() - done);
        let piece = Bytes::copy_from_slice(&content[done..done + len]);
        match writer.try_write_at(done as u64, &piece) {
            Some(answer) => answer.unwrap(),
            None => block_on(writer.write_at(done as u64, piece)).unwrap(),
        }
        done += len;
    }
    block_on(writer.commit()).unwrap();
    assert!(fixture.get("new").unwrap() == content);
}

#[test]
fn a_write_dropped_half_way_ends_the_upload() {
    let fixture = Fixture::new();
    let (cx, waiting) = held_pool();
    let request = WriteRequest::new("new", ([192, 0, 2, 1], 2000).into(), Owner(1));
    let mut open = pin!(fixture.directory.open_write(&request, &cx));
    assert!(poll_once(open.as_mut()).is_pending());
    waiting.lock().unwrap().pop().unwrap()();
    let Poll::Ready(Ok(mut writer)) = poll_once(open.as_mut()) else { panic!("open did not end") };
    {
        let mut write = pin!(writer.write_at(0, pattern(1, 1_000_000).into()));
        assert!(poll_once(write.as_mut()).is_pending());
    }
    assert!(writer.try_write_at(1_000_000, &Bytes::from_static(b"x")).unwrap().is_err());
    assert!(writer.try_write_at(0, &Bytes::from_static(b"x")).unwrap().is_err());
    waiting.lock().unwrap().pop().unwrap()();
    {
        let mut commit = pin!(writer.commit());
        assert!(poll_once(commit.as_mut()).is_pending());
        waiting.lock().unwrap().pop().unwrap()();
        assert!(matches!(poll_once(commit.as_mut()), Poll::Ready(Err(StorageError::Other(_)))));
    }
    assert!(!fixture.inside("new").exists());
    assert!(temporaries(&fixture.inside("")).is_empty());
}

#[test]
fn a_pool_that_has_shut_down_fails_cleanly() {
    let fixture = Fixture::new();
    let gone = Context::new(drop);
    assert!(matches!(writer_on(&fixture.directory, "new", 1, &gone), Err(StorageError::Io(_))));
    drop(writer_on(&fixture.directory, "new", 1, &pool()).unwrap());

    // It shuts down in mid-upload.
    let alive = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = Arc::clone(&alive);
    let cx = Context::new(move |work| {
        if switch.load(std::sync::atomic::Ordering::Relaxed) {
            work();
        }
    });
    for end in [|writer| drop(block_on(Writer::commit(writer))), |writer| block_on(Writer::abort(writer))]
        as [fn(tftp_driver::storage::DirectoryWriter); 2]
    {
        alive.store(true, std::sync::atomic::Ordering::Relaxed);
        let writer = writer_on(&fixture.directory, "new", 1, &cx).unwrap();
        alive.store(false, std::sync::atomic::Ordering::Relaxed);
        end(writer);
        assert!(!fixture.inside("new").exists());
        assert!(temporaries(&fixture.inside("")).is_empty());
    }
    drop(fixture.writer("new").unwrap());
}
