//! Removes what killed servers left in the store.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};

use crate::failure::Failure;
use crate::run::Origin;
use crate::shared::Shared;

/// What was removed of killed uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Leftovers {
    /// Temporary objects.
    pub objects: usize,
    /// Multipart uploads that were neither completed nor aborted.
    pub uploads: usize,
    /// What could not be removed.
    pub failed: usize,
}

impl Shared {
    /// Removes temporary objects and unfinished uploads of earlier runs of this server, and those of others that are
    /// too old to be alive.
    pub(crate) async fn remove_leftovers(&self) -> Result<Leftovers, Failure> {
        let mut removed = Leftovers::default();
        let root = self.keys.temporaries()?;
        let listed = self.stores.quick.list(Some(&root)).try_collect::<Vec<_>>().await;
        let objects = match listed {
            // No directory of that name, say some.
            Err(Error::NotFound { .. }) => Vec::new(),
            listed => listed?,
        };
        for object in objects {
            let age = SystemTime::now().duration_since(object.last_modified.into()).ok();
            if self.is_leftover(&root, object.location.as_ref(), age) {
                match self.stores.quick.delete(&object.location).await {
                    Ok(()) | Err(Error::NotFound { .. }) => removed.objects += 1,
                    Err(_) => removed.failed += 1,
                }
            }
        }
        if let Some(s3) = &self.stores.s3 {
            for upload in s3.unfinished(&format!("{root}/")).await? {
                let began = upload.initiated.as_deref().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
                let age = began.and_then(|began| SystemTime::now().duration_since(began.into()).ok());
                if self.is_leftover(&root, &upload.key, age) {
                    match s3.abort(&upload).await {
                        Ok(()) => removed.uploads += 1,
                        Err(_) => removed.failed += 1,
                    }
                }
            }
        }
        Ok(removed)
    }

    /// `None` as age is one that is not known, or lies ahead.
    fn is_leftover(&self, root: &Path, key: &str, age: Option<Duration>) -> bool {
        let Some(token) = key.strip_prefix(root.as_ref()).and_then(|rest| rest.strip_prefix('/')) else { return false };
        match self.run.origin(token) {
            Origin::ThisRun => false,
            Origin::EarlierRun => true,
            Origin::Another => age.is_some_and(|age| age >= self.settings.leftovers_after),
        }
    }
}
