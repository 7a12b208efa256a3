//! Memory and generated content, by the rules that every storage honours and their own.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::names::canonical;
use tftp_driver::storage::{
    BoxStorage, Context, Generated, GeneratedAsync, Memory, Owner, ReadRequest, Reader, Storage, StorageError, Usage,
    WritePolicy, WriteRequest, Writer, conformance,
};

fn peer() -> SocketAddr {
    ([192, 0, 2, 1], 2000).into()
}

fn open_read<S: Storage>(storage: &S, name: &str) -> Result<S::Reader, StorageError> {
    block_on(storage.open_read(&ReadRequest::new(name, peer()), &Context::inline()))
}

fn open_write<S: Storage>(storage: &S, name: &str) -> Result<S::Writer, StorageError> {
    block_on(storage.open_write(&WriteRequest::new(name, peer(), Owner(1)), &Context::inline()))
}

fn put<S: Storage>(storage: &S, name: &str, content: &[u8]) -> Result<(), StorageError> {
    let mut writer = open_write(storage, name)?;
    block_on(writer.write_at(0, Bytes::copy_from_slice(content)))?;
    block_on(writer.commit())
}

#[test]
fn memory_conforms() {
    let make = |policy| Memory::builder().write_policy(policy).build();
    block_on(conformance::writable(make, &Context::inline())).unwrap();
}

#[test]
fn boxed_memory_conforms() {
    let make = |policy| BoxStorage::new(BoxStorage::new(Memory::builder().write_policy(policy).build()));
    block_on(conformance::writable(make, &Context::inline())).unwrap();
}

#[test]
fn shared_memory_conforms() {
    let make = |policy| std::sync::Arc::new(Memory::builder().write_policy(policy).build());
    block_on(conformance::writable(make, &Context::inline())).unwrap();
}

#[test]
fn generated_content_conforms() {
    let content: Bytes = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
    let made = content.clone();
    let sync = Generated::new(move |_: &ReadRequest| Ok(made.clone()));
    block_on(conformance::readable(sync, "any", &content, &Context::inline())).unwrap();
    let made = content.clone();
    let later = GeneratedAsync::new(move |_, cx: Context| {
        let made = made.clone();
        async move { Ok(cx.run(move || made).await?) }
    });
    block_on(conformance::readable(later, "any", &content, &Context::inline())).unwrap();
    // A closure gets the client's name as it came, and looks up the canonical one.
    let known = Generated::new(move |request: &ReadRequest| match &canonical(&request.name)?[..] {
        b"known" => Ok(content.clone()),
        _ => Err(StorageError::NotFound),
    });
    block_on(async {
        conformance::attack(known.clone(), "known", &Context::inline()).await.unwrap();
        conformance::read_only(known, "known", &Context::inline()).await.unwrap();
    });
}

#[test]
fn memory_that_takes_no_uploads_conforms() {
    let memory = Memory::builder().build();
    memory.insert("boot/large", pattern()).unwrap();
    block_on(async {
        let cx = Context::inline();
        conformance::readable(memory.clone(), "boot/large", &pattern(), &cx).await.unwrap();
        conformance::attack(memory.clone(), "boot/large", &cx).await.unwrap();
        let denying = Memory::builder().write_policy(WritePolicy::READ_ONLY).build();
        denying.insert("boot/large", pattern()).unwrap();
        conformance::read_only(denying, "boot/large", &cx).await.unwrap();
    });
}

fn pattern() -> Vec<u8> {
    (0..300_000).map(|i| (i % 251) as u8).collect()
}

#[test]
fn generated_content_sees_the_request_and_takes_no_uploads() {
    let storage = Generated::new(|request: &ReadRequest| match &request.name[..] {
        b"whoami" => Ok(request.peer.to_string().into()),
        _ => Err(StorageError::NotFound),
    });
    let mut reader = open_read(&storage, "whoami").unwrap();
    assert_eq!(reader.try_read_at(0, 100).unwrap().unwrap(), "192.0.2.1:2000");
    assert!(matches!(open_read(&storage, "x"), Err(StorageError::NotFound)));
    assert!(matches!(open_write(&storage, "whoami"), Err(StorageError::AccessDenied(_))));
}

#[test]
fn a_thousand_readers_share_one_copy() {
    let memory = Memory::new();
    memory.insert("a", vec![7; 1 << 20]).unwrap();
    let pointer = memory.get("a").unwrap().as_ptr();
    for _ in 0..1000 {
        let mut reader = open_read(&memory, "/a").unwrap();
        assert_eq!(reader.try_read_at(0, 512).unwrap().unwrap().as_ptr(), pointer);
    }
    assert_eq!(memory.used_bytes(), 1 << 20);
}

#[test]
fn memory_is_bounded_by_bytes() {
    let memory = Memory::builder().max_bytes(100_000).write_policy(WritePolicy::ANY).build();
    put(&memory, "a", &[1; 60_000]).unwrap();
    assert!(matches!(put(&memory, "b", &[2; 40_001]), Err(StorageError::Full)));
    put(&memory, "b", &[2; 40_000]).unwrap();
    assert_eq!(memory.used_bytes(), 100_000);
    assert!(matches!(memory.insert("c", "x"), Err(StorageError::Full)));
    assert!(matches!(put(&memory, "c", b"x"), Err(StorageError::Full)));
    put(&memory, "empty", b"").unwrap();
    memory.remove("b").unwrap();
    put(&memory, "c", &[3; 40_000]).unwrap();
    let names: Vec<_> = memory.list().into_iter().collect();
    assert_eq!(names, [(b"a".to_vec(), 60_000), (b"c".to_vec(), 40_000), (b"empty".to_vec(), 0)]);
}

#[test]
fn memory_counts_uploads_in_progress_and_old_versions() {
    let memory = Memory::builder().max_bytes(100_000).write_policy(WritePolicy::ANY).build();
    let mut writer = open_write(&memory, "a").unwrap();
    block_on(writer.write_at(0, vec![1; 60_000].into())).unwrap();
    assert!(memory.used_bytes() >= 60_000);
    assert!(matches!(put(&memory, "b", &[2; 60_000]), Err(StorageError::Full)));
    block_on(writer.abort());
    assert_eq!(memory.used_bytes(), 0);

    put(&memory, "a", &[1; 60_000]).unwrap();
    let reader = open_read(&memory, "a").unwrap();
    put(&memory, "a", &[2; 10_000]).unwrap();
    assert_eq!(memory.used_bytes(), 70_000);
    assert!(matches!(put(&memory, "a", &[3; 60_000]), Err(StorageError::Full)));
    drop(reader);
    assert_eq!(memory.used_bytes(), 10_000);
    put(&memory, "a", &[3; 60_000]).unwrap();
}

#[test]
fn memory_is_bounded_by_files() {
    let memory = Memory::builder().max_files(2).write_policy(WritePolicy::ANY).build();
    put(&memory, "a", b"1").unwrap();
    let arriving = open_write(&memory, "b").unwrap();
    assert!(matches!(open_write(&memory, "c"), Err(StorageError::Full)));
    assert!(matches!(memory.insert("c", ""), Err(StorageError::Full)));
    put(&memory, "a", b"2").unwrap();
    block_on(arriving.commit()).unwrap();
    assert!(matches!(open_write(&memory, "c"), Err(StorageError::Full)));
    memory.remove("a");
    drop(open_write(&memory, "c").unwrap());
    put(&memory, "c", b"3").unwrap();
}

#[test]
fn an_insert_during_an_upload_is_not_overwritten_against_the_policy() {
    let memory = Memory::new();
    let writer = open_write(&memory, "a").unwrap();
    memory.insert("a", "mine").unwrap();
    assert!(matches!(block_on(writer.commit()), Err(StorageError::AlreadyExists)));
    assert_eq!(memory.get("a").unwrap(), "mine");
    assert_eq!(memory.used_bytes(), 4);
}

#[test]
fn a_drop_box_cannot_be_read() {
    let memory = Memory::builder().readable(false).build();
    put(&memory, "a", b"secret").unwrap();
    assert!(matches!(open_read(&memory, "a"), Err(StorageError::AccessDenied(_))));
    assert!(matches!(open_read(&memory, "b"), Err(StorageError::AccessDenied(_))));
}

#[test]
fn names_that_lead_upwards_are_refused() {
    let memory = Memory::new();
    for name in ["..", "../a", "a/../../b", "..\\a", "", "/", "a/", "a\0b", "a\nb"] {
        assert!(matches!(open_read(&memory, name), Err(StorageError::InvalidName(_))), "{name:?}");
        assert!(matches!(open_write(&memory, name), Err(StorageError::InvalidName(_))), "{name:?}");
    }
    for name in ["a..b", "%2e%2e", "%n%s%x", "..a"] {
        put(&memory, name, name.as_bytes()).unwrap();
        assert_eq!(memory.get(name).unwrap(), name);
    }
}

#[test]
fn what_is_there_is_counted_without_uploads_in_progress() {
    let memory = Memory::builder().write_policy(WritePolicy::ANY).build();
    assert_eq!(memory.usage(), Usage::default());
    memory.insert("a", "123").unwrap();
    memory.insert("b/c", "4567").unwrap();
    let mut writer = open_write(&memory, "d").unwrap();
    block_on(writer.write_at(0, Bytes::from_static(b"89"))).unwrap();
    assert_eq!(memory.usage(), Usage { bytes: 7, files: 2 });
    block_on(writer.commit()).unwrap();
    assert_eq!(memory.usage(), Usage { bytes: 9, files: 3 });
}
