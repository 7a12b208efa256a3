//! What is served to whom, and what is allowed with it: the arguments put together.
//!
//! A request goes through the layers from the top: names are trimmed, then mapped; a client's directory is put before
//! them; the client's network chooses a chain of sources; an upload gets its unique name; the sources are asked one
//! after the other, and the one that takes the upload looks at its quota.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::sync::Arc;

use crate::args::{DirectoryArgs, Links, PeerDirs, ServeArgs};
use crate::escape::escape;
use crate::exit::Failure;
use crate::units::{count, show_size};
use tftp_tokio::storage::layers::{ByNetwork, ClientDirs, IpNet};
use tftp_tokio::storage::{BoxStorage, WritePolicy};

use super::chain::Chain;
use super::names::Names;
use super::places::{Kept, Places};
use super::quota::Quota;
use super::source::Source;

/// The sources and the policy, checked but not yet opened.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    names: Names,
    client_dirs: Option<PeerDirs>,
    /// For clients that are in none of the networks.
    others: Chain,
    networks: Vec<(IpNet, Chain)>,
    unique_names: bool,
    ignore_case: bool,
    kept: Kept,
    min_free: Option<u64>,
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
        if args.names.map_client.is_some() {
            return Err(Failure::usage("--map-client is for --map-test: it says for which client names are tested"));
        }
        let others = Chain::of(&args.sources, &args.policy)?;
        let networks = by_network(&args.peers.for_network)?.into_iter().map(|(network, sources)| {
            let chain = Chain::of(&sources, &args.policy);
            let chain = chain.map_err(|failure| Failure {
                message: format!("--for-network {network}: {}", failure.message),
                ..failure
            })?;
            Ok((network, chain))
        });
        let content = Self {
            names: Names::of(&args.names)?,
            client_dirs: args.peers.client_dirs,
            others,
            networks: networks.collect::<Result<_, Failure>>()?,
            unique_names: args.names.unique_names,
            ignore_case: args.directories.ignore_case,
            kept: Kept { bytes: args.policy.max_stored, files: args.policy.max_files },
            min_free: args.directories.min_free,
        };
        content.check(&args.directories)?;
        #[cfg(feature = "object-store")]
        if args.stores.cache_dir.is_some() && !content.chains().flat_map(Chain::sources).any(Source::is_in_a_store) {
            return Err(Failure::usage("--cache-dir is for object stores, and there is none"));
        }
        Ok(content)
    }

    /// Arguments that would do nothing are a mistake: an operator relies on them.
    fn check(&self, args: &DirectoryArgs) -> Result<(), Failure> {
        let targets = self.targets();
        let for_uploads = [
            (args.create_dirs, "--create-dirs", Source::is_directory as fn(&Source) -> bool, "a directory"),
            (args.chmod.is_some(), "--chmod", Source::is_directory, "a directory"),
            (args.owner.is_some(), "--owner", Source::is_directory, "a directory"),
            (args.min_free.is_some(), "--min-free", Source::is_directory, "a directory"),
            (self.kept.bytes.is_some(), "--max-stored", Source::can_be_measured, "a directory or memory:"),
            (self.kept.files.is_some(), "--max-files", Source::can_be_measured, "a directory or memory:"),
            (self.unique_names, "--unique-names", |_| true, "a SOURCE"),
        ];
        for (_, flag, fits, what) in for_uploads.into_iter().filter(|(given, ..)| *given) {
            if targets.iter().any(|(target, _)| fits(target)) {
                continue;
            }
            return Err(match targets.first() {
                None => Failure::usage(format!("{flag} is for uploads, and none are taken"))
                    .hint("--create takes uploads of new files, --overwrite over existing ones"),
                Some((target, _)) => {
                    Failure::usage(format!("{flag} is for uploads to {what}, and they go to {}", target.describe()))
                }
            });
        }
        let has = |is: fn(&Source) -> bool| self.chains().flat_map(Chain::sources).any(is);
        if args.absolute_links == Links::FromRoot && !has(Source::is_directory) {
            return Err(Failure::usage("--absolute-links is for directories, and there is none"));
        }
        if args.ignore_case && !has(Source::can_be_measured) {
            return Err(Failure::usage("--ignore-case is for directories and memory:, and there is neither"));
        }
        Ok(())
    }

    fn chains(&self) -> impl Iterator<Item = &Chain> {
        std::iter::once(&self.others).chain(self.networks.iter().map(|(_, chain)| chain))
    }

    /// Where uploads go.
    fn targets(&self) -> Vec<(&Source, WritePolicy)> {
        self.chains().filter_map(Chain::target).collect()
    }

    /// Opens it. Directories block, and object stores may take a while.
    pub(crate) async fn open(&self, args: &ServeArgs) -> Result<Ready, Failure> {
        let mut places = Places::new(args, self.kept, self.targets());
        let mut storage = self.others.open(&mut places).await?;
        if !self.networks.is_empty() {
            let mut by_network = ByNetwork::new(storage);
            for (network, chain) in &self.networks {
                by_network = by_network.network(*network, chain.open(&mut places).await?);
            }
            storage = BoxStorage::new(by_network);
        }
        storage = match self.client_dirs {
            None => storage,
            Some(PeerDirs::Only) => BoxStorage::new(ClientDirs::new(storage)),
            Some(PeerDirs::First) => BoxStorage::new(ClientDirs::new(storage).or_shared()),
        };
        Ok(Ready {
            storage: self.names.over(storage),
            leftovers: places.leftovers,
            #[cfg(feature = "object-store")]
            watched: places.watched,
        })
    }

    /// The lines that may be logged of what a stranger can cause.
    pub(super) fn log_lines(&self) -> Arc<Quota> {
        self.names.lines()
    }

    pub(crate) fn is_writable(&self) -> bool {
        !self.targets().is_empty()
    }

    /// What is served and what is allowed, in one sentence.
    pub(crate) fn describe(&self) -> String {
        let mut parts = vec![self.others.describe()];
        parts.extend(self.networks.iter().map(|(network, chain)| format!("to {network}: {}", chain.describe())));
        parts.extend(self.client_dirs.map(|dirs| {
            let shared = if dirs == PeerDirs::First { " before what is for all" } else { "" };
            format!("each client its own directory{shared}")
        }));
        parts.extend(self.names.describe());
        parts.extend(self.ignore_case.then(|| {
            let all = self.chains().flat_map(Chain::sources).all(Source::can_be_measured);
            format!("names in any case{}", if all { "" } else { ", except in object stores" })
        }));
        parts.extend(self.unique_names.then(|| "uploads get unique names".to_owned()));
        if self.kept.is_limited() {
            let bytes = self.kept.bytes.map(show_size);
            let files = self.kept.files.map(|files| count(files, "file"));
            let limits: Vec<_> = bytes.into_iter().chain(files).collect();
            parts.push(format!("at most {} kept", limits.join(" and ")));
        }
        parts.extend(self.min_free.filter(|bytes| *bytes > 0).map(|bytes| format!("{} stay free", show_size(bytes))));
        parts.join("; ")
    }
}

/// The SOURCEs of each network, in their order.
fn by_network(given: &[OsString]) -> Result<Vec<(IpNet, Vec<OsString>)>, Failure> {
    let mut networks: Vec<(IpNet, Vec<OsString>)> = Vec::new();
    for text in given {
        let (network, source) = network_and_source(text)?;
        match networks.iter_mut().find(|(other, _)| *other == network) {
            Some((_, sources)) => sources.push(source),
            None => networks.push((network, vec![source])),
        }
    }
    Ok(networks)
}

fn network_and_source(text: &OsStr) -> Result<(IpNet, OsString), Failure> {
    let wrong = |reason: String| {
        Failure::usage(format!("--for-network {}: {reason}", escape(text.as_encoded_bytes())))
            .hint("NETWORK=SOURCE, such as 10.1.0.0/16=/srv/rack1 or 2001:db8:7::/48=s3://bucket/lab")
    };
    let Some((network, source)) = text.to_str().and_then(|text| text.split_once('=')) else {
        return Err(wrong("a network, =, and a SOURCE are expected".into()));
    };
    let parsed = match (network.parse::<IpNet>(), network.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        (Err(_), Err(_)) => return Err(wrong(format!("{} is no network", escape(network.as_bytes())))),
    };
    if parsed != parsed.trunc() {
        return Err(wrong(format!("{parsed} is an address in a network; {} is the network", parsed.trunc())));
    }
    Ok((parsed, source.into()))
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
    fn what_is_asked_for_besides_is_said_behind_it() {
        let said = |extra: &[&str]| describe(&[&["/a", "--create"], extra].concat());
        for (extra, words) in [
            (&["--ignore-case"][..], "; names in any case"),
            (&["--min-free", "1GiB"], "; 1.0 GiB stay free"),
            (&["--max-files", "1", "--min-free", "1GiB"], "; at most 1 file kept; 1.0 GiB stay free"),
        ] {
            assert!(said(extra).ends_with(words), "{}", said(extra));
        }
        #[cfg(feature = "object-store")]
        assert!(said(&["s3://bucket", "--ignore-case"]).ends_with("; names in any case, except in object stores"));
    }

    #[test]
    fn templates_of_a_directory_are_looked_up_as_its_files_are() {
        for flag in [&["--ignore-case"][..], &["--absolute-links", "from-root"]] {
            assert!(content(&[&["templates:/srv"], flag].concat()).is_ok(), "{flag:?}");
        }
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
