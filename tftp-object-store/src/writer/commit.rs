//! From bytes in parts to an object under its name, whole.

use std::time::Duration;

use object_store::path::Path;
use object_store::{Attributes, CopyMode, CopyOptions, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload};
use tokio::time::timeout;

use super::Part;
use super::upload::{Multipart, Upload};
use crate::failure::Failure;
use crate::object::Object;

/// How long a small file may take to be stored, retries and all.
const PUT_PATIENCE: Duration = Duration::from_secs(90);

impl Upload {
    /// Makes the object appear under its name, whole or not at all.
    pub(super) async fn commit(&self, multipart: &mut Option<Multipart>, last: Part) -> Result<(), Failure> {
        let policy = self.shared.settings.policy;
        if !policy.create {
            // As far as that can be known: there is no "only if it exists" that all stores have.
            Object::look_up(&*self.shared.stores.quick, &self.target).await?;
        }
        let result = if multipart.is_some() {
            self.commit_parts(multipart, last, policy.overwrite).await
        } else {
            self.put(last, policy.overwrite).await
        };
        // Also when it failed: nobody knows then.
        self.shared.heads.forget(&self.target);
        result
    }

    /// Small enough for one request.
    async fn put(&self, last: Part, overwrite: bool) -> Result<(), Failure> {
        let Part { bytes, permit: _permit } = last;
        let mode = if overwrite { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, attributes: self.attributes(), ..PutOptions::default() };
        let put = self.shared.stores.patient.put_opts(&self.target, PutPayload::from(bytes), options);
        let result = match timeout(PUT_PATIENCE, put).await {
            Ok(result) => result.map(drop).map_err(Failure::from),
            Err(_) => Err(Failure::other("the object store did not take the file in time")),
        };
        self.unless_it_is_ours(result, &self.target).await
    }

    async fn commit_parts(
        &self,
        multipart: &mut Option<Multipart>,
        last: Part,
        overwrite: bool,
    ) -> Result<(), Failure> {
        if !last.bytes.is_empty() {
            self.send(last, multipart).await?;
        }
        let Some(multipart) = multipart else { return Err(Failure::other("the upload has no parts")) };
        let completed = multipart.upload.complete().await.map(drop).map_err(Failure::from);
        self.unless_it_is_ours(completed, &multipart.key).await?;
        let mode = if overwrite { CopyMode::Overwrite } else { CopyMode::Create };
        let store = if overwrite { &self.shared.stores.patient } else { self.shared.create_copy() };
        let copied = copy(&**store, &multipart.key, &self.target, mode).await;
        self.unless_it_is_ours(copied, &self.target).await?;
        self.remove(&multipart.key).await;
        Ok(())
    }

    /// A request whose answer was lost may have been carried out, and its repetition then meets the result of the
    /// first: that is no failure.
    async fn unless_it_is_ours(&self, result: Result<(), Failure>, key: &Path) -> Result<(), Failure> {
        match result {
            Ok(()) => Ok(()),
            Err(failure) => match self.attributes_of(key).await {
                Ok(attributes) if self.is_ours(&attributes) => Ok(()),
                Ok(_) | Err(_) => Err(match failure {
                    // A condition that was not met.
                    Failure::Changed => Failure::Exists,
                    other => other,
                }),
            },
        }
    }

    async fn attributes_of(&self, key: &Path) -> Result<Attributes, Failure> {
        let head = GetOptions { head: true, ..GetOptions::default() };
        Ok(self.shared.stores.quick.get_opts(key, head).await?.attributes)
    }
}

async fn copy(store: &dyn ObjectStore, from: &Path, to: &Path, mode: CopyMode) -> Result<(), Failure> {
    let options = CopyOptions { mode, ..CopyOptions::default() };
    Ok(store.copy_opts(from, to, options).await?)
}
