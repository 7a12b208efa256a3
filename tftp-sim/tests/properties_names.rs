//! No name leaves the root of a directory, for reading or for writing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use futures_lite::future::block_on;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tftp_driver::storage::{
    Context, Directory, Owner, ReadRequest, Reader, Storage, WritePolicy, WriteRequest, Writer,
};

const SECRET: &[u8] = b"the secret outside";

fn config() -> ProptestConfig {
    let persistence = FileFailurePersistence::Direct("tests/regressions/names.txt");
    let failure_persistence = Some(Box::new(persistence) as Box<_>);
    ProptestConfig { cases: 120, failure_persistence, max_shrink_time: 20_000, ..ProptestConfig::default() }
}

/// Parts of names that have led servers astray.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"..",
        b".",
        b"...",
        b"",
        b"/",
        b"\\",
        b"//",
        b"dir",
        b"file",
        b"up",
        b"loop",
        b"out",
        b"away",
        b"root",
        b"root-sibling",
        b"outside",
        b"%2e%2e",
        b"..\\",
        b"..;",
        b"\xc0\xae\xc0\xae",
        b"\xe0\x80\xae",
        b"c:",
        b"con",
        b"etc",
        b"passwd",
        b"proc",
        b"self",
        b".tftp-upload-",
        b"~",
        b"$HOME",
        b"\n",
        b"\xff",
        b"a..b",
        b" ..",
        b".. ",
    ];
    prop_oneof![8 => prop::sample::select(known).prop_map(<[u8]>::to_vec), 1 => vec(1u8.., 0..6)]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let separator = prop_oneof![6 => Just(b"/".to_vec()), 2 => Just(b"\\".to_vec()), 1 => Just(Vec::new())];
    (vec((part(), separator), 1..9), any::<bool>()).prop_map(|(parts, rooted)| {
        let mut name = if rooted { b"/".to_vec() } else { Vec::new() };
        for (part, separator) in parts {
            name.extend(part);
            name.extend(separator);
        }
        name
    })
}

/// Every file beneath a path that is not the served root, with its content.
fn outside(home: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![home.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() && entry.path() != home.join("root") {
                left.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path(), fs::read(entry.path()).unwrap()));
            }
        }
    }
    found.sort();
    found
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_name_leaves_the_root(names in vec(name(), 1..30)) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path();
        for directory in ["root", "root/dir", "root-sibling", "away"] {
            fs::create_dir(path.join(directory)).unwrap();
        }
        for secret in ["outside", "file", "root-sibling/file", "away/file"] {
            fs::write(path.join(secret), SECRET).unwrap();
        }
        for public in ["root/file", "root/dir/file"] {
            fs::write(path.join(public), b"the file inside").unwrap();
        }
        symlink("..", path.join("root/up")).unwrap();
        symlink("loop", path.join("root/loop")).unwrap();
        symlink("../outside", path.join("root/out")).unwrap();
        symlink(path.join("away"), path.join("root/away")).unwrap();
        let before = outside(path);

        let directory = Directory::builder(path.join("root")).write_policy(WritePolicy::ANY).open().unwrap();
        let cx = Context::new(|work| drop(thread::spawn(work)));
        let peer = ([192, 0, 2, 1], 1000).into();
        for (number, name) in (0u64..).zip(&names) {
            let request = ReadRequest::new(name.clone(), peer);
            if let Ok(mut reader) = block_on(directory.open_read(&request, &cx)) {
                let bytes = block_on(reader.read_at(0, 100)).unwrap();
                prop_assert!(&bytes[..] != SECRET, "{:?} was read", String::from_utf8_lossy(name));
            }
            let request = WriteRequest::new(name.clone(), peer, Owner(number));
            if let Ok(mut writer) = block_on(directory.open_write(&request, &cx)) {
                block_on(writer.write_at(0, b"overwritten"[..].into())).unwrap();
                let _ = block_on(writer.commit());
            }
        }
        prop_assert_eq!(outside(path), before);
    }
}
