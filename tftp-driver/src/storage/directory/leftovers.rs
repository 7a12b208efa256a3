//! Removes what killed uploads left.

use cap_std::fs::Dir;

use super::temporary::{Leftover, remove_leftover};
use super::walk;
use crate::storage::names::is_reserved;

/// Removes temporary files beneath `root` that no upload holds any more, and says how many. What cannot be read or
/// removed stays: the server can do without.
pub(super) fn remove(root: &Dir) -> usize {
    let mut removed = 0;
    walk::files(root, &mut |dir, name, _| {
        if is_reserved(name.as_encoded_bytes()) {
            removed += usize::from(matches!(remove_leftover(dir, name.as_ref()), Ok(Leftover::Removed)));
        }
    });
    removed
}
