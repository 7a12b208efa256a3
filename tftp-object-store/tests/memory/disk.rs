//! The cache on disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use tftp_driver::storage::{Context, ReadRequest, Reader as _, Storage as _};
use tftp_object_store::{DiskCache, ObjectStorage, OpenError};

use super::support::{Op, Watched, open, pattern, peer, read, read_all, reader, wait_until};

const CHUNK: usize = 1 << 20;

fn cache(directory: &Path, chunks: u64) -> DiskCache {
    // A chunk's file is a little larger than the chunk.
    DiskCache::open(directory, chunks * (CHUNK as u64 + 8192)).unwrap()
}

/// With room in memory for two chunks: what else is wanted again comes from the disk.
fn storage(store: &Watched, cache: &DiskCache) -> ObjectStorage {
    open(
        store
            .storage()
            .cache_bytes(2 * CHUNK as u64 + 2000)
            .disk_cache(cache.clone())
            .fresh_for(Duration::from_secs(3600)),
    )
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "chunk")).collect()
}

fn on_disk(directory: &Path) -> u64 {
    files(directory).iter().filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

#[test]
fn what_memory_has_no_room_for_comes_from_disk() {
    let (store, directory) = (Watched::default(), tempfile::tempdir().unwrap());
    let content = pattern(1, 8 * CHUNK + 5);
    store.insert("pre/fix/a", content.clone());
    let storage = storage(&store, &cache(directory.path(), 20));
    assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), content);
    wait_until("all on disk", || files(directory.path()).len() == 9);
    assert_eq!(store.count(Op::Get), 9);
    assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), content);
    assert_eq!(store.count(Op::Get), 9, "nothing is fetched twice");
    let stats = storage.stats();
    assert_eq!(stats.chunks_fetched, 9);
    assert!(stats.chunks_from_disk >= 6, "{stats:?}");
    assert!(stats.bytes_on_disk >= content.len() as u64 && stats.disk_failures == 0, "{stats:?}");
}

#[test]
fn many_readers_at_once_cost_one_fetch_of_the_disk_too() {
    let (store, directory) = (Watched::default(), tempfile::tempdir().unwrap());
    let content = pattern(2, 3 * CHUNK);
    store.insert("pre/fix/a", content.clone());
    let storage = storage(&store, &cache(directory.path(), 20));
    read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap();
    wait_until("all on disk", || files(directory.path()).len() == 3);
    let before = storage.stats();
    let readers = (0..500).map(|_| {
        let storage = storage.clone();
        async move {
            let mut reader = storage.open_read(&ReadRequest::new("a", peer()), &Context::inline()).await.unwrap();
            match reader.try_read_at(0, 1000) {
                Some(result) => result.unwrap(),
                None => reader.read_at(0, 1000).await.unwrap(),
            }
        }
    });
    let pieces = futures_lite::future::block_on(join_all(readers));
    assert!(pieces.iter().all(|piece| piece[..] == content[..1000]));
    wait_until("the reading ahead", || {
        let stats = storage.stats();
        stats.chunks_from_memory + stats.chunks_from_disk >= before.chunks_from_memory + before.chunks_from_disk + 500
    });
    assert_eq!(store.count(Op::Get), 3);
    assert!(storage.stats().chunks_from_disk <= before.chunks_from_disk + 3, "{:?}", storage.stats());
}

#[test]
fn pieces_come_from_disk_when_memory_has_no_room_for_chunks() {
    let (store, directory) = (Watched::default(), tempfile::tempdir().unwrap());
    let contents: Vec<_> = (0..12).map(|index| pattern(index, 2 * CHUNK + 77)).collect();
    let limit = 5 * CHUNK as u64;
    let builder = store.storage().cache_bytes(limit / 5).read_buffer_bytes(limit / 5 * 4);
    let cache = cache(directory.path(), 60);
    let storage = open(builder.disk_cache(cache.clone()).fresh_for(Duration::from_secs(3600)));
    for (index, content) in contents.iter().enumerate() {
        store.insert(&format!("pre/fix/{index}"), content.clone());
        read_all(&mut reader(&storage, &index.to_string()).unwrap(), 65_536).unwrap();
        wait_until("on disk", || files(directory.path()).len() == 3 * (index + 1));
    }
    let fetched = store.count(Op::Get);
    let mut readers: Vec<_> = (0..contents.len()).map(|index| reader(&storage, &index.to_string()).unwrap()).collect();
    for offset in (0..2 * CHUNK + 77).step_by(60_000) {
        for (reader, content) in readers.iter_mut().zip(&contents) {
            let piece = read(reader, offset as u64, 60_000).unwrap();
            assert_eq!(piece, content[offset..(offset + 60_000).min(content.len())]);
            assert!(storage.stats().bytes_in_memory <= limit);
        }
    }
    assert_eq!(store.count(Op::Get), fetched);
}

#[test]
fn files_never_take_more_than_they_may() {
    let (store, directory) = (Watched::default(), tempfile::tempdir().unwrap());
    let limit = 6;
    let cache = cache(directory.path(), limit);
    let storage = storage(&store, &cache);
    for index in 0..10 {
        let name = format!("file-{index}");
        let content = pattern(index, 3 * CHUNK);
        store.insert(&format!("pre/fix/{name}"), content.clone());
        assert_eq!(read_all(&mut reader(&storage, &name).unwrap(), 65_536).unwrap(), content);
        assert!(on_disk(directory.path()) <= limit * (CHUNK as u64 + 8192));
        assert!(files(directory.path()).len() <= limit as usize);
    }
    wait_until("written", || cache.bytes() > 4 * CHUNK as u64);
    // The next run keeps to its own limit.
    drop((storage, cache));
    wait_until("let go", || DiskCache::open(directory.path(), 2 * (CHUNK as u64 + 8192)).is_ok());
    assert!(files(directory.path()).len() <= 2);
}

#[test]
fn a_damaged_file_is_fetched_again_and_never_served() {
    let store = Watched::default();
    let content = pattern(3, 4 * CHUNK);
    store.insert("pre/fix/a", content.clone());
    let damages: [fn(&Path); 4] = [
        |path| fs::write(path, "").unwrap(),
        |path| fs::File::options().write(true).open(path).unwrap().set_len(CHUNK as u64 / 2).unwrap(),
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
        |path| fs::remove_file(path).unwrap(),
    ];
    for damage in damages {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(directory.path(), 20);
        let storage = storage(&store, &cache);
        read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap();
        wait_until("all on disk", || files(directory.path()).len() == 4);
        files(directory.path()).iter().for_each(|path| damage(path));
        let fetched = store.count(Op::Get);
        for _ in 0..3 {
            assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), content);
        }
        // All but what memory still had.
        assert!(store.count(Op::Get) >= fetched + 2);
        wait_until("whole again", || files(directory.path()).iter().filter(|file| is_whole(file)).count() >= 2);
    }
}

fn is_whole(file: &Path) -> bool {
    file.metadata().is_ok_and(|file| file.len() > CHUNK as u64)
}

#[test]
fn another_version_is_another_file() {
    let (store, directory) = (Watched::default(), tempfile::tempdir().unwrap());
    let cache = cache(directory.path(), 20);
    for seed in 0..3 {
        let content = pattern(seed, 3 * CHUNK);
        store.insert("pre/fix/a", content.clone());
        let storage = storage(&store, &cache);
        assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), content);
    }
}

#[test]
fn two_stores_in_one_cache_are_kept_apart() {
    // Their objects have equal names, sizes and ETags.
    let (first, second) = (Watched::default(), Watched::default());
    let directory = tempfile::tempdir().unwrap();
    let cache = cache(directory.path(), 20);
    for (store, seed) in [(&first, 1), (&second, 2)] {
        let content = pattern(seed, 4 * CHUNK);
        store.insert("pre/fix/a", content.clone());
        let storage = storage(store, &cache);
        for _ in 0..2 {
            assert_eq!(read_all(&mut reader(&storage, "a").unwrap(), 65_536).unwrap(), content);
        }
    }
}

#[test]
fn a_directory_has_one_server_and_no_other_writers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/cache");
    let first = cache(&path, 4);
    assert_eq!(DiskCache::open(&path, 1 << 20).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    let first = cache(&path, 4);
    drop(first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("lock"))), (0o700, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let error = DiskCache::open(&path, 1 << 20).unwrap_err();
        assert!(error.to_string().contains("others may write"), "{error}");
    }
}

#[test]
fn opening_cleans_up_and_touches_nothing_else() {
    let (store, directory) = (Watched::default(), tempfile::tempdir().unwrap());
    store.insert("pre/fix/a", pattern(4, CHUNK));
    let opened = cache(directory.path(), 4);
    read_all(&mut reader(&storage(&store, &opened), "a").unwrap(), 65_536).unwrap();
    wait_until("on disk", || files(directory.path()).len() == 1);
    drop(opened);
    fs::write(directory.path().join("writing"), "half a chunk").unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    fs::write(directory.path().join("short.chunk"), "mine").unwrap();
    wait_until("let go", || DiskCache::open(directory.path(), 1 << 30).is_ok());
    assert!(!directory.path().join("writing").exists());
    assert!(directory.path().join("notes.txt").exists() && directory.path().join("short.chunk").exists());
    let reopened = DiskCache::open(directory.path(), 1 << 30).unwrap();
    assert!(reopened.bytes() > CHUNK as u64, "what was whole is found again");
}

#[test]
fn it_needs_memory_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let builder = Watched::default().storage().cache_bytes(0).disk_cache(cache(directory.path(), 4));
    let error = futures_lite::future::block_on(builder.open()).unwrap_err();
    assert!(matches!(error, OpenError::Configuration(_)), "{error:?}");
}
