//! What is served, and what is allowed with it.

use std::path::PathBuf;

use crate::args::ServeArgs;
use crate::client::show;
use crate::exit::{Exit, Failure};
use crate::units::show_size;
use tftp_tokio::storage::{BoxStorage, Directory, Memory, WritePolicy};

const MEMORY: &str = "memory:";

/// A source and its policy, checked but not yet opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    source: Source,
    readable: bool,
    policy: WritePolicy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Memory { max_bytes: u64 },
    Directory(PathBuf),
}

impl Content {
    pub(crate) fn of(args: &ServeArgs) -> Result<Self, Failure> {
        let policy = &args.policy;
        let memory = args.source == MEMORY;
        if memory && policy.read_only {
            return Err(Failure::usage("memory: starts empty, so with --read-only there would be nothing to serve")
                .hint("serve a directory, or leave --read-only out"));
        }
        let create = policy.create || memory;
        if policy.write_only && !create && !policy.overwrite {
            return Err(Failure::usage("--write-only needs --create or --overwrite, or nothing would be allowed"));
        }
        let source = if memory {
            Source::Memory { max_bytes: policy.max_memory }
        } else {
            Source::Directory(PathBuf::from(&args.source))
        };
        Ok(Self {
            source,
            readable: !policy.write_only,
            policy: WritePolicy { create, overwrite: policy.overwrite, max_size: policy.max_upload },
        })
    }

    /// Opens it, and says how many unfinished uploads of an earlier run were removed; blocks.
    pub(crate) fn open(&self) -> Result<(BoxStorage, usize), Failure> {
        match &self.source {
            Source::Memory { max_bytes } => {
                let memory = Memory::builder().max_bytes(*max_bytes);
                let memory = memory.readable(self.readable).write_policy(self.policy).build();
                Ok((BoxStorage::new(memory), 0))
            }
            Source::Directory(path) => {
                let directory = Directory::builder(path).readable(self.readable).write_policy(self.policy).open();
                let directory = directory.map_err(|error| {
                    let failure =
                        Failure::new(Exit::LocalIo, format!("cannot serve the directory {}: {error}", show(path)));
                    if path.as_os_str() == "memory" { failure.hint("did you mean memory: ?") } else { failure }
                })?;
                let leftovers = directory.removed_leftovers();
                Ok((BoxStorage::new(directory), leftovers))
            }
        }
    }

    pub(crate) const fn is_writable(&self) -> bool {
        !self.policy.is_read_only()
    }

    /// What is served and what is allowed, in one sentence.
    pub(crate) fn describe(&self) -> String {
        let source = match &self.source {
            Source::Memory { max_bytes } => format!("memory (at most {})", show_size(*max_bytes)),
            Source::Directory(path) => format!("directory {}", show(path)),
        };
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
        format!("{source}, {allowed}{limit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    fn content(args: &[&str]) -> Result<Content, Failure> {
        let all = ["tftp-cli", "serve"].iter().chain(args);
        let Command::Serve(args) = Cli::try_parse_from(all).unwrap().command else { panic!() };
        Content::of(&args)
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
    fn a_directory_is_read_only_unless_told_otherwise() {
        assert!(!content(&["/srv"]).unwrap().is_writable());
        assert!(content(&["/srv", "--create"]).unwrap().is_writable());
        assert!(content(&["/srv", "--overwrite"]).unwrap().is_writable());
        assert!(content(&[]).unwrap().is_writable());
    }

    #[test]
    fn policies_that_allow_nothing_are_refused() {
        assert_eq!(content(&["--read-only"]).unwrap_err().exit, Exit::Usage);
        assert_eq!(content(&["/srv", "--write-only"]).unwrap_err().exit, Exit::Usage);
        assert!(content(&["--write-only"]).is_ok());
    }

    #[test]
    fn a_directory_that_is_not_there_is_a_local_failure() {
        let failure = content(&["memory"]).unwrap().open().map(drop).unwrap_err();
        assert_eq!(failure.exit, Exit::LocalIo);
        assert_eq!(failure.hint.as_deref(), Some("did you mean memory: ?"));
    }
}
