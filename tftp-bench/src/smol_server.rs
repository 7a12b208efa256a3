//! Our server under smol.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use tftp_smol::Server;
use tftp_smol::storage::{BoxStorage, Directory, Memory, WritePolicy};

/// Room for files in memory, in bytes.
const ROOM: u64 = 4 << 30;

pub(crate) fn run(listen: SocketAddr, directory: &Path, memory: bool) -> Result<(), Box<dyn Error>> {
    let storage = if memory {
        let files = Memory::builder().max_bytes(ROOM).write_policy(WritePolicy::ANY).build();
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            files.insert(entry.file_name().as_encoded_bytes(), std::fs::read(entry.path())?)?;
        }
        BoxStorage::new(files)
    } else {
        BoxStorage::new(Directory::builder(directory).write_policy(WritePolicy::ANY).open()?)
    };
    Ok(smol::block_on(Server::builder().listen(listen).storage(storage).wait_in_place(true).bind()?)?)
}
