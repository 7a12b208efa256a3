//! Two storages as one.

use futures_lite::future::block_on;
use tftp_driver::storage::layers::{Fallback, ReadOnly, Split};
use tftp_driver::storage::{
    BoxStorage, Context, Generated, Memory, ReadRequest, StorageError, WritePolicy, conformance,
};

use crate::support::{get, memory, put, with_policy, writer};

fn make(policy: WritePolicy) -> Memory {
    Memory::builder().write_policy(policy).build()
}

#[test]
fn layers_over_two_storages_conform() {
    let cx = Context::inline();
    block_on(conformance::writable(|policy| Fallback::new(make(policy), Memory::new()), &cx)).unwrap();
    let second = |policy| Fallback::new(Memory::new(), make(policy)).uploads_to_second();
    block_on(conformance::writable(second, &cx)).unwrap();
    let boxed = |policy| Fallback::new(BoxStorage::new(make(policy)), BoxStorage::new(Memory::new()));
    block_on(conformance::writable(boxed, &cx)).unwrap();
    let same = |policy| {
        let memory = make(policy);
        Split::new(ReadOnly::new(memory.clone()), memory)
    };
    block_on(conformance::writable(same, &cx)).unwrap();
}

#[test]
fn what_the_first_lacks_comes_from_the_next() {
    let files = Fallback::new(
        memory(&[("a", "first")]),
        Fallback::new(memory(&[("a", "second"), ("b", "second")]), memory(&[("b", "third"), ("c", "third")])),
    );
    assert_eq!(get(&files, "a").unwrap(), "first");
    assert_eq!(get(&files, "/b").unwrap(), "second");
    assert_eq!(get(&files, "c").unwrap(), "third");
    assert!(matches!(get(&files, "d"), Err(StorageError::NotFound)));
}

#[test]
fn only_a_missing_file_leads_on() {
    for error in [
        || StorageError::AccessDenied("no".into()),
        || StorageError::InvalidName("no".into()),
        || StorageError::Io(std::io::Error::other("broken")),
        || StorageError::Changed,
    ] as [fn() -> StorageError; 4]
    {
        let broken = Generated::new(move |_: &ReadRequest| Err(error()));
        let files = Fallback::new(broken, memory(&[("a", "second")]));
        assert_eq!(get(&files, "a").unwrap_err().to_string(), error().to_string());
    }
}

#[test]
fn an_upload_never_changes_what_another_storage_serves() {
    let (first, second) = (memory(&[("both", "1")]), memory(&[("both", "2"), ("old", "2")]));
    let files = Fallback::new(first.clone(), second.clone());
    assert!(matches!(put(&files, "old", "new"), Err(StorageError::AlreadyExists)));
    assert_eq!(get(&files, "old").unwrap(), "2");
    put(&files, "new", "new").unwrap();
    put(&files, "both", "replaced").unwrap();
    assert_eq!((first.get("new").unwrap(), first.get("both").unwrap()), ("new".into(), "replaced".into()));
    assert_eq!(second.list().len(), 2);

    let hiding = files.clone().hiding(true);
    put(&hiding, "old", "new").unwrap();
    assert_eq!(get(&files, "old").unwrap(), "new");
    assert_eq!(second.get("old").unwrap(), "2");
}

#[test]
fn an_upload_that_could_never_be_read_is_refused() {
    let (first, second) = (with_policy(WritePolicy::READ_ONLY, &[("a", "1")]), memory(&[("b", "2")]));
    let files = Fallback::new(first, second.clone()).uploads_to_second().hiding(true);
    assert!(matches!(put(&files, "a", "new"), Err(StorageError::AlreadyExists)));
    put(&files, "b", "new").unwrap();
    put(&files, "c", "new").unwrap();
    assert_eq!(second.list().len(), 2);
    // The name is free again, not claimed by what was refused.
    assert!(writer(&second, "a").is_ok());
}

#[test]
fn a_drop_box_hides_nothing() {
    let (first, second) = (Memory::builder().readable(false).build(), Memory::builder().readable(false).build());
    second.insert("a", "2").unwrap();
    let files = Fallback::new(first.clone(), second);
    put(&files, "a", "new").unwrap();
    assert_eq!(first.get("a").unwrap(), "new");
}

#[test]
fn storage_that_cannot_answer_refuses_the_upload() {
    let broken = Generated::new(|_: &ReadRequest| Err(StorageError::Io(std::io::Error::other("broken"))));
    let first = memory(&[]);
    let files = Fallback::new(first.clone(), broken);
    assert!(matches!(put(&files, "a", "new"), Err(StorageError::Io(_))));
    assert!(first.list().is_empty() && writer(&first, "a").is_ok());
}

#[test]
fn read_only_takes_nothing() {
    let files = ReadOnly::new(memory(&[("a", "1")]));
    assert_eq!(get(&files, "a").unwrap(), "1");
    assert!(matches!(writer(&files, "a").map(drop), Err(StorageError::AccessDenied(_))));
}

#[test]
fn split_uploads_cannot_be_read_back() {
    let (reads, uploads) = (memory(&[("a", "old")]), memory(&[]));
    let files = Split::new(reads.clone(), uploads.clone());
    put(&files, "a", "new").unwrap();
    put(&files, "b", "new").unwrap();
    assert_eq!(get(&files, "a").unwrap(), "old");
    assert!(matches!(get(&files, "b"), Err(StorageError::NotFound)));
    assert_eq!((reads.list().len(), uploads.list().len()), (1, 2));
}
