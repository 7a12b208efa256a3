//! Names that become others.

use std::sync::{Arc, Mutex};

use futures_lite::future::block_on;
use tftp_driver::storage::layers::{Exchangeable, NameRequest, Operation, Renamed, TrimJunk};
use tftp_driver::storage::{Context, Memory, StorageError, conformance};

use crate::support::{get, memory, put};

fn upper(request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
    Ok(request.name.to_ascii_uppercase())
}

#[test]
fn renamed_storage_conforms() {
    let cx = Context::inline();
    let trimmed = |policy| Renamed::new(Memory::builder().write_policy(policy).build(), TrimJunk);
    // Not the rules of names, which say that none is cut.
    block_on(conformance::uploads(trimmed, &cx)).unwrap();
    let upper = |policy| Renamed::new(Memory::builder().write_policy(policy).build(), upper);
    block_on(conformance::writable(upper, &cx)).unwrap();
    let shared = |policy| Renamed::new(Memory::builder().write_policy(policy).build(), Arc::new(TrimJunk));
    block_on(conformance::uploads(shared, &cx)).unwrap();
}

#[test]
fn junk_behind_a_name_is_cut_and_noted() {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    let files = memory(&[("pxelinux.0", "loader")]);
    let files = Renamed::new(files, TrimJunk).on_change(move |request, name| {
        let note = (request.name.to_vec(), name.to_vec(), request.operation, request.client.to_string());
        notes.lock().unwrap().push(note);
    });
    assert_eq!(get(&files, b"pxelinux.0\xff\x01").unwrap(), "loader");
    assert_eq!(get(&files, "pxelinux.0").unwrap(), "loader");
    put(&files, b"new \xff", "uploaded").unwrap();
    assert_eq!(get(&files, "new").unwrap(), "uploaded");
    assert!(matches!(get(&files, b"\xff"), Err(StorageError::InvalidName(_))));
    let client = || "192.0.2.1".to_owned();
    let expected = [
        (b"pxelinux.0\xff\x01".to_vec(), b"pxelinux.0".to_vec(), Operation::Read, client()),
        (b"new \xff".to_vec(), b"new".to_vec(), Operation::Write, client()),
        (b"\xff".to_vec(), Vec::new(), Operation::Read, client()),
    ];
    assert_eq!(*noted.lock().unwrap(), expected);
}

#[test]
fn a_mapping_can_refuse() {
    let refuse = |_: &NameRequest<'_>| Err(StorageError::AccessDenied("not today".into()));
    let files = Renamed::new(memory(&[("a", "1")]), refuse);
    assert!(matches!(get(&files, "a"), Err(StorageError::AccessDenied(_))));
    assert!(matches!(put(&files, "b", "1"), Err(StorageError::AccessDenied(_))));
}

#[test]
fn a_mapping_can_be_exchanged_while_it_is_used() {
    let to = |name: &'static [u8]| move |_: &NameRequest<'_>| Ok(name.to_vec());
    let mapping = Exchangeable::new(to(b"a"));
    let files = Renamed::new(memory(&[("a", "1"), ("b", "2")]), mapping.clone());
    assert_eq!(get(&files, "x").unwrap(), "1");
    mapping.set(to(b"b"));
    assert_eq!(get(&files, "x").unwrap(), "2");
}

#[test]
fn a_client_is_known_by_its_ipv4_address_however_it_is_connected() {
    let request = NameRequest::new(b"a", "::ffff:192.0.2.1".parse().unwrap(), Operation::Read);
    assert_eq!(request.client.to_string(), "192.0.2.1");
}
