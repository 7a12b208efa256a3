//! The disk fills up in mid-upload.

use std::path::Path;
use std::process::{Command, Output};

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Directory, StorageError, WritePolicy, Writer};

use crate::support::{Fixture, PUBLIC, pattern, skipped, temporaries, writer};

const ROOT: &str = "STORAGE_TEST_FULL_ROOT";

/// Not a test: runs where `ROOT` has room for 100 KiB, but not for 1 MiB.
#[test]
fn child_that_fills_the_disk() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let root = Path::new(&root);
    let directory = Directory::builder(root).write_policy(WritePolicy::ANY).open().unwrap();
    let put = |name, content: &[u8]| {
        let mut writer = writer(&directory, name, 1)?;
        for (index, block) in content.chunks(512).enumerate() {
            block_on(writer.write_at(index as u64 * 512, Bytes::copy_from_slice(block)))?;
        }
        block_on(writer.commit())
    };
    put("file", PUBLIC).unwrap();
    for name in ["file", "new"] {
        let result = put(name, &pattern(1, 1 << 20));
        assert!(matches!(result, Err(StorageError::Full)), "{result:?}");
        assert!(temporaries(root).is_empty());
    }
    assert_eq!(std::fs::read(root.join("file")).unwrap(), PUBLIC, "the old file is whole");
    assert!(!root.join("new").exists());

    // After an error an upload cannot be committed as if nothing had been.
    let mut broken = writer(&directory, "broken", 1).unwrap();
    assert!(block_on(broken.write_at(0, pattern(1, 1 << 20).into())).is_err());
    assert!(block_on(broken.write_at(0, Bytes::from_static(b"x"))).is_err());
    assert!(block_on(broken.commit()).is_err());
    assert!(!root.join("broken").exists());
    assert!(temporaries(root).is_empty());

    put("small", &pattern(2, 100 << 10)).unwrap();
    assert_eq!(std::fs::read(root.join("small")).unwrap(), pattern(2, 100 << 10));
    println!("\nfilled");
}

/// Not a test: runs where `ROOT` has room for 256 KiB.
#[test]
fn child_that_leaves_room() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let root = Path::new(&root);
    let builder = Directory::builder(root).write_policy(WritePolicy::ANY).min_free(100 << 10);
    let directory = builder.open().unwrap();
    let mut upload = writer(&directory, "new", 1).unwrap();
    let result = (0..2000).try_for_each(|block| block_on(upload.write_at(block * 512, vec![1; 512].into())));
    assert!(matches!(result, Err(StorageError::QuotaExceeded(_))), "{result:?}");
    block_on(upload.abort());
    // What does not fill a buffer is looked at by the commit.
    let mut small = Vec::new();
    let refused = loop {
        let name = format!("small-{}", small.len());
        let mut upload = match writer(&directory, &name, 1) {
            Ok(upload) => upload,
            Err(error) => break error,
        };
        block_on(upload.write_at(0, vec![2; 40_000].into())).unwrap();
        match block_on(upload.commit()) {
            Ok(()) => small.push(name),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StorageError::QuotaExceeded(_)), "{refused:?}");
    let stats = rustix::fs::statvfs(root).unwrap();
    let free = stats.f_bavail * stats.f_frsize;
    assert!(!small.is_empty() && free >= 100 << 10, "{free} bytes are free after {small:?}");
    assert!(temporaries(root).is_empty());
    println!("\nfilled");
}

/// Runs a child in `root`, after `prepare` in a shell of its own.
fn run(wrapper: &[&str], prepare: &str, child: &str, root: &Path) -> std::io::Result<Output> {
    let script = format!("{prepare} && exec \"$0\" --exact disk_full::{child} --nocapture");
    let mut words = wrapper.to_vec();
    words.extend(["sh", "-c", &script]);
    Command::new(words[0]).args(&words[1..]).arg(std::env::current_exe()?).env(ROOT, root).output()
}

#[track_caller]
fn assert_filled(output: &Output) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("\nfilled"), "{stdout}\n{stderr}");
}

#[test]
fn a_limit_on_the_size_of_files() {
    let fixture = Fixture::new();
    // In blocks of 512 or of 1024 bytes, by shell. The signal would end the process, as it would a server.
    let prepare = "trap '' XFSZ && ulimit -f 400";
    let output = run(&[], prepare, "child_that_fills_the_disk", &fixture.inside("")).unwrap();
    assert_filled(&output);
}

/// Runs a child on a file system of 256 KiB.
fn on_a_small_file_system(test: &str, child: &str) {
    let fixture = Fixture::new();
    let mount = format!("mount -t tmpfs -o size=256k none '{}'", fixture.inside("").display());
    for wrapper in [&["unshare", "--map-root-user", "--mount"][..], &["unshare", "--mount"]] {
        let possible = Command::new(wrapper[0]).args(&wrapper[1..]).args(["sh", "-c", &mount]).output();
        if possible.is_ok_and(|output| output.status.success()) {
            assert_filled(&run(wrapper, &mount, child, &fixture.inside("")).unwrap());
            return;
        }
    }
    skipped(test, "no mount namespace with a tmpfs of our own");
}

#[test]
fn a_file_system_without_room() {
    on_a_small_file_system("a_file_system_without_room", "child_that_fills_the_disk");
}

#[test]
fn room_that_must_stay_free_stays_so_during_an_upload() {
    on_a_small_file_system("room_that_must_stay_free_stays_so_during_an_upload", "child_that_leaves_room");
}
