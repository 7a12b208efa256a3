//! How the tests read and write.

use bytes::Bytes;
use futures_lite::future::block_on;
use std::net::{Ipv4Addr, SocketAddr};
use tftp_driver::storage::{
    Context, Owner, ReadRequest, Reader as _, Storage as _, StorageError, WritePolicy, WriteRequest, Writer as _,
};
use tftp_object_store::{ObjectReader, ObjectStorage, ObjectStorageBuilder, ObjectWriter, OpenError};

use super::stand::Place;

pub(crate) const PART: usize = 5 << 20;

/// Settings for a place.
pub(crate) fn at(place: &Place) -> ObjectStorageBuilder {
    let builder = ObjectStorage::builder(place.url.clone());
    place.options.iter().fold(builder, |builder, (key, value)| builder.option(key, value))
}

pub(crate) fn open(builder: ObjectStorageBuilder) -> ObjectStorage {
    try_open(builder).unwrap()
}

pub(crate) fn try_open(builder: ObjectStorageBuilder) -> Result<ObjectStorage, OpenError> {
    block_on(builder.open())
}

pub(crate) fn with(place: &Place, policy: WritePolicy) -> ObjectStorage {
    open(at(place).write_policy(policy))
}

fn peer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 40_000).into()
}

pub(crate) fn reader(storage: &ObjectStorage, name: &str) -> Result<ObjectReader, StorageError> {
    block_on(storage.open_read(&ReadRequest::new(name, peer()), &Context::inline()))
}

pub(crate) fn writer(storage: &ObjectStorage, name: &str) -> Result<ObjectWriter, StorageError> {
    block_on(storage.open_write(&WriteRequest::new(name, peer(), Owner(1)), &Context::inline()))
}

pub(crate) fn get(storage: &ObjectStorage, name: &str) -> Result<Vec<u8>, StorageError> {
    read_all(&mut reader(storage, name)?)
}

pub(crate) fn read_all(reader: &mut ObjectReader) -> Result<Vec<u8>, StorageError> {
    let mut content = Vec::new();
    loop {
        let piece = read(reader, content.len() as u64, 65_536)?;
        content.extend_from_slice(&piece);
        if piece.len() < 65_536 {
            return Ok(content);
        }
    }
}

pub(crate) fn read(reader: &mut ObjectReader, offset: u64, len: usize) -> Result<Bytes, StorageError> {
    match reader.try_read_at(offset, len) {
        Some(result) => result,
        None => block_on(reader.read_at(offset, len)),
    }
}

pub(crate) fn write(writer: &mut ObjectWriter, offset: usize, content: &[u8]) -> Result<(), StorageError> {
    for (index, piece) in content.chunks(60_000).enumerate() {
        let (at, piece) = ((offset + index * 60_000) as u64, Bytes::copy_from_slice(piece));
        match writer.try_write_at(at, &piece) {
            Some(result) => result?,
            None => block_on(writer.write_at(at, piece))?,
        }
    }
    Ok(())
}

pub(crate) fn put(storage: &ObjectStorage, name: &str, content: &[u8]) -> Result<(), StorageError> {
    let mut writer = writer(storage, name)?;
    if let Err(error) = write(&mut writer, 0, content) {
        block_on(writer.abort());
        return Err(error);
    }
    block_on(writer.commit())
}

pub(crate) fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 251 % 256) as u8 ^ (i / 65_536) as u8 ^ seed).collect()
}
