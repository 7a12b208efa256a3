//! The descriptors run out.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{Context, Directory, StorageError, WritePolicy, Writer};

use crate::support::{Fixture, PUBLIC, pattern, reader, temporaries, writer_on};

const ROOT: &str = "STORAGE_TEST_EXHAUSTED_ROOT";

/// Not a test: runs where few files can be open.
#[test]
fn child_without_descriptors() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let root = Path::new(&root);
    let directory = Directory::builder(root).write_policy(WritePolicy::ANY).open().unwrap();
    let cx = Context::inline();
    let contents = [pattern(1, 200_000), pattern(2, 10)];
    let mut uploads: Vec<_> =
        ["file", "new", "dir/file", "dir/new"].map(|name| (name, writer_on(&directory, name, 1, &cx).unwrap())).into();
    let mut rest = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        rest.push(file);
    }
    let refused = writer_on(&directory, "another", 1, &cx);
    assert!(matches!(refused, Err(StorageError::Io(_))), "{refused:?}");
    assert!(reader(&directory, "file").is_err());

    // What was begun can be ended: everything it needs is there.
    let (_, aborted) = uploads.pop().unwrap();
    for (index, (_, mut upload)) in uploads.into_iter().enumerate() {
        let content = &contents[index % 2];
        block_on(upload.write_at(0, Bytes::copy_from_slice(content))).unwrap();
        block_on(upload.commit()).unwrap();
        // The descriptor that it gave back.
        while let Ok(file) = File::open("/dev/null") {
            rest.push(file);
        }
    }
    block_on(aborted.abort());
    drop(rest);
    for (name, content) in [("file", &contents[0]), ("new", &contents[1]), ("dir/file", &contents[0])] {
        assert!(std::fs::read(root.join(name)).unwrap() == *content, "{name}");
    }
    assert!(!root.join("dir/new").exists() && !root.join("another").exists());
    assert!(temporaries(root).is_empty());
    println!("\nexhausted");
}

#[test]
fn uploads_that_were_begun_can_be_committed_without_a_free_descriptor() {
    let fixture = Fixture::new();
    let child = "exhausted::child_without_descriptors";
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -n 40 && exec \"$0\" --exact {child} --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(ROOT, fixture.inside(""))
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("\nexhausted"), "{stdout}\n{stderr}");
    assert_ne!(std::fs::read(fixture.inside("file")).unwrap(), PUBLIC);
}
