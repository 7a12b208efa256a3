//! What can go wrong with a file.

use std::borrow::Cow;
use std::io;

use super::Owner;

/// Why storage refused or failed.
///
/// The text is for the operator's log and may hold paths. What a peer gets to see is made elsewhere, from the variant
/// alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is no such file.
    #[error("not found")]
    NotFound,
    /// Policy, permissions, or the kind of the file forbid it.
    #[error("access denied: {0}")]
    AccessDenied(Cow<'static, str>),
    /// The file is there already and may not be replaced.
    #[error("the file exists already")]
    AlreadyExists,
    /// Another upload of this name is under way.
    #[error("another upload of this name is under way")]
    Busy {
        /// The transfer that holds the name.
        owner: Owner,
    },
    /// Another server is writing a file of this name: in another process, or another instance over the same files.
    #[error("another server is writing a file of this name")]
    BusyElsewhere,
    /// No room is left.
    #[error("no room is left")]
    Full,
    /// There is room, but a policy keeps it.
    #[error("quota exceeded: {0}")]
    QuotaExceeded(Cow<'static, str>),
    /// The upload exceeds the largest size allowed.
    #[error("larger than the {limit} bytes allowed")]
    TooLarge {
        /// The largest size allowed, in bytes.
        limit: u64,
    },
    /// The name can never be one of a file here.
    #[error("invalid name: {0}")]
    InvalidName(Cow<'static, str>),
    /// The file was modified while it was read.
    #[error("the file changed while it was read")]
    Changed,
    /// The operating system failed.
    #[error(transparent)]
    Io(io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl StorageError {
    pub(crate) fn denied(reason: &'static str) -> Self {
        Self::AccessDenied(Cow::Borrowed(reason))
    }

    pub(crate) fn invalid_name(reason: &'static str) -> Self {
        Self::InvalidName(Cow::Borrowed(reason))
    }
}

impl From<io::Error> for StorageError {
    /// Sorts the kinds that a client can make sense of from the rest.
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound | Kind::NotADirectory => Self::NotFound,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem | Kind::IsADirectory => {
                Self::AccessDenied(Cow::Owned(error.to_string()))
            }
            Kind::AlreadyExists => Self::AlreadyExists,
            // FileTooLarge is the file system's or the process's limit, not a policy of ours.
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::Full,
            Kind::InvalidFilename => Self::InvalidName(Cow::Owned(error.to_string())),
            _ => Self::Io(error),
        }
    }
}
