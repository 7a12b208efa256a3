//! The task that owns what an upload has in the store.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use object_store::path::Path;
use object_store::{Attribute, Attributes, MultipartUpload, PutMultipartOptions, PutPayload};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Last, Part, Reason};
use crate::failure::Failure;
use crate::shared::Shared;

/// How long one part may take, retries and all.
const PART_PATIENCE: Duration = Duration::from_secs(90);

/// How long a part that is on its way is waited for when the upload is aborted: cut off, the store might still take it.
/// And how long the end of an upload waits until its parts are removed.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// The metadata that says which upload made an object: how the outcome of a request is told whose answer was lost.
/// A word, for Azure takes nothing else.
const TOKEN: &str = "tftpupload";

pub(super) struct Upload {
    pub(super) shared: Arc<Shared>,
    pub(super) target: Path,
    pub(super) token: String,
    reason: Reason,
}

/// An upload in several parts, under a temporary key.
pub(super) struct Multipart {
    pub(super) upload: Box<dyn MultipartUpload>,
    pub(super) key: Path,
}

impl Upload {
    pub(super) fn new(shared: Arc<Shared>, target: Path, reason: Reason) -> Self {
        let token = shared.run.token();
        Self { shared, target, token, reason }
    }

    /// Takes parts until told how to end. Nothing is left of an upload that was not committed.
    pub(super) async fn run(
        self,
        mut parts: mpsc::Receiver<Part>,
        mut commit: oneshot::Receiver<Last>,
    ) -> Result<(), Failure> {
        let mut multipart = None;
        let result = self.receive(&mut parts, &mut commit, &mut multipart).await;
        // From here on the handle is told why.
        drop(parts);
        let result = match result {
            Ok(Last { part, _claim }) => self.commit(&mut multipart, part).await,
            Err(failure) => Err(failure),
        };
        if let (Err(_), Some(multipart)) = (&result, multipart) {
            // The client is told in time, also by a store that is away; the removing goes on.
            let clearing = tokio::spawn(async move { self.clear(multipart).await });
            let _ = timeout(ABORT_PATIENCE, clearing).await;
        }
        result
    }

    /// Sends the parts, and gives the last one when the upload is to be committed.
    async fn receive(
        &self,
        parts: &mut mpsc::Receiver<Part>,
        commit: &mut oneshot::Receiver<Last>,
        multipart: &mut Option<Multipart>,
    ) -> Result<Last, Failure> {
        let mut last = None;
        while let Some(part) = parts.recv().await {
            let mut sent = pin!(self.send(part, multipart));
            let result = tokio::select! {
                result = &mut sent => result,
                end = &mut *commit, if last.is_none() => match end {
                    Ok(told) => {
                        last = Some(told);
                        sent.await
                    }
                    Err(_) => {
                        let _ = timeout(ABORT_PATIENCE, sent).await;
                        Err(aborted())
                    }
                },
            };
            if let Err(failure) = result {
                *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure.clone());
                return Err(failure);
            }
        }
        match last {
            Some(last) => Ok(last),
            None => commit.await.map_err(|_| aborted()),
        }
    }

    /// Sends one part; the first one begins the upload in the store.
    pub(super) async fn send(&self, part: Part, multipart: &mut Option<Multipart>) -> Result<(), Failure> {
        let Part { bytes, permit } = part;
        let multipart = match multipart {
            Some(multipart) => multipart,
            none => none.insert(self.begin().await?),
        };
        let sent = multipart.upload.put_part(PutPayload::from(bytes));
        let result = match timeout(PART_PATIENCE, sent).await {
            Ok(result) => result.map_err(Failure::from),
            Err(_) => Err(Failure::other("the object store did not take a part of the upload in time")),
        };
        drop(permit);
        result
    }

    async fn begin(&self) -> Result<Multipart, Failure> {
        let key = self.shared.keys.temporary(&self.token)?;
        let options = PutMultipartOptions { attributes: self.attributes(), ..PutMultipartOptions::default() };
        let upload = self.shared.stores.patient.put_multipart_opts(&key, options).await?;
        Ok(Multipart { upload, key })
    }

    pub(super) fn attributes(&self) -> Attributes {
        if !self.shared.stores.keeps_metadata {
            return Attributes::new();
        }
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(TOKEN.into()), self.token.clone().into());
        attributes
    }

    /// Whether the attributes are those of this upload.
    pub(super) fn is_ours(&self, attributes: &Attributes) -> bool {
        attributes.get(&Attribute::Metadata(TOKEN.into())).is_some_and(|token| token.as_ref() == self.token)
    }

    /// Removes what the upload has in the store. What cannot be removed now is removed at the next start.
    async fn clear(&self, mut multipart: Multipart) {
        let _ = multipart.upload.abort().await;
        self.remove(&multipart.key).await;
    }

    pub(super) async fn remove(&self, key: &Path) {
        use object_store::ObjectStoreExt as _;

        let _ = self.shared.stores.quick.delete(key).await;
    }
}

fn aborted() -> Failure {
    Failure::other("the upload was aborted")
}
