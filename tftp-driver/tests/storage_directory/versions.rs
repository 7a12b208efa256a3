//! Files that change while they are read, and readers that share one.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_lite::future::block_on;
use tftp_driver::storage::{Directory, Reader, StorageError, WritePolicy};

use crate::support::{Fixture, pattern, reader};

const MIB: usize = 1 << 20;

/// Old enough that any change now gets another time, however coarse the clock of the file system.
fn write_long_ago(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    let past = SystemTime::now() - Duration::from_secs(3600);
    File::options().write(true).open(path).unwrap().set_modified(past).unwrap();
}

/// Reads all in pieces; the first error ends it.
fn read_all(reader: &mut impl Reader) -> Result<Vec<u8>, StorageError> {
    let mut content = Vec::new();
    loop {
        let piece = block_on(reader.read_at(content.len() as u64, 10_000))?;
        if piece.is_empty() {
            return Ok(content);
        }
        content.extend_from_slice(&piece);
    }
}

#[test]
fn replaced_by_a_rename_the_old_version_is_read_to_its_end() {
    let fixture = Fixture::new();
    let (old, new) = (pattern(1, MIB), pattern(2, MIB));
    fs::write(fixture.inside("a"), &old).unwrap();
    let mut reader = fixture.reader("a").unwrap();
    assert_eq!(block_on(reader.read_at(0, 1000)).unwrap(), &old[..1000]);
    fs::write(fixture.inside("b"), &new).unwrap();
    fs::rename(fixture.inside("b"), fixture.inside("a")).unwrap();
    assert_eq!(read_all(&mut reader).unwrap(), old);
    assert_eq!(fixture.get("a").unwrap(), new);
    fs::remove_file(fixture.inside("a")).unwrap();
    assert_eq!(read_all(&mut reader).unwrap(), old);
}

#[test]
fn modified_in_place_is_an_error_not_a_mixture() {
    type Modify = fn(&Path);
    let modifications: [(&str, Modify); 4] = [
        ("one byte", |path| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(b"!", (MIB / 2) as u64).unwrap();
        }),
        ("written anew", |path| fs::write(path, pattern(2, MIB)).unwrap()),
        ("truncated", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(500_000).unwrap()),
        ("appended to", |path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"more").unwrap()),
    ];
    for (what, modify) in modifications {
        for readers in [1, 2] {
            let fixture = Fixture::new();
            let path = fixture.inside("a");
            let old = pattern(1, MIB);
            write_long_ago(&path, &old);
            let mut readers: Vec<_> = (0..readers).map(|_| fixture.reader("a").unwrap()).collect();
            for reader in &mut readers {
                assert_eq!(block_on(reader.read_at(0, 1000)).unwrap(), &old[..1000]);
            }
            modify(&path);
            for reader in &mut readers {
                assert_eq!(reader.size(), Some(MIB as u64));
                assert!(matches!(read_all(reader), Err(StorageError::Changed)), "{what}");
                let at_once = reader.try_read_at(900_000, 1000);
                assert!(!matches!(at_once, Some(Ok(_))), "{what}");
                // What is answered is still of the old version.
                if let Ok(piece) = block_on(reader.read_at(0, 1000)) {
                    assert_eq!(piece, &old[..1000], "{what}");
                }
            }
            assert_eq!(fixture.get("a").unwrap(), fs::read(&path).unwrap(), "{what}: a new reader");
        }
    }
}

#[test]
fn readers_of_one_version_share_the_file_and_its_content() {
    let fixture = Fixture::new();
    let path = fixture.inside("a");
    let content = pattern(3, 300_000);
    write_long_ago(&path, &content);
    let mut readers: Vec<_> = (0..100).map(|_| fixture.reader("a").unwrap()).collect();
    #[cfg(target_os = "linux")]
    {
        let path = path.canonicalize().unwrap();
        let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let open = descriptors.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path)).count();
        assert_eq!(open, 1);
    }
    let pieces: Vec<_> = readers.iter_mut().map(|reader| block_on(reader.read_at(70_000, 1428)).unwrap()).collect();
    for piece in &pieces {
        assert_eq!(piece, &content[70_000..71_428]);
        assert_eq!(piece.as_ptr(), pieces[0].as_ptr(), "one copy");
    }
    // Another version is another file.
    fs::write(fixture.inside("b"), b"new").unwrap();
    fs::rename(fixture.inside("b"), &path).unwrap();
    assert_eq!(fixture.get("a").unwrap(), b"new");
    assert_eq!(read_all(&mut readers[0]).unwrap(), content);
}

#[test]
fn changes_within_one_tick_of_the_clock_are_never_mixed_up_by_sharing() {
    let fixture = Fixture::new();
    let path = fixture.inside("a");
    let now = SystemTime::now();
    let write = |byte| {
        fs::write(&path, [byte; 1000]).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(now).unwrap();
    };
    write(1);
    let mut old = fixture.reader("a").unwrap();
    block_on(old.read_at(0, 1000)).unwrap();
    // The same size, and the same time: only a reader of its own sees it.
    write(2);
    assert_eq!(fixture.get("a").unwrap(), [2; 1000]);
}

#[test]
fn what_is_in_memory_is_answered_at_once() {
    let fixture = Fixture::new();
    let content = pattern(4, 300_000);
    fs::write(fixture.inside("a"), &content).unwrap();
    let mut reader = fixture.reader("a").unwrap();
    assert!(reader.try_read_at(300_000, 10).unwrap().unwrap().is_empty());
    for offset in [0, 1000, 65_000, 250_000] {
        let piece = block_on(reader.read_at(offset, 2000)).unwrap();
        assert_eq!(reader.try_read_at(offset, 2000).unwrap().unwrap(), piece);
    }
}

#[test]
fn readers_that_ask_alike_share_the_same_memory() {
    let fixture = Fixture::new();
    let content = pattern(6, 300_000);
    write_long_ago(&fixture.inside("a"), &content);
    let (mut one, mut other) = (fixture.reader("a").unwrap(), fixture.reader("a").unwrap());
    // Windows of 16 blocks: two of them make a chunk.
    for (turn, expected) in content.chunks(16 * 1428).enumerate() {
        let offset = (turn * 16 * 1428) as u64;
        let first = block_on(one.read_at(offset, 16 * 1428)).unwrap();
        let second = block_on(other.read_at(offset, 16 * 1428)).unwrap();
        assert!(first == expected && second == expected);
        assert_eq!(first.as_ptr(), second.as_ptr(), "neither is a copy");
    }
}

#[test]
fn reads_of_any_size_through_a_small_cache() {
    let home = tempfile::tempdir().unwrap();
    let content = pattern(5, 3 * MIB + 17);
    write_long_ago(&home.path().join("a"), &content);
    let directory = Directory::builder(home.path()).cache_size(100_000).open().unwrap();
    let mut readers: Vec<_> = (0..3).map(|_| reader(&directory, "a").unwrap()).collect();
    for (turn, len) in
        [1, 512, 1428, 64_260, 65_536, 65_537, 200_000, 4 * MIB].into_iter().cycle().take(400).enumerate()
    {
        let offset = turn * 7919 * 13 % (content.len() + 1000);
        let expected = &content[offset.min(content.len())..(offset + len).min(content.len())];
        let reader = &mut readers[turn % 3];
        assert_eq!(block_on(reader.read_at(offset as u64, len)).unwrap(), expected);
        if let Some(at_once) = reader.try_read_at(offset as u64, len) {
            assert_eq!(at_once.unwrap(), expected);
        }
    }
}

#[test]
fn many_threads_share_versions_that_come_and_go() {
    let fixture = Fixture::new();
    // Different sizes, because all have much the same time.
    let replace = |version: usize| {
        write_long_ago(&fixture.inside("next"), &vec![version as u8; 100_000 + version]);
        fs::rename(fixture.inside("next"), fixture.inside("a")).unwrap();
    };
    replace(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let mut reader = fixture.reader("a").unwrap();
                    let version = reader.size().unwrap() - 100_000;
                    let content = read_all(&mut reader).unwrap();
                    assert!(content.iter().all(|&byte| u64::from(byte) == version), "a mixture");
                }
            });
        }
        for version in 2..100 {
            replace(version);
        }
    });
}

#[test]
fn many_threads_read_many_versions() {
    let fixture = Fixture::with_policy(WritePolicy::ANY);
    fixture.put("a", &[0; 100_000]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let content = fixture.get("a").unwrap();
                    assert_eq!(content.len(), 100_000);
                    assert!(content.iter().all(|&byte| byte == content[0]), "a mixture");
                }
            });
        }
        for version in 1..50 {
            fixture.put("a", &[version; 100_000]).unwrap();
        }
    });
}
