//! What is there.

use cap_std::fs::Dir;

use super::walk;
use crate::storage::Usage;
use crate::storage::names::is_reserved;

/// Counts the regular files beneath `root`, without uploads in progress. A file with several names counts for each.
pub(super) fn measure(root: &Dir) -> Usage {
    let mut usage = Usage::default();
    walk::files(root, &mut |_, name, entry| {
        if !is_reserved(name.as_encoded_bytes())
            && let Ok(metadata) = entry.metadata()
        {
            usage.bytes = usage.bytes.saturating_add(metadata.len());
            usage.files += 1;
        }
    });
    usage
}
