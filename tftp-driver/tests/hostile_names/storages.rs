//! Every back end, and every layer over a directory.

use bytes::Bytes;
use tftp_driver::storage::layers::{ClientDirs, UniqueNames};
use tftp_driver::storage::names::canonical;
use tftp_driver::storage::{BoxStorage, Generated, Memory, ReadRequest, Storage, StorageError, WritePolicy};

use crate::archive::Archive;
use crate::home::Home;
use crate::layers::layers;

pub(crate) fn storages(home: &Home) -> Vec<(String, BoxStorage)> {
    let mut all = others(home);
    for (index, directory) in home.directories().into_iter().enumerate() {
        // The layers once over each way to look names up.
        let layers = if index < 2 { layers(&directory) } else { Vec::new() };
        all.push((format!("Directory {index}"), BoxStorage::new(directory)));
        all.extend(layers.into_iter().map(|(what, storage)| (format!("{what} over Directory {index}"), storage)));
    }
    all
}

/// What has no directory: it knows but one file.
fn others(home: &Home) -> Vec<(String, BoxStorage)> {
    let memory = |ignore_case| {
        let memory = Memory::builder().write_policy(WritePolicy::ANY).ignore_case(ignore_case).build();
        memory.insert("public", "public").unwrap();
        memory
    };
    let generated = Generated::new(|request: &ReadRequest| match &canonical(&request.name)?[..] {
        b"public" => Ok(Bytes::from_static(b"public")),
        _ => Err(StorageError::NotFound),
    });
    let path = home.inside("").join("../root-sibling/file");
    // The secret itself, packed up by somebody else.
    let packed = tempfile::NamedTempFile::new().unwrap();
    let mut builder = tar::Builder::new(packed.as_file());
    let mut header = tar::Header::new_gnu();
    header.as_mut_bytes()[..10].copy_from_slice(b"../outside");
    header.set_size(std::fs::metadata(path).unwrap().len());
    header.set_cksum();
    builder.append(&header, crate::home::SECRET).unwrap();
    builder.finish().unwrap();
    let archive = Archive::open(packed.path()).unwrap();
    fn boxed<S: Storage>(what: &str, storage: S) -> (String, BoxStorage) {
        (what.to_owned(), BoxStorage::new(storage))
    }
    vec![
        boxed("Memory", memory(false)),
        boxed("Memory in any case", memory(true)),
        boxed("Generated", generated),
        boxed("Archive", archive),
        boxed("ClientDirs over Memory", ClientDirs::new(memory(false)).or_shared()),
        boxed("UniqueNames over Memory", UniqueNames::new(memory(false))),
    ]
}
