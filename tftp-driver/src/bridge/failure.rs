//! What the core is told when storage fails: the kind decides the ERROR packet, the text is for the log.

use std::io;

use tftp_proto::endpoint::{FailureKind, StorageFailure};

use crate::storage::StorageError;

/// Translates an error of storage.
pub(crate) fn failure(error: &StorageError) -> StorageFailure {
    let kind = match error {
        StorageError::NotFound => FailureKind::NotFound,
        StorageError::AccessDenied(_) => FailureKind::AccessDenied,
        StorageError::AlreadyExists => FailureKind::AlreadyExists,
        StorageError::Busy { owner } => FailureKind::Busy { owner: owner.0 },
        // No transfer of ours, so that none yields.
        StorageError::BusyElsewhere => FailureKind::Busy { owner: u64::MAX },
        StorageError::Full | StorageError::TooLarge { .. } => FailureKind::Full,
        StorageError::QuotaExceeded(_) => FailureKind::OverQuota,
        StorageError::InvalidName(_) => FailureKind::InvalidName,
        StorageError::Changed => FailureKind::Changed,
        StorageError::Io(error) if is_exhausted(error) => FailureKind::Exhausted,
        StorageError::Io(_) | StorageError::Other(_) => FailureKind::Other,
    };
    StorageFailure::new(kind, error.to_string())
}

/// Whether the process or the system has run out of descriptors or memory: not the request's fault.
fn is_exhausted(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
        if error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code)) {
            return true;
        }
    }
    error.kind() == io::ErrorKind::OutOfMemory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Owner;

    #[test]
    fn every_error_has_its_kind_and_keeps_its_text_for_the_log() {
        for (error, kind) in [
            (StorageError::NotFound, FailureKind::NotFound),
            (StorageError::AccessDenied("why".into()), FailureKind::AccessDenied),
            (StorageError::AlreadyExists, FailureKind::AlreadyExists),
            (StorageError::Busy { owner: Owner(7) }, FailureKind::Busy { owner: 7 }),
            (StorageError::BusyElsewhere, FailureKind::Busy { owner: u64::MAX }),
            (StorageError::Full, FailureKind::Full),
            (StorageError::QuotaExceeded("why".into()), FailureKind::OverQuota),
            (StorageError::TooLarge { limit: 1 }, FailureKind::Full),
            (StorageError::InvalidName("why".into()), FailureKind::InvalidName),
            (StorageError::Changed, FailureKind::Changed),
            (StorageError::Io(io::Error::other("why")), FailureKind::Other),
            #[cfg(unix)]
            (StorageError::Io(rustix::io::Errno::MFILE.into()), FailureKind::Exhausted),
            (StorageError::Other("why".into()), FailureKind::Other),
        ] {
            let failure = failure(&error);
            assert_eq!(failure.kind, kind, "{error:?}");
            assert_eq!(&*failure.detail, error.to_string());
        }
    }
}
