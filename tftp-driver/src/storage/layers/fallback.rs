//! A second place to look.

use super::Either;
use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest, Writer};

/// Looks a file up in one storage and, if it is not there, in another. Nest it for more than two.
///
/// **Reading.** Only [`NotFound`](StorageError::NotFound) leads on to the second: a file that is refused, or a first
/// storage that fails, is not papered over with other content.
///
/// **Writing.** Uploads go to the first, or to the second with [`uploads_to_second`](Self::uploads_to_second). What
/// clients read under a name never changes by a new file in another place:
///
/// * to the first, an upload that would hide a file of the second is refused with
///   [`AlreadyExists`](StorageError::AlreadyExists), unless [`hiding`](Self::hiding) allows it;
/// * to the second, an upload of a name that the first has is always refused so: nobody could ever read it.
///
/// This is looked up when the upload begins, in storage that can be read.
///
/// ```
/// use tftp_driver::storage::layers::Fallback;
/// use tftp_driver::storage::{Memory, WritePolicy};
///
/// let shipped = Memory::builder().write_policy(WritePolicy::READ_ONLY).build();
/// let own = Memory::new();
/// let files = Fallback::new(own, shipped);
/// # let _ = files;
/// ```
#[derive(Debug, Clone)]
pub struct Fallback<A, B> {
    first: A,
    second: B,
    uploads_to_second: bool,
    hiding: bool,
}

impl<A: Storage, B: Storage> Fallback<A, B> {
    /// Reads from `first`, or else from `second`. Uploads go to `first`.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second, uploads_to_second: false, hiding: false }
    }

    /// Sends uploads to the second storage.
    #[must_use]
    pub fn uploads_to_second(mut self) -> Self {
        self.uploads_to_second = true;
        self
    }

    /// Whether an upload to the first storage may hide a file of the second. It may not by default.
    #[must_use]
    pub fn hiding(mut self, allowed: bool) -> Self {
        self.hiding = allowed;
        self
    }
}

/// Whether there is such a file, as far as it can be read.
async fn is_there<S: Storage>(storage: &S, request: &WriteRequest, cx: &Context) -> Result<bool, StorageError> {
    let request = ReadRequest { name: request.name.clone(), peer: request.peer, local_ip: request.local_ip };
    match storage.open_read(&request, cx).await {
        Ok(_) => Ok(true),
        // What cannot be read cannot be hidden.
        Err(StorageError::NotFound | StorageError::AccessDenied(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

impl<A: Storage, B: Storage> Storage for Fallback<A, B> {
    type Reader = Either<A::Reader, B::Reader>;
    type Writer = Either<A::Writer, B::Writer>;

    async fn open_read(&self, request: &ReadRequest, cx: &Context) -> Result<Self::Reader, StorageError> {
        match self.first.open_read(request, cx).await {
            Err(StorageError::NotFound) => self.second.open_read(request, cx).await.map(Either::Second),
            answer => answer.map(Either::First),
        }
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<Self::Writer, StorageError> {
        // Opened before the others are asked: what is refused anyway costs them nothing, and the name is claimed.
        let (writer, hidden) = if self.uploads_to_second {
            let writer = self.second.open_write(request, cx).await.map(Either::Second)?;
            (writer, is_there(&self.first, request, cx).await)
        } else {
            let writer = self.first.open_write(request, cx).await.map(Either::First)?;
            if self.hiding {
                return Ok(writer);
            }
            let hidden = match is_there(&self.second, request, cx).await {
                // Replaced, not hidden anew.
                Ok(true) => is_there(&self.first, request, cx).await.map(|is_there| !is_there),
                answer => answer,
            };
            (writer, hidden)
        };
        match hidden {
            Ok(false) => Ok(writer),
            refused => {
                writer.abort().await;
                Err(refused.err().unwrap_or(StorageError::AlreadyExists))
            }
        }
    }
}
