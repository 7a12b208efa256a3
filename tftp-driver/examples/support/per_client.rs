//! A layer over any storage: each client has its own files, and what it has not is taken from those of all.

use tftp_driver::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// Serves `192.0.2.7/boot.cfg`, or else `all/boot.cfg`, to the client 192.0.2.7 that asks for `boot.cfg`. Uploads go to
/// the client's own files.
pub(crate) struct PerClient<S>(pub(crate) S);

impl<S: Storage> Storage for PerClient<S> {
    // What this layer does ends with opening, so the files are those of the storage below.
    type Reader = S::Reader;
    type Writer = S::Writer;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<S::Reader, StorageError> {
        let own = ReadRequest { name: below(&request.peer.ip().to_string(), &request.name), ..request.clone() };
        match self.0.open_read(&own, cx).await {
            Err(StorageError::NotFound) => {
                let common = ReadRequest { name: below("all", &request.name), ..request.clone() };
                self.0.open_read(&common, cx).await
            }
            answer => answer,
        }
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<S::Writer, StorageError> {
        let own = WriteRequest { name: below(&request.peer.ip().to_string(), &request.name), ..request.clone() };
        self.0.open_write(&own, cx).await
    }
}

/// The storage below refuses names that lead out of a directory, `..` among them.
fn below(directory: &str, name: &[u8]) -> Vec<u8> {
    [directory.as_bytes(), b"/", name].concat()
}
