//! Object stores as SOURCE.

use std::time::Duration;

use super::instance;
use super::source::{Access, Opened};
use crate::args::StoreArgs;
use crate::client::show;
use crate::exit::{Exit, Failure};
use crate::units::{count, show_size};
use tftp_tokio::storage::object::{DiskCache, ObjectStorage, OpenError, Stats, StoreUrl};
use tftp_tokio::storage::{BoxStorage, StorageError};

/// How often the log tells of the cache, at its debug level.
const REPORT: Duration = Duration::from_secs(60);

/// The cache on disk, if there is to be one. Blocks while it looks at what is there.
pub(super) fn open_disk_cache(args: &StoreArgs) -> Result<Option<DiskCache>, Failure> {
    let Some(directory) = &args.cache_dir else { return Ok(None) };
    DiskCache::open(directory, args.cache_disk_size)
        .map(Some)
        .map_err(|error| Failure::new(Exit::LocalIo, format!("cannot keep content in {}: {error}", show(directory))))
}

/// The URL of an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store(StoreUrl);

impl Store {
    /// `None`: it is none of its schemes.
    pub(crate) fn parse(scheme: &str, text: &str) -> Option<Result<Self, String>> {
        let known = tftp_tokio::storage::object::SCHEMES.contains(&scheme);
        known.then(|| StoreUrl::parse(text).map(Self).map_err(|error| error.to_string()))
    }

    pub(crate) fn takes_uploads(&self) -> bool {
        self.0.takes_uploads()
    }

    pub(crate) fn describe(&self) -> String {
        self.0.to_string()
    }

    /// Opens it. Without overwriting that takes a few requests to the store, and may take a while.
    pub(crate) async fn open(&self, access: Access<'_>) -> Result<Opened, Failure> {
        let Access { readable, policy, stores: args, listen, disk, .. } = access;
        let mut builder = ObjectStorage::at(self.0.clone())
            .readable(readable)
            .write_policy(policy)
            .cache_bytes(args.cache)
            .fresh_for(args.fresh_for)
            .leftovers_after(args.leftovers_after);
        if let Some(name) = args.instance.clone().or_else(|| instance::default(&self.describe(), listen)) {
            builder = builder.instance(name);
        }
        if let Some(disk) = disk {
            builder = builder.disk_cache(disk.clone());
        }
        let storage = builder.open().await.map_err(|error| self.explain(&error))?;
        let watched = Watched { shown: self.describe(), storage: storage.clone(), writable: !policy.is_read_only() };
        Ok(Opened { storage: BoxStorage::new(storage), leftovers: 0, watched: Some(watched) })
    }

    fn explain(&self, error: &OpenError) -> Failure {
        let exit = match error {
            OpenError::Url(_) | OpenError::Configuration(_) | OpenError::Conditions(_) => Exit::Usage,
            _ => Exit::Network,
        };
        let failure = Failure::new(exit, format!("cannot serve {}: {error}", self.0));
        match error {
            OpenError::Conditions(_) => {
                failure.hint("--overwrite lets uploads replace files\n--max-upload 5MiB may be enough where only large files are the trouble")
            }
            OpenError::Configuration(_) => failure.hint("docs/object-stores.md says what the environment must hold"),
            _ => failure,
        }
    }
}

/// A store that is being served, and what the log is to tell of it.
pub(crate) struct Watched {
    shown: String,
    storage: ObjectStorage,
    writable: bool,
}

impl Watched {
    /// Tells what happens in the background, until it is dropped.
    pub(crate) async fn watch(&self) {
        if let Err(error) = self.storage.check().await {
            match error {
                StorageError::AccessDenied(why) => tracing::warn!(
                    store = %self.shown,
                    "{why}; clients that ask for a missing file are told so, too, if the permission to list is missing"
                ),
                other => tracing::warn!(store = %self.shown, "the object store does not answer yet: {other}"),
            }
        }
        if self.writable {
            match self.storage.removed_leftovers().await {
                Ok(removed) => {
                    let (all, failed) = (removed.objects + removed.uploads, removed.failed);
                    if all > 0 {
                        let (objects, uploads) = (removed.objects, removed.uploads);
                        tracing::info!(
                            store = %self.shown, objects, uploads,
                            "removed {} that killed servers left unfinished", count(all as u64, "upload")
                        );
                    }
                    if failed > 0 {
                        let failed = count(failed as u64, "unfinished upload");
                        tracing::warn!(store = %self.shown, "cannot remove {failed}");
                    }
                }
                Err(error) => tracing::warn!(store = %self.shown, "cannot look for unfinished uploads: {error}"),
            }
        }
        let mut last = self.storage.stats();
        loop {
            tokio::time::sleep(REPORT).await;
            let now = self.storage.stats();
            if now.look_ups != last.look_ups || now.chunks_fetched != last.chunks_fetched {
                tracing::debug!(store = %self.shown, "{}", describe(&now));
            }
            if now.disk_failures > last.disk_failures {
                let failures = count(now.disk_failures - last.disk_failures, "time");
                tracing::warn!(store = %self.shown, "the cache directory could not be used {failures} in a minute");
            }
            last = now;
        }
    }

    /// The last word on it.
    pub(crate) fn sum_up(&self) {
        let stats = self.storage.stats();
        if stats.look_ups > 0 {
            tracing::info!(store = %self.shown, "{}", describe(&stats));
        }
    }
}

fn describe(stats: &Stats) -> String {
    let fetched = format!(
        "{} and {} in {} from the store",
        count(stats.look_ups, "look-up"),
        show_size(stats.bytes_fetched),
        count(stats.chunks_fetched, "chunk")
    );
    let Some(ratio) = stats.hit_ratio() else { return fetched };
    let kept = show_size(stats.bytes_in_memory);
    let memory = format!("{fetched}; {:.1} % of all chunks came from the cache, which holds {kept}", 100.0 * ratio);
    if stats.chunks_from_disk == 0 && stats.bytes_on_disk == 0 {
        return memory;
    }
    let (from_disk, on_disk) = (count(stats.chunks_from_disk, "chunk"), show_size(stats.bytes_on_disk));
    format!("{memory} in memory and {on_disk} on disk; {from_disk} came from disk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_places_of_content_are_told_apart() {
        let mut stats = Stats::default();
        stats.look_ups = 1;
        assert_eq!(describe(&stats), "1 look-up and 0 B in 0 chunks from the store");
        (stats.chunks_fetched, stats.chunks_from_memory, stats.bytes_fetched) = (2, 1, 2 << 20);
        stats.bytes_in_memory = 1 << 20;
        let memory = "1 look-up and 2.0 MiB in 2 chunks from the store; 33.3 % of all chunks came from the cache, which \
            holds 1.0 MiB";
        assert_eq!(describe(&stats), memory);
        (stats.chunks_from_disk, stats.bytes_on_disk) = (1, 3 << 20);
        let both = "1 look-up and 2.0 MiB in 2 chunks from the store; 50.0 % of all chunks came from the cache, which \
            holds 1.0 MiB in memory and 3.0 MiB on disk; 1 chunk came from disk";
        assert_eq!(describe(&stats), both);
    }
}
