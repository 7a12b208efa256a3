//! Where files are: what each SOURCE of the command line says.

use std::ffi::OsStr;
use std::path::PathBuf;

#[cfg(feature = "object-store")]
use super::Listen;
use super::Owner;
use super::places::Kept;
#[cfg(feature = "object-store")]
use super::store::{Store, Watched};
#[cfg(feature = "object-store")]
use crate::args::StoreArgs;
use crate::args::{DirectoryArgs, Links};
use crate::client::show;
use crate::escape::escape;
use crate::exit::{Exit, Failure};
use crate::remote::percent_decode;
use crate::units::show_size;
use tftp_tokio::storage::layers::{Quota, Templates, WriteOnly};
use tftp_tokio::storage::{
    AbsoluteLinks, BoxStorage, Directory, DirectoryBuilder, Memory, Storage, Usage, WritePolicy,
};

/// What may be written, for the hint to a wrong one.
const EXPECTED: &str = if cfg!(feature = "object-store") {
    "a SOURCE is a directory, file:///DIRECTORY, memory:, or the URL of an object store (s3://BUCKET/PREFIX, gs://, az://, \
     http://, https://), or templates: before one of them; ./NAME is always a directory"
} else {
    "a SOURCE is a directory, file:///DIRECTORY, memory:, or templates: before a directory; ./NAME is always a directory"
};

/// A place for files, checked but not opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nothing at first, and nothing after the end.
    Memory { max_bytes: u64 },
    /// Files beneath a directory of this machine.
    Directory(PathBuf),
    /// Objects of a store.
    #[cfg(feature = "object-store")]
    Objects(Store),
    /// Files made from the templates of another.
    Templates(Box<Source>),
}

/// What clients may do with a source, and how it is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) readable: bool,
    pub(crate) policy: WritePolicy,
    pub(crate) kept: Kept,
    pub(crate) directories: &'a DirectoryArgs,
    #[cfg(feature = "object-store")]
    pub(crate) stores: &'a StoreArgs,
    #[cfg(feature = "object-store")]
    pub(crate) listen: &'a [Listen],
    #[cfg(feature = "object-store")]
    pub(crate) disk: Option<&'a tftp_tokio::storage::object::DiskCache>,
}

/// A source, ready to be served.
pub(crate) struct Opened {
    pub(crate) storage: BoxStorage,
    /// How many unfinished uploads of an earlier run were removed.
    pub(crate) leftovers: usize,
    /// What the log is to tell of an object store.
    #[cfg(feature = "object-store")]
    pub(crate) watched: Option<Watched>,
}

impl Source {
    /// Understands one SOURCE. `max_memory` is for `memory:`.
    pub(crate) fn parse(text: &OsStr, max_memory: u64) -> Result<Self, Failure> {
        let wrong = |reason: &str| {
            Failure::usage(format!("{}: {reason}", escape(text.as_encoded_bytes()))).hint(EXPECTED.to_owned())
        };
        if text.is_empty() {
            return Err(Failure::usage("an empty SOURCE").hint(EXPECTED));
        }
        // A path that is not UTF-8 is no URL.
        let Some((scheme, rest)) = text.to_str().and_then(split_scheme) else {
            return Ok(Self::Directory(text.into()));
        };
        let scheme = &*scheme.to_ascii_lowercase();
        #[cfg(feature = "object-store")]
        if rest.starts_with("//")
            && let Some(store) = text.to_str().and_then(|text| Store::parse(scheme, text))
        {
            // The URL itself may hold a password.
            return store.map(Self::Objects).map_err(|reason| Failure::usage(reason).hint(EXPECTED));
        }
        match scheme {
            "templates" => match Self::parse(OsStr::new(rest), max_memory)? {
                Self::Memory { .. } => Err(wrong("memory: starts empty, so there would be no template")),
                Self::Templates(_) => Err(wrong("templates: stands once")),
                source => Ok(Self::Templates(Box::new(source))),
            },
            "memory" if rest.is_empty() => Ok(Self::Memory { max_bytes: max_memory }),
            "memory" => Err(wrong("nothing may follow memory:")),
            "file" => file_path(rest).map(Self::Directory).map_err(|reason| wrong(&reason)),
            // A directory may have a colon in its name, but none is written like this.
            _ if rest.starts_with("//") => Err(wrong(&format!("{scheme}: is not among what can be served"))),
            _ => Ok(Self::Directory(text.into())),
        }
    }

    /// What clients may do when the arguments allow `create` and `overwrite`.
    pub(crate) fn policy(&self, create: bool, overwrite: bool) -> WritePolicy {
        match self {
            // Read-only it would be of no use.
            Self::Memory { .. } => WritePolicy { create: true, overwrite, max_size: None },
            Self::Directory(_) => WritePolicy { create, overwrite, max_size: None },
            #[cfg(feature = "object-store")]
            Self::Objects(store) if !store.takes_uploads() => WritePolicy::READ_ONLY,
            #[cfg(feature = "object-store")]
            Self::Objects(_) => WritePolicy { create, overwrite, max_size: None },
            Self::Templates(_) => WritePolicy::READ_ONLY,
        }
    }

    /// Whether it could take uploads if they were allowed.
    pub(crate) fn takes_uploads(&self) -> bool {
        !self.policy(true, true).is_read_only()
    }

    /// Whether its files, or its templates, are in a directory.
    pub(crate) fn is_directory(&self) -> bool {
        match self {
            Self::Templates(source) => source.is_directory(),
            other => matches!(other, Self::Directory(_)),
        }
    }

    /// Whether it is known how much it holds; names are then found in any case, too.
    pub(crate) fn can_be_measured(&self) -> bool {
        self.is_directory() || matches!(self, Self::Memory { .. })
    }

    /// Whether it is in an object store, or made from what is.
    #[cfg(feature = "object-store")]
    pub(crate) fn is_in_a_store(&self) -> bool {
        match self {
            Self::Objects(_) => true,
            Self::Templates(source) => source.is_in_a_store(),
            Self::Memory { .. } | Self::Directory(_) => false,
        }
    }

    /// Whether it has something to read from the beginning.
    pub(crate) const fn starts_empty(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// Opens it; a directory blocks for that long.
    #[cfg_attr(not(feature = "object-store"), allow(clippy::unused_async, reason = "object stores need it"))]
    pub(crate) async fn open(&self, access: Access<'_>) -> Result<Opened, Failure> {
        let Access { readable, policy, kept, directories, .. } = access;
        match self {
            Self::Memory { max_bytes } => {
                let memory = Memory::builder().max_bytes(*max_bytes).ignore_case(directories.ignore_case);
                let memory = memory.write_policy(policy).build();
                let measured = memory.clone();
                Ok(Opened::new(limited(memory, kept, readable, move || measured.usage()), 0))
            }
            Self::Directory(path) => {
                let builder = Directory::builder(path).write_policy(policy);
                let directory = configure(builder, directories).open().map_err(|error| {
                    let error = escape(error.to_string().as_bytes());
                    let failure = Failure::new(Exit::LocalIo, format!("cannot serve the directory {error}"));
                    if path.as_os_str() == "memory" { failure.hint("did you mean memory: ?") } else { failure }
                })?;
                let (leftovers, measured) = (directory.removed_leftovers(), directory.clone());
                Ok(Opened::new(limited(directory, kept, readable, move || measured.usage()), leftovers))
            }
            Self::Templates(source) => {
                let mut opened = Box::pin(source.open(access)).await?;
                opened.storage = BoxStorage::new(Templates::new(opened.storage));
                Ok(opened)
            }
            #[cfg(feature = "object-store")]
            Self::Objects(store) => store.open(access).await,
        }
    }

    /// For the first line of the log.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Memory { max_bytes } => format!("memory (at most {})", show_size(*max_bytes)),
            Self::Directory(path) => format!("directory {}", show(path)),
            #[cfg(feature = "object-store")]
            Self::Objects(store) => store.describe(),
            Self::Templates(source) => format!("templates of {}", source.describe()),
        }
    }
}

impl Opened {
    fn new(storage: BoxStorage, leftovers: usize) -> Self {
        Self {
            storage,
            leftovers,
            #[cfg(feature = "object-store")]
            watched: None,
        }
    }
}

/// Storage that keeps no more than is allowed, and gives downloads if they are.
fn limited<S: Storage>(
    storage: S,
    kept: Kept,
    readable: bool,
    measure: impl Fn() -> Usage + Send + Sync + 'static,
) -> BoxStorage {
    let limited = if kept.is_limited() {
        let limited = Quota::new(storage, measure()).measure(measure);
        let limited = kept.bytes.into_iter().fold(limited, Quota::max_bytes);
        BoxStorage::new(kept.files.into_iter().fold(limited, Quota::max_files))
    } else {
        BoxStorage::new(storage)
    };
    // Over the quota, which has to see what an upload replaces.
    if readable { limited } else { BoxStorage::new(WriteOnly::new(limited)) }
}

fn configure(mut builder: DirectoryBuilder, args: &DirectoryArgs) -> DirectoryBuilder {
    builder = builder
        .create_directories(args.create_dirs)
        .min_free(args.min_free.unwrap_or(0))
        .ignore_case(args.ignore_case)
        .absolute_links(match args.absolute_links {
            Links::Refuse => AbsoluteLinks::Refuse,
            Links::FromRoot => AbsoluteLinks::FromRoot,
        });
    if let Some(mode) = args.chmod {
        builder = builder.mode(mode);
    }
    if let Some(Owner { user, group }) = args.owner {
        builder = builder.owner(user, group);
    }
    builder
}

/// The scheme before a colon, and the rest. One letter is a drive, not a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// The path of a `file:` URL (RFC 8089), of which `rest` follows the colon.
fn file_path(rest: &str) -> Result<PathBuf, String> {
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let slash = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(slash);
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                return Err("the path must be absolute, behind three slashes: file:///srv/tftp".into());
            }
            path
        }
    };
    if !path.starts_with('/') {
        return Err("the path must be absolute: file:///srv/tftp".into());
    }
    let path = percent_decode(path)?;
    if path.contains(&0) {
        return Err("a path cannot hold a NUL byte".into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        Ok(std::ffi::OsString::from_vec(path).into())
    }
    #[cfg(not(unix))]
    {
        let path = String::from_utf8(path).map_err(|_| "the path is not UTF-8".to_owned())?;
        // file:///C:/files
        let drive = path.strip_prefix('/').filter(|path| path.as_bytes().get(1) == Some(&b':'));
        Ok(drive.unwrap_or(&path).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Source, Failure> {
        Source::parse(OsStr::new(text), 7)
    }

    #[test]
    fn paths_urls_and_memory() {
        assert_eq!(parse("memory:"), Ok(Source::Memory { max_bytes: 7 }));
        assert_eq!(parse("MEMORY:"), Ok(Source::Memory { max_bytes: 7 }));
        for (text, path) in [
            ("/srv/tftp", "/srv/tftp"),
            ("srv", "srv"),
            ("memory", "memory"),
            ("./memory:", "./memory:"),
            ("a:b", "a:b"),
            ("with:colon", "with:colon"),
            ("file:///srv/tftp", "/srv/tftp"),
            ("file:/srv/a%20b", "/srv/a b"),
            ("FILE://localhost/srv", "/srv"),
        ] {
            assert_eq!(parse(text), Ok(Source::Directory(path.into())), "{text}");
        }
    }

    #[cfg(feature = "object-store")]
    #[test]
    fn urls_of_object_stores() {
        for (text, shown) in [
            ("s3://bucket", "s3://bucket"),
            ("S3://bucket/a/", "s3://bucket/a"),
            ("https://user:secret@host/a", "https://host/a"),
        ] {
            assert_eq!(parse(text).unwrap().describe(), shown);
        }
        for wrong in ["s3://", "s3://key:secret@bucket", "https://host/?secret"] {
            let failure = parse(wrong).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{wrong}");
            assert!(!format!("{failure:?}").contains("secret"), "{failure}");
        }
        // As for every scheme, it is the two slashes that make it a URL.
        assert_eq!(parse("s3:bucket"), Ok(Source::Directory("s3:bucket".into())));
        assert!(parse("http://host").unwrap().policy(true, true).is_read_only());
        assert!(!parse("gs://bucket").unwrap().policy(true, false).is_read_only());
    }

    #[test]
    fn what_cannot_be_served_says_what_can() {
        for wrong in [
            "",
            "memory:x",
            "memory://",
            "ftp://host/x",
            "file://host/x",
            "file:x",
            "file:",
            "file:///%",
            "file:///%00",
        ] {
            let failure = parse(wrong).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{wrong}");
            assert_eq!(failure.hint.as_deref(), Some(EXPECTED), "{wrong}");
        }
        assert!(parse("file://srv/tftp").unwrap_err().message.contains("three slashes"));
    }
}
