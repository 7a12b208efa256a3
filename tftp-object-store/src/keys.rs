//! From a client's name to a key in the store.

use object_store::path::Path;
use tftp_driver::storage::StorageError;
use tftp_driver::storage::names::{canonical, is_reserved};

/// The longest key, in bytes: the limit of S3, GCS and Azure.
const MAX_KEY: usize = 1024;

/// Uploads in progress live beneath this, at the top of the prefix.
const TEMPORARY: &str = ".tftp-upload-tmp";

/// The keys beneath one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Without slashes at its ends; may be empty.
    prefix: String,
    /// Azure drops dots at the end of a path segment, so that two names would meet in one key.
    no_final_dots: bool,
}

impl Keys {
    pub(crate) fn new(prefix: &Path, no_final_dots: bool) -> Self {
        Self { prefix: prefix.as_ref().to_owned(), no_final_dots }
    }

    fn beneath(&self, name: &str) -> Result<Path, StorageError> {
        let key = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        if key.len() > MAX_KEY {
            return Err(invalid("longer than a key may be"));
        }
        // Unlike the other ways to make one, this keeps every character as it is.
        let path = Path::parse(&key).map_err(|_| invalid("not a key of an object store"))?;
        // Nothing may be lost on the way, or two names could meet in one key.
        if path.as_ref() == key { Ok(path) } else { Err(invalid("not a key of an object store")) }
    }

    fn of(&self, name: &[u8]) -> Result<Path, StorageError> {
        let name = std::str::from_utf8(name).map_err(|_| invalid("not UTF-8, which the keys of object stores are"))?;
        if self.no_final_dots && name.split('/').any(|segment| segment.ends_with('.')) {
            return Err(invalid("a part of it ends with a dot"));
        }
        self.beneath(name)
    }

    /// The key of a file to read.
    pub(crate) fn to_read(&self, name: &[u8]) -> Result<Path, StorageError> {
        let name = canonical(name)?;
        if is_reserved(&name) {
            return Err(StorageError::NotFound);
        }
        self.of(&name)
    }

    /// The key of a file to write.
    pub(crate) fn to_write(&self, name: &[u8]) -> Result<Path, StorageError> {
        let name = canonical(name)?;
        if is_reserved(&name) {
            return Err(StorageError::AccessDenied("the name is reserved for uploads in progress".into()));
        }
        self.of(&name)
    }

    /// Where uploads in progress are.
    pub(crate) fn temporaries(&self) -> Result<Path, StorageError> {
        self.beneath(TEMPORARY)
    }

    /// The key of an upload in progress.
    pub(crate) fn temporary(&self, token: &str) -> Result<Path, StorageError> {
        self.beneath(&format!("{TEMPORARY}/{token}"))
    }
}

fn invalid(reason: &'static str) -> StorageError {
    StorageError::InvalidName(reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn keys(prefix: &str) -> Keys {
        Keys::new(&Path::parse(prefix).unwrap(), false)
    }

    #[test]
    fn the_key_is_the_prefix_and_the_name_as_they_are() {
        let odd = "a b/100%/%2e%2e/~{x}^[y]|`#?*<>\"é\u{202e}";
        for (prefix, name, key) in [
            ("", "a", "a"),
            ("", "/a/./b//c", "a/b/c"),
            ("p/q", "\\Boot\\BCD", "p/q/Boot/BCD"),
            ("p", odd, &format!("p/{odd}")),
            ("", ".hidden/..x/x..", ".hidden/..x/x.."),
        ] {
            assert_eq!(keys(prefix).to_read(name.as_bytes()).unwrap().as_ref(), key);
            assert_eq!(keys(prefix).to_write(name.as_bytes()).unwrap().as_ref(), key);
        }
    }

    #[test]
    fn no_name_leads_out_of_the_prefix() {
        for name in ["..", "../a", "a/../../b", "..\\b", "/../b", "a/..", "", "/", ".", "a/", "a\0", "a\n", "\u{7f}"] {
            assert!(matches!(keys("p").to_read(name.as_bytes()), Err(StorageError::InvalidName(_))), "{name:?}");
            assert!(matches!(keys("p").to_write(name.as_bytes()), Err(StorageError::InvalidName(_))), "{name:?}");
        }
    }

    #[test]
    fn names_that_are_not_text_or_too_long_are_refused() {
        for name in [&b"a\xff"[..], b"\xc3", b"\xed\xa0\x80"] {
            let error = keys("").to_read(name).unwrap_err();
            assert!(error.to_string().contains("UTF-8"), "{error}");
        }
        assert!(keys("").to_read(&[b'a'; 1024]).is_ok());
        assert!(keys("").to_read(&[b'a'; 1025]).is_err());
        assert!(keys("p").to_read(&[b'a'; 1023]).is_err());
    }

    #[test]
    fn uploads_in_progress_cannot_be_reached() {
        let keys = keys("p");
        let token = keys.temporary("token").unwrap();
        assert_eq!(token.as_ref(), "p/.tftp-upload-tmp/token");
        for name in [".tftp-upload-tmp/token", "/.TFTP-Upload-tmp/token", "a/.tftp-upload-1"] {
            assert!(matches!(keys.to_read(name.as_bytes()), Err(StorageError::NotFound)));
            assert!(matches!(keys.to_write(name.as_bytes()), Err(StorageError::AccessDenied(_))));
        }
    }

    #[test]
    fn azure_takes_no_final_dots() {
        let azure = Keys::new(&Path::default(), true);
        for name in ["a.", "a./b", "..a/b.."] {
            assert!(azure.to_read(name.as_bytes()).is_err(), "{name}");
        }
        assert!(azure.to_read(b".a/b.c").is_ok());
    }

    #[test]
    fn two_names_never_meet_in_one_key() {
        // Everything that might be folded, decoded or trimmed somewhere, in all combinations of four.
        let parts = ["a", "A", ".", "%", "2f", "/", "\\", " ", "+", "é", "e\u{301}", "~"];
        let keys = keys("p");
        let mut seen = HashMap::new();
        for i in 0..parts.len().pow(4) {
            let name: String = (0..4).map(|place| parts[i / parts.len().pow(place) % parts.len()]).collect();
            let Ok(key) = keys.to_read(name.as_bytes()) else { continue };
            let canonical = canonical(name.as_bytes()).unwrap();
            let other = seen.entry(key).or_insert_with(|| canonical.clone());
            assert_eq!(*other, canonical, "{name}");
        }
        assert!(seen.len() > 1000);
    }
}
