//! What is served, and what is allowed with it: the sources of the command line, put together.

use crate::args::{DirectoryArgs, ServeArgs};
use crate::exit::Failure;
use crate::units::show_size;
use tftp_tokio::storage::layers::{Fallback, Split};
use tftp_tokio::storage::{BoxStorage, WritePolicy};

use super::source::{Access, Source};

/// The sources and the policy, checked but not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
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

/// What is served, open.
pub(crate) struct Ready {
    pub(crate) storage: BoxStorage,
    /// How many unfinished uploads of an earlier run were removed from directories.
    pub(crate) leftovers: usize,
    /// What the log is to tell of object stores.
    #[cfg(feature = "object-store")]
    pub(crate) watched: Vec<super::store::Watched>,
}

impl Content {
    pub(crate) fn of(args: &ServeArgs) -> Result<Self, Failure> {
        let policy = &args.policy;
        let parse = |text: &std::ffi::OsString| Source::parse(text, policy.max_memory);
        let sources = args.sources.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let apart = policy.upload_to.as_ref().map(parse).transpose()?;
        if policy.read_only && sources.iter().all(Source::starts_empty) {
            return Err(Failure::usage("memory: starts empty, so with --read-only there would be nothing to serve")
                .hint("serve a directory, or leave --read-only out"));
        }
        let policy_of = |source: &Source| {
            if policy.read_only { WritePolicy::READ_ONLY } else { source.policy(policy.create, policy.overwrite) }
        };
        let (uploads, taken) = match apart {
            Some(source) => {
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
        if policy.write_only && uploads == Uploads::Nowhere {
            return Err(Failure::usage("--write-only needs --create or --overwrite, or nothing would be allowed"));
        }
        let target = match &uploads {
            Uploads::To(index) => sources.get(*index),
            Uploads::Apart(source) => Some(source),
            Uploads::Nowhere => None,
        };
        check_directory_args(&args.directories, target)?;
        let policy = WritePolicy { max_size: policy.max_upload, ..taken };
        Ok(Self { sources, uploads, readable: !args.policy.write_only, policy })
    }

    /// Opens it. Directories block, and object stores may take a while.
    pub(crate) async fn open(&self, args: &ServeArgs) -> Result<Ready, Failure> {
        let mut leftovers = 0;
        #[cfg(feature = "object-store")]
        let mut watched = Vec::new();
        let mut open = async |source: &Source, policy| {
            let access = Access {
                readable: self.readable,
                policy,
                directories: &args.directories,
                #[cfg(feature = "object-store")]
                stores: &args.stores,
                #[cfg(feature = "object-store")]
                listen: &args.network.listen,
            };
            let opened = source.open(access).await?;
            leftovers += opened.leftovers;
            #[cfg(feature = "object-store")]
            watched.extend(opened.watched);
            Ok(opened.storage)
        };
        let mut chain = None;
        for (index, source) in self.sources.iter().enumerate().rev() {
            let takes_uploads = self.uploads == Uploads::To(index);
            let storage = open(source, if takes_uploads { self.policy } else { WritePolicy::READ_ONLY }).await?;
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
            Uploads::Apart(source) => Some(open(source, self.policy).await?),
            Uploads::Nowhere | Uploads::To(_) => None,
        };
        let storage = match (chain, apart) {
            (Some(reads), Some(uploads)) => BoxStorage::new(Split::new(reads, uploads)),
            (Some(storage), None) | (None, Some(storage)) => storage,
            (None, None) => return Err(Failure::usage("there is nothing to serve")),
        };
        Ok(Ready {
            storage,
            leftovers,
            #[cfg(feature = "object-store")]
            watched,
        })
    }

    pub(crate) const fn is_writable(&self) -> bool {
        !self.policy.is_read_only()
    }

    /// What is served and what is allowed, in one sentence.
    pub(crate) fn describe(&self) -> String {
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

/// Arguments that would do nothing are a mistake: an operator relies on them.
fn check_directory_args(args: &DirectoryArgs, target: Option<&Source>) -> Result<(), Failure> {
    let given = [
        (args.create_dirs, "--create-dirs"),
        (args.chmod.is_some(), "--chmod"),
        (args.owner.is_some(), "--owner"),
        (args.min_free.is_some(), "--min-free"),
    ];
    match (given.iter().find(|(given, _)| *given), target) {
        (None, _) | (Some(_), Some(Source::Directory(_))) => Ok(()),
        (Some((_, flag)), None) => Err(Failure::usage(format!("{flag} is for uploads, and none are taken"))
            .hint("--create takes uploads of new files, --overwrite over existing ones")),
        (Some((_, flag)), Some(source)) => {
            Err(Failure::usage(format!("{flag} is for uploads to a directory, and they go to {}", source.describe())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use crate::exit::Exit;
    use clap::Parser as _;

    fn args(args: &[&str]) -> ServeArgs {
        let all = ["tftp-cli", "serve"].iter().chain(args);
        let Command::Serve(args) = Cli::try_parse_from(all).unwrap().command else { panic!() };
        *args
    }

    fn content(extra: &[&str]) -> Result<Content, Failure> {
        Content::of(&args(extra))
    }

    fn describe(args: &[&str]) -> String {
        content(args).unwrap().describe()
    }

    #[test]
    fn the_policy_is_said_in_words() {
        assert_eq!(describe(&[]), "memory (at most 256.0 MiB), downloads and uploads of new files");
        assert_eq!(describe(&["/srv"]), "directory /srv, read-only");
        assert_eq!(describe(&["/srv", "--max-upload", "1MiB"]), "directory /srv, read-only");
        assert_eq!(
            describe(&["/srv", "--create", "--max-upload", "1MiB"]),
            "directory /srv, downloads and uploads of new files up to 1.0 MiB each"
        );
        assert_eq!(
            describe(&["/srv", "--overwrite", "--write-only"]),
            "directory /srv, no downloads, uploads that replace existing files"
        );
    }

    #[test]
    fn several_sources_are_named_in_their_order_and_where_uploads_go() {
        assert_eq!(describe(&["/a", "file:///b"]), "directory /a, then directory /b, read-only");
        assert_eq!(
            describe(&["/a", "/b", "--create"]),
            "directory /a, then directory /b, downloads and uploads of new files to directory /a"
        );
        assert_eq!(
            describe(&["/a", "memory:", "/b"]),
            "directory /a, then memory (at most 256.0 MiB), then directory /b, \
             downloads and uploads of new files to memory (at most 256.0 MiB)"
        );
        assert_eq!(
            describe(&["/a", "/b", "--create", "--upload-to", "/b"]),
            "directory /a, then directory /b, downloads and uploads of new files to directory /b"
        );
        assert_eq!(
            describe(&["/a", "--create", "--upload-to", "/in"]),
            "directory /a, downloads and uploads of new files to directory /in"
        );
    }

    #[test]
    fn a_directory_is_read_only_unless_told_otherwise() {
        assert!(!content(&["/srv"]).unwrap().is_writable());
        assert!(content(&["/srv", "--create"]).unwrap().is_writable());
        assert!(content(&["/srv", "--overwrite"]).unwrap().is_writable());
        assert!(content(&[]).unwrap().is_writable());
        assert!(!content(&["/srv", "memory:", "--read-only"]).unwrap().is_writable());
    }

    #[test]
    fn policies_that_allow_nothing_are_refused() {
        for args in [
            &["--read-only"][..],
            &["memory:", "memory:", "--read-only"],
            &["/srv", "--write-only"],
            &["/srv", "--upload-to", "/in"],
        ] {
            assert_eq!(content(args).unwrap_err().exit, Exit::Usage, "{args:?}");
        }
        for flag in [&["--create-dirs"][..], &["--chmod", "640"], &["--owner", "0"], &["--min-free", "1GB"]] {
            assert_eq!(content(&[&["/srv"], flag].concat()).unwrap_err().exit, Exit::Usage, "{flag:?}");
            assert_eq!(content(flag).unwrap_err().exit, Exit::Usage, "{flag:?}");
            assert!(content(&[&["/srv", "--create"], flag].concat()).is_ok(), "{flag:?}");
        }
        assert!(content(&["--write-only"]).is_ok());
        assert!(content(&["/srv", "--upload-to", "memory:"]).is_ok());
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_a_local_failure() {
        let failure = content(&["memory"]).unwrap().open(&args(&["memory"])).await.map(drop).unwrap_err();
        assert_eq!(failure.exit, Exit::LocalIo);
        assert_eq!(failure.hint.as_deref(), Some("did you mean memory: ?"));
    }
}
