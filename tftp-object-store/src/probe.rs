//! Finds out whether a store honours conditions, before anybody relies on them.

use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use crate::OpenError;
use crate::failure::Failure;
use crate::shared::Shared;
use crate::stores::PART;

const ADVICE: &str = "so uploads without overwriting cannot be kept apart; allow overwriting, or use a store that does";

impl Shared {
    /// Makes sure that the store never replaces an object when it is told not to.
    pub(crate) async fn probe(&self) -> Result<(), OpenError> {
        let token = self.run.token();
        let key = |part: &str| self.keys.temporary(&format!("{token}-probe-{part}")).map_err(OpenError::Storage);
        let keys = [key("first")?, key("second")?];
        let result = self.probe_with(&keys).await;
        for key in &keys {
            // What stays is removed with the other leftovers.
            let _ = self.stores.quick.delete(key).await;
        }
        result
    }

    async fn probe_with(&self, [first, second]: &[Path; 2]) -> Result<(), OpenError> {
        let failed = |error: Error| OpenError::Storage(Failure::from(error).into());
        let put = |mode: PutMode| self.stores.quick.put_opts(first, PutPayload::from_static(b"probe"), mode.into());
        match put(PutMode::Create).await {
            // A repetition after a lost answer: it is there.
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(unsupported(error)),
        }
        match put(PutMode::Create).await {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Ok(_) => return Err(ignored("writing an object (If-None-Match)")),
            Err(error) => return Err(failed(error)),
        }
        if self.settings.policy.max_size.is_some_and(|size| size <= PART as u64) {
            // Nothing is ever copied.
            return Ok(());
        }
        self.stores.quick.put(second, PutPayload::from_static(b"probe")).await.map_err(failed)?;
        let mut problem = ignored("copying an object (If-None-Match)");
        for (index, store) in self.stores.copies.iter().enumerate() {
            match self.honours_copies(&**store, first, second).await {
                Ok(true) => {
                    let _ = self.honoured.set(index);
                    return Ok(());
                }
                Ok(false) => {}
                Err(error) => problem = unsupported(error),
            }
        }
        Err(problem)
    }

    /// Whether a copy onto an object that exists is refused, and one onto a free name is not.
    async fn honours_copies(&self, store: &dyn ObjectStore, first: &Path, second: &Path) -> Result<bool, Error> {
        let copy = || store.copy_opts(first, second, CopyOptions { mode: CopyMode::Create, ..CopyOptions::default() });
        match copy().await {
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Ok(()) => return Ok(false),
            Err(error) => return Err(error),
        }
        self.stores.quick.delete(second).await?;
        match copy().await {
            Ok(()) | Err(Error::AlreadyExists { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn ignored(when: &str) -> OpenError {
    OpenError::Conditions(format!(
        "the object store ignores the condition \"only if it does not exist\" when {when}, {ADVICE}"
    ))
}

/// An error, or a store's word that it has no conditions.
fn unsupported(error: Error) -> OpenError {
    match error {
        Error::NotImplemented { .. } | Error::NotSupported { .. } => OpenError::Conditions(format!(
            "the object store does not know the condition \"only if it does not exist\", {ADVICE}"
        )),
        other => {
            let failure = Failure::from(other);
            match &failure {
                Failure::Other(text) if text.contains("501") || text.contains("NotImplemented") => {
                    OpenError::Conditions(format!(
                        "the object store does not know the condition \"only if it does not exist\" ({text}), {ADVICE}"
                    ))
                }
                _ => OpenError::Storage(failure.into()),
            }
        }
    }
}
