//! From the name a client sent to one that storage can look up.
//!
//! A back end of your own calls [`canonical`] first, and looks up what it gives. One that has directories and links to
//! resolve calls [`relative`], and leaves `..` to whatever resolves them beneath a root; never to a check of strings.

use std::net::IpAddr;

use super::StorageError;

/// Uploads in progress live under names that begin so; no request may reach them.
pub const RESERVED_PREFIX: &[u8] = b".tftp-upload-";

/// What all back ends have in common: `\` becomes `/` (Windows' boot manager), leading `/` are dropped (every name is
/// relative to the root), control bytes are refused. `.` and `..` are left to whoever resolves the name.
///
/// ```
/// use tftp_driver::storage::names::relative;
///
/// assert_eq!(relative(b"\\Boot\\..\\BCD").unwrap(), b"Boot/../BCD");
/// assert!(relative(b"a\nb").is_err());
/// ```
///
/// # Errors
///
/// [`StorageError::InvalidName`] for control bytes and for a name of which nothing is left.
pub fn relative(name: &[u8]) -> Result<Vec<u8>, StorageError> {
    if name.iter().any(u8::is_ascii_control) {
        return Err(StorageError::invalid_name("control bytes"));
    }
    let mut name: Vec<u8> = name.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect();
    let leading = name.iter().take_while(|&&byte| byte == b'/').count();
    name.drain(..leading);
    if name.is_empty() {
        return Err(StorageError::invalid_name("empty"));
    }
    Ok(name)
}

/// The canonical spelling of a name where there are no directories to resolve it: `./a//b` is `a/b`, and `..` is
/// refused.
///
/// What it gives is one or more components joined by `/`, none of them empty, `.` or `..`: it can be put behind a
/// prefix of your own, and does not lead out of it.
///
/// ```
/// use tftp_driver::storage::names::canonical;
///
/// assert_eq!(canonical(b"/a//./b").unwrap(), b"a/b");
/// assert!(canonical(b"a/../../b").is_err());
/// ```
///
/// # Errors
///
/// [`StorageError::InvalidName`] as of [`relative`], for `..`, and for names that end like a directory's.
pub fn canonical(name: &[u8]) -> Result<Vec<u8>, StorageError> {
    let name = relative(name)?;
    let mut canonical = Vec::with_capacity(name.len());
    let mut last: &[u8] = b"";
    for component in name.split(|&byte| byte == b'/') {
        last = component;
        match component {
            b"" | b"." => {}
            b".." => return Err(StorageError::invalid_name("leads upwards")),
            _ => {
                if !canonical.is_empty() {
                    canonical.push(b'/');
                }
                canonical.extend_from_slice(component);
            }
        }
    }
    if matches!(last, b"" | b".") {
        return Err(StorageError::invalid_name("names a directory"));
    }
    Ok(canonical)
}

/// Whether any part of the name begins as those of uploads in progress do, whatever the case: some file systems fold it.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'/').any(|component| {
        component.get(..RESERVED_PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(RESERVED_PREFIX))
    })
}

/// The spelling that all names have in common which differ in case only: UTF-8 in lower case, letter by letter as
/// Unicode has it; of what is not UTF-8, the ASCII letters.
#[must_use]
pub fn fold(name: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_lowercase().into_bytes(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// An address as PXELINUX and others write it in names: `C00002A9`, or 32 digits for IPv6.
#[must_use]
pub fn hex_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{:08X}", address.to_bits()),
        IpAddr::V6(address) => format!("{:032X}", address.to_bits()),
    }
}

/// Whether Windows would take a part of the name for a device, a drive or a stream of another file, or would drop its
/// last character.
#[cfg(any(windows, test))]
pub(crate) fn is_special_on_windows(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'/').any(|component| {
        let stem = component.split(|&byte| byte == b'.').next().unwrap_or(component).trim_ascii_end();
        let numbered = |device: &[u8]| {
            stem.len() > 3 && stem[..3].eq_ignore_ascii_case(device) && !stem[3..].iter().any(u8::is_ascii_alphabetic)
        };
        let device = [&b"con"[..], b"prn", b"aux", b"nul", b"conin$", b"conout$"];
        device.iter().any(|name| stem.eq_ignore_ascii_case(name))
            || numbered(b"com")
            || numbered(b"lpt")
            || component.iter().any(|byte| b":*?\"<>|".contains(byte))
            || (!matches!(component, b"." | b"..") && matches!(component.last(), Some(b'.' | b' ')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_slashes_and_backslashes() {
        assert_eq!(relative(b"/Boot/BCD").unwrap(), b"Boot/BCD");
        assert_eq!(relative(b"\\Boot\\BCD").unwrap(), b"Boot/BCD");
        assert_eq!(relative(b"\\\\//a").unwrap(), b"a");
        assert_eq!(relative(b"a..b").unwrap(), b"a..b");
        assert_eq!(relative(b"%n%s%x").unwrap(), b"%n%s%x");
        assert_eq!(relative(b"caf\xc3\xa9 \xff").unwrap(), b"caf\xc3\xa9 \xff");
    }

    #[test]
    fn empty_and_control_bytes_are_refused() {
        for name in [&b""[..], b"/", b"\\", b"///", b"a\0b", b"a\nb", b"\x1b[31m", b"a\x7f"] {
            assert!(matches!(relative(name), Err(StorageError::InvalidName(_))), "{name:?}");
            assert!(matches!(canonical(name), Err(StorageError::InvalidName(_))), "{name:?}");
        }
    }

    #[test]
    fn one_canonical_spelling() {
        for name in [&b"a/b"[..], b"/a/b", b"./a/./b", b"a//b", b"\\a\\b"] {
            assert_eq!(canonical(name).unwrap(), b"a/b", "{name:?}");
        }
        assert_eq!(canonical(b"a..b/...").unwrap(), b"a..b/...");
        for name in [&b".."[..], b"../a", b"a/../b", b"a/..", b"..\\a", b"a/", b".", b"a/.", b"./"] {
            assert!(matches!(canonical(name), Err(StorageError::InvalidName(_))), "{name:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_fold_to_one() {
        assert_eq!(fold(b"Boot/BCD.Log"), b"boot/bcd.log");
        assert_eq!(fold("GRÖẞE".as_bytes()), "größe".as_bytes());
        assert_eq!(fold(b"\xffA\xc4"), b"\xffa\xc4", "not UTF-8");
    }

    #[test]
    fn the_reserved_prefix_in_any_part_and_case() {
        assert!(is_reserved(b".tftp-upload-1"));
        assert!(is_reserved(b"a/.tftp-upload-1"));
        assert!(is_reserved(b".TFTP-Upload-/a"));
        assert!(!is_reserved(b".tftp-upload"));
        assert!(!is_reserved(b"x.tftp-upload-1"));
    }

    #[test]
    fn what_windows_takes_for_something_else() {
        for name in
            [&b"con"[..], b"AUX.txt", b"a/nul", b"com1", b"LPT9.log", b"com\xc2\xb9", b"c:/a", b"a:b", b"a.", b"a /b"]
        {
            assert!(is_special_on_windows(name), "{name:?}");
        }
        for name in [&b"console"[..], b"auxiliary", b"a/b.c", b"company", b"..", b"."] {
            assert!(!is_special_on_windows(name), "{name:?}");
        }
    }
}
