//! Every source is opened once, however many clients' files it is part of.

use crate::args::ServeArgs;
use crate::exit::Failure;
use tftp_tokio::storage::{BoxStorage, WritePolicy};

use super::source::{Access, Source};

/// How much may be kept where uploads go; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kept {
    pub(crate) bytes: Option<u64>,
    pub(crate) files: Option<u64>,
}

impl Kept {
    pub(crate) const fn is_limited(self) -> bool {
        self.bytes.is_some() || self.files.is_some()
    }
}

/// The sources that are open, and how the others are to be opened.
pub(super) struct Places<'a> {
    args: &'a ServeArgs,
    kept: Kept,
    /// The sources that take uploads.
    targets: Vec<(&'a Source, WritePolicy)>,
    opened: Vec<(Source, BoxStorage)>,
    /// How many unfinished uploads of an earlier run were removed from directories.
    pub(super) leftovers: usize,
    /// What the log is to tell of object stores.
    #[cfg(feature = "object-store")]
    pub(super) watched: Vec<super::store::Watched>,
    /// One for all object stores.
    #[cfg(feature = "object-store")]
    disk: Option<tftp_tokio::storage::object::DiskCache>,
}

impl<'a> Places<'a> {
    pub(super) fn new(args: &'a ServeArgs, kept: Kept, targets: Vec<(&'a Source, WritePolicy)>) -> Self {
        Self {
            args,
            kept,
            targets,
            opened: Vec::new(),
            leftovers: 0,
            #[cfg(feature = "object-store")]
            watched: Vec::new(),
            #[cfg(feature = "object-store")]
            disk: None,
        }
    }

    pub(super) fn takes_uploads(&self) -> bool {
        !self.targets.is_empty()
    }

    pub(super) fn unique_names(&self) -> bool {
        self.args.names.unique_names
    }

    pub(super) async fn open(&mut self, source: &Source) -> Result<BoxStorage, Failure> {
        if let Some((_, storage)) = self.opened.iter().find(|(opened, _)| opened == source) {
            return Ok(storage.clone());
        }
        #[cfg(feature = "object-store")]
        if self.disk.is_none() {
            self.disk = super::store::open_disk_cache(&self.args.stores)?;
        }
        let target = self.targets.iter().find(|(target, _)| *target == source);
        let access = Access {
            readable: !self.args.policy.write_only,
            policy: target.map_or(WritePolicy::READ_ONLY, |(_, policy)| *policy),
            kept: if target.is_some() { self.kept } else { Kept::default() },
            directories: &self.args.directories,
            #[cfg(feature = "object-store")]
            stores: &self.args.stores,
            #[cfg(feature = "object-store")]
            listen: &self.args.network.listen,
            #[cfg(feature = "object-store")]
            disk: self.disk.as_ref(),
        };
        let opened = source.open(access).await?;
        self.leftovers += opened.leftovers;
        #[cfg(feature = "object-store")]
        self.watched.extend(opened.watched);
        self.opened.push((source.clone(), opened.storage.clone()));
        Ok(opened.storage)
    }
}
