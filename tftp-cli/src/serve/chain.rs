//! Sources one behind the other, and which of them takes uploads.

use std::ffi::OsString;

use crate::args::PolicyArgs;
use crate::exit::Failure;
use crate::units::show_size;
use tftp_tokio::storage::layers::{Fallback, ReadOnly, Split, UniqueNames};
use tftp_tokio::storage::{BoxStorage, WritePolicy};

use super::places::Places;
use super::source::Source;

/// Where the files of some clients are, checked but not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// Where files are looked up, in this order. Never empty.
    sources: Vec<Source>,
    /// Where uploads go, if any are taken.
    uploads: Uploads,
    readable: bool,
    policy: WritePolicy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Uploads {
    Nowhere,
    /// To the source of this index.
    To(usize),
    /// To a place that is not read from.
    Apart(Source),
}

impl Chain {
    pub(super) fn of(sources: &[OsString], args: &PolicyArgs) -> Result<Self, Failure> {
        let parse = |text: &OsString| Source::parse(text, args.max_memory);
        let sources = sources.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let apart = args.upload_to.as_ref().map(parse).transpose()?;
        if args.read_only && sources.iter().all(Source::starts_empty) {
            return Err(Failure::usage("memory: starts empty, so with --read-only there would be nothing to serve")
                .hint("serve a directory, or leave --read-only out"));
        }
        let policy_of = |source: &Source| {
            if args.read_only { WritePolicy::READ_ONLY } else { source.policy(args.create, args.overwrite) }
        };
        let (uploads, taken) = match apart {
            Some(source) => {
                if !source.takes_uploads() {
                    return Err(Failure::usage(format!("--upload-to: {} takes no uploads", source.describe())));
                }
                let taken = policy_of(&source);
                if taken.is_read_only() {
                    return Err(Failure::usage("--upload-to needs --create or --overwrite, or it would take nothing"));
                }
                let index = sources.iter().position(|other| *other == source);
                (index.map_or(Uploads::Apart(source), Uploads::To), taken)
            }
            None => {
                let mut writable = sources.iter().map(policy_of).enumerate();
                let first = writable.find(|(_, policy)| !policy.is_read_only());
                first.map_or((Uploads::Nowhere, WritePolicy::READ_ONLY), |(index, policy)| (Uploads::To(index), policy))
            }
        };
        if args.write_only && uploads == Uploads::Nowhere {
            return Err(Failure::usage("--write-only needs --create or --overwrite, or nothing would be allowed"));
        }
        let policy = WritePolicy { max_size: args.max_upload, ..taken };
        Ok(Self { sources, uploads, readable: !args.write_only, policy })
    }

    /// The sources that are read from.
    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The place that takes uploads, and which.
    pub(super) fn target(&self) -> Option<(&Source, WritePolicy)> {
        let source = match &self.uploads {
            Uploads::To(index) => self.sources.get(*index)?,
            Uploads::Apart(source) => source,
            Uploads::Nowhere => return None,
        };
        Some((source, self.policy))
    }

    /// Opens what was not open before, and puts it together.
    pub(super) async fn open(&self, places: &mut Places<'_>) -> Result<BoxStorage, Failure> {
        let mut chain = None;
        for (index, source) in self.sources.iter().enumerate().rev() {
            let storage = places.open(source).await?;
            chain = Some(match chain {
                None => storage,
                Some(rest) => {
                    let mut both = Fallback::new(storage, rest).hiding(self.policy.overwrite);
                    if matches!(self.uploads, Uploads::To(uploads) if uploads > index) {
                        both = both.uploads_to_second();
                    }
                    BoxStorage::new(both)
                }
            });
        }
        let apart = match &self.uploads {
            Uploads::Apart(source) => Some(places.open(source).await?),
            Uploads::Nowhere | Uploads::To(_) => None,
        };
        let storage = match (chain, apart) {
            (Some(reads), Some(uploads)) => BoxStorage::new(Split::new(reads, uploads)),
            (Some(storage), None) | (None, Some(storage)) => storage,
            (None, None) => return Err(Failure::usage("there is nothing to serve")),
        };
        Ok(match self.uploads {
            // Other clients may write to the same source.
            Uploads::Nowhere if places.takes_uploads() => BoxStorage::new(ReadOnly::new(storage)),
            Uploads::Nowhere => storage,
            Uploads::To(_) | Uploads::Apart(_) if places.unique_names() => BoxStorage::new(UniqueNames::new(storage)),
            Uploads::To(_) | Uploads::Apart(_) => storage,
        })
    }

    /// What is served and what is allowed, in one sentence.
    pub(super) fn describe(&self) -> String {
        let sources: Vec<_> = self.sources.iter().map(Source::describe).collect();
        let sources = sources.join(", then ");
        let uploads = match (self.policy.create, self.policy.overwrite) {
            (false, false) => None,
            (true, false) => Some("uploads of new files"),
            (false, true) => Some("uploads that replace existing files"),
            (true, true) => Some("uploads of new files and over existing ones"),
        };
        let allowed = match (self.readable, uploads) {
            (_, None) => "read-only".to_owned(),
            (true, Some(uploads)) => format!("downloads and {uploads}"),
            (false, Some(uploads)) => format!("no downloads, {uploads}"),
        };
        let limit = self.policy.max_size.filter(|_| uploads.is_some());
        let limit = limit.map(|bytes| format!(" up to {} each", show_size(bytes))).unwrap_or_default();
        let to = match &self.uploads {
            Uploads::To(index) if self.sources.len() > 1 => self.sources.get(*index).map(Source::describe),
            Uploads::Apart(source) => Some(source.describe()),
            Uploads::Nowhere | Uploads::To(_) => None,
        };
        let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
        format!("{sources}, {allowed}{limit}{to}")
    }
}
