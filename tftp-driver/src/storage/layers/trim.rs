//! What old boot ROMs put behind a name.

use super::{NameMapping, NameRequest};
use crate::storage::StorageError;

/// Takes off what old PXE ROMs put behind a file name: 0xFF or a control byte and all that follows, and spaces at the
/// end.
///
/// Neither byte can be part of a name in UTF-8 or ASCII that storage takes. Use it with
/// [`Renamed`](super::Renamed), whose `on_change` can note it in a log.
///
/// ```
/// use tftp_driver::storage::Memory;
/// use tftp_driver::storage::layers::{Renamed, TrimJunk};
///
/// let files = Renamed::new(Memory::new(), TrimJunk).on_change(|request, name| {
///     println!("{}: {} is {}", request.client, request.name.escape_ascii(), name.escape_ascii());
/// });
/// # let _ = files;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TrimJunk;

impl NameMapping for TrimJunk {
    fn map(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
        Ok(trimmed(request.name).to_vec())
    }
}

fn trimmed(name: &[u8]) -> &[u8] {
    let junk = |byte: &u8| *byte == 0xFF || byte.is_ascii_control();
    let end = name.iter().position(junk).unwrap_or(name.len());
    let name = name.get(..end).unwrap_or(name);
    let spaces = name.iter().rev().take_while(|byte| **byte == b' ').count();
    name.get(..name.len() - spaces).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_name_is_cut_and_nothing_else() {
        for (name, left) in [
            (&b"pxelinux.0\xff"[..], &b"pxelinux.0"[..]),
            (b"pxelinux.0\xff\x03\x1b/../x", b"pxelinux.0"),
            (b"pxelinux.0   ", b"pxelinux.0"),
            (b"pxelinux.0 \xff \x01", b"pxelinux.0"),
            (b"pxelinux.0\r\n", b"pxelinux.0"),
            (b"a b/c d.txt", b"a b/c d.txt"),
            (" größe".as_bytes(), " größe".as_bytes()),
            (b"a\xfe", b"a\xfe"),
            (b"\xff", b""),
            (b"  ", b""),
            (b"", b""),
        ] {
            assert_eq!(trimmed(name), left, "{name:?}");
        }
    }
}
