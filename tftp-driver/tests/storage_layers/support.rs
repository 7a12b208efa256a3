//! Short ways to use storage.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_lite::future::block_on;
use tftp_driver::storage::{
    Context, Memory, Owner, ReadRequest, Reader, Storage, StorageError, WritePolicy, WriteRequest, Writer,
};

pub(crate) fn peer() -> SocketAddr {
    ([192, 0, 2, 1], 2000).into()
}

/// Memory that takes everything, with these files in it.
pub(crate) fn memory(files: &[(&str, &'static str)]) -> Memory {
    with_policy(WritePolicy::ANY, files)
}

pub(crate) fn with_policy(policy: WritePolicy, files: &[(&str, &'static str)]) -> Memory {
    let memory = Memory::builder().write_policy(policy).build();
    for (name, content) in files {
        memory.insert(name, *content).unwrap();
    }
    memory
}

pub(crate) fn get<S: Storage>(storage: &S, name: impl AsRef<[u8]>) -> Result<String, StorageError> {
    get_as(storage, name, peer())
}

pub(crate) fn get_as<S: Storage>(
    storage: &S,
    name: impl AsRef<[u8]>,
    peer: SocketAddr,
) -> Result<String, StorageError> {
    let request = ReadRequest::new(name.as_ref(), peer);
    let mut reader = block_on(storage.open_read(&request, &Context::inline()))?;
    Ok(String::from_utf8(block_on(reader.read_at(0, 1 << 20))?.to_vec()).unwrap())
}

pub(crate) fn writer<S: Storage>(storage: &S, name: impl AsRef<[u8]>) -> Result<S::Writer, StorageError> {
    writer_as(storage, name, peer())
}

pub(crate) fn writer_as<S: Storage>(
    storage: &S,
    name: impl AsRef<[u8]>,
    peer: SocketAddr,
) -> Result<S::Writer, StorageError> {
    let request = WriteRequest::new(name.as_ref(), peer, Owner(1));
    block_on(storage.open_write(&request, &Context::inline()))
}

pub(crate) fn put<S: Storage>(storage: &S, name: impl AsRef<[u8]>, content: &str) -> Result<(), StorageError> {
    put_as(storage, name, content, peer())
}

pub(crate) fn put_as<S: Storage>(
    storage: &S,
    name: impl AsRef<[u8]>,
    content: &str,
    peer: SocketAddr,
) -> Result<(), StorageError> {
    let mut writer = writer_as(storage, name, peer)?;
    block_on(writer.write_at(0, Bytes::copy_from_slice(content.as_bytes())))?;
    block_on(writer.commit())
}
