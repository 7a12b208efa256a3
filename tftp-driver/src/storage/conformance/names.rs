//! The rules of names: those that attack, and those that only look so.

use bytes::Bytes;

use super::{Bench, Failure, Storage, StorageError, expect, expect_bytes, expect_error};
use crate::storage::{Owner, ReadRequest, WriteRequest, Writer};

/// A file that is there, by this name, while names attack.
pub(super) const KEPT: &str = "kept";

/// Names that are never those of a file: they lead upwards, hold control bytes, or name nothing or a directory.
/// `file` is the name of one that is there.
fn never(file: &[u8]) -> Vec<Vec<u8>> {
    let around = |before: &str, after: &str| [before.as_bytes(), file, after.as_bytes()].concat();
    let mut names: Vec<Vec<u8>> = [
        "..", "../", "/..", "..\\", "\\..", "./..", "a/../..", "", "/", "\\", "//", ".", "./", "/.", "..\0", "\n", "\0",
    ]
    .map(|name| name.as_bytes().to_vec())
    .into();
    names.extend([
        around("../", ""),
        around("/../", ""),
        around("..\\", ""),
        around("\\..\\", ""),
        around("..//", ""),
        around("./../", ""),
        around("../../../../../../../../", ""),
        around("a/../../", ""),
        around("a\\..\\..\\", ""),
        around("a/b/../../../", ""),
        around("", "/../../etc/passwd"),
        around("", "/"),
        around("", "/."),
        around("", "\\"),
        around("", "\0"),
        around("", "\0.txt"),
        around("\0", ""),
        around("", "\n"),
        around("", "\r\n"),
        around("\t", ""),
        around("\x1b[31m", ""),
        around("", "\x7f"),
        around("../", "\0"),
        [b"../".repeat(2000).as_slice(), file].concat(),
    ]);
    names
}

/// Names of other files than `file`, as long as nobody decodes, translates or cuts them.
fn other(file: &[u8]) -> Vec<Vec<u8>> {
    let around = |before: &[u8], after: &[u8]| [before, file, after].concat();
    vec![
        around(b"%2e%2e/", b""),
        around(b"%2e/", b""),
        around(b"%2f", b""),
        around(b"..%2f", b""),
        around(b"%5c", b""),
        around(b"..%5c", b""),
        around(b"%252e%252e%252f", b""),
        around(b"", b"%00"),
        around(b"", b"%00.txt"),
        around(b"\xc0\xae\xc0\xae/", b""),
        around(b"\xc0\xae/", b""),
        around(b"\xc0\xaf", b""),
        around(b"..\xc0\xaf", b""),
        around(b"\xe0\x80\xaf", b""),
        around(b"", b"\xc0\x80"),
        around("\u{ff0e}\u{ff0e}/".as_bytes(), b""),
        around("\u{2215}".as_bytes(), b""),
        around("\u{200b}".as_bytes(), b""),
        around(b".../", b""),
        around(b"..../", b""),
        around(b"....//", b""),
        around(b"~/", b""),
        around(b"$HOME/", b""),
        around(b"", b"/x"),
        around(b"", b";id"),
        around(b"", b"?x"),
        around(b"", b"#x"),
        around(b"", b"*"),
        around(b"", b"::$DATA"),
        around(b"", b":x"),
        around(b"C:\\", b""),
        around(b"C:/", b""),
        around(b"C:", b""),
        around(b"\\\\host\\share\\", b""),
        around(b"file:///", b""),
        b"/etc/passwd".to_vec(),
        b"//etc/passwd".to_vec(),
        b"\\Windows\\win.ini".to_vec(),
        b"*".to_vec(),
        b"a..b".to_vec(),
        b"...".to_vec(),
        b"..a".to_vec(),
        b"%n%s%x".to_vec(),
        b"`id`".to_vec(),
        b"con".to_vec(),
        b"aux.txt".to_vec(),
        b".tftp-upload-x".to_vec(),
        b".TFTP-upload-x".to_vec(),
        vec![b'a'; 504],
        [b"a/".repeat(1000).as_slice(), file].concat(),
    ]
}

fn refused(error: &StorageError) -> bool {
    matches!(error, StorageError::NotFound | StorageError::AccessDenied(_) | StorageError::InvalidName(_))
}

pub(super) async fn none_is_read<S: Storage>(bench: &Bench<'_, S>, file: &[u8]) -> Result<(), Failure> {
    const NEVER: &str = "a name that leads upwards, names a directory or holds control bytes is never a file";
    const OTHER: &str = "no name is decoded, translated or cut to become that of another file";
    for (rule, names) in [(NEVER, never(file)), (OTHER, other(file))] {
        for name in names {
            let request = ReadRequest::new(&*name, super::peer());
            let result = bench.storage.open_read(&request, bench.cx).await;
            expect_error(rule, &shown("read", &name), result, |error| refused(error) || name.len() > 255)?;
        }
    }
    Ok(())
}

pub(super) async fn none_is_written<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const NEVER: &str = "a name that leads upwards, names a directory or holds control bytes is never written";
    const OTHER: &str = "a strange name is refused, or that of a file of its own";
    expect(NEVER, KEPT, bench.put(KEPT, b"kept", 512).await)?;
    for name in never(KEPT.as_bytes()) {
        let request = WriteRequest::new(&*name, super::peer(), Owner(1));
        let result = bench.storage.open_write(&request, bench.cx).await;
        expect_error(NEVER, &shown("write", &name), result, |error| refused(error) || name.len() > 255)?;
    }
    for name in other(KEPT.as_bytes()) {
        let what = shown("write", &name);
        let request = WriteRequest::new(&*name, super::peer(), Owner(1));
        let Ok(mut writer) = bench.storage.open_write(&request, bench.cx).await else { continue };
        expect(OTHER, &what, writer.write_at(0, Bytes::copy_from_slice(&name)).await)?;
        if writer.commit().await.is_ok() {
            let content = bench.get(&name, 4096).await;
            expect_bytes(OTHER, &what, &expect(OTHER, &what, content)?, &name)?;
        }
        expect_bytes(OTHER, &what, &expect(OTHER, KEPT, bench.get(KEPT, 512).await)?, b"kept")?;
    }
    Ok(())
}

pub(super) async fn dots_are_legal<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "dots and signs within a name are legal";
    for name in ["a..b", "...", "..a", "a.", "%n%s%x", "a b", "caf\u{e9}", "-rf"] {
        match bench.put(name, name.as_bytes(), 512).await {
            // Windows and Azure would drop the last dot.
            Err(StorageError::InvalidName(_)) if name.ends_with('.') => continue,
            result => expect(RULE, name, result)?,
        }
        expect_bytes(RULE, name, &expect(RULE, name, bench.get(name, 512).await)?, name.as_bytes())?;
    }
    Ok(())
}

pub(super) async fn every_part_counts<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "two names are two files, however much of them is the same";
    let long = |end: &str| format!("{}{end}", "long".repeat(45));
    let pairs = [
        ("x/file".to_owned(), "y/file".to_owned()),
        ("x/file".to_owned(), "file".to_owned()),
        ("x/file".to_owned(), "x-file".to_owned()),
        ("a.txt".to_owned(), "a.bin".to_owned()),
        (long("1"), long("2")),
    ];
    for (one, two) in pairs {
        match bench.put(&one, b"one", 512).await {
            // It has no such directory and makes none, or already has what would be one.
            Err(StorageError::NotFound | StorageError::AccessDenied(_)) if one.contains('/') => continue,
            result => expect(RULE, &one, result)?,
        }
        expect(RULE, &two, bench.put(&two, b"two", 512).await)?;
        for (name, content) in [(&one, b"one"), (&two, b"two")] {
            expect_bytes(RULE, name, &expect(RULE, name, bench.get(name, 512).await)?, content)?;
        }
    }
    Ok(())
}

pub(super) async fn one_file_by_every_spelling<S: Storage>(bench: &Bench<'_, S>) -> Result<(), Failure> {
    const RULE: &str = "a name is read however it is spelled";
    expect(RULE, "put", bench.put(KEPT, b"kept", 512).await)?;
    for before in ["/", "//", "\\", "./", "/./", ".\\"] {
        let name = format!("{before}{KEPT}");
        expect_bytes(RULE, &name, &expect(RULE, &name, bench.get(&name, 512).await)?, b"kept")?;
    }
    Ok(())
}

fn shown(what: &str, name: &[u8]) -> String {
    let (head, more) = name.split_at(name.len().min(80));
    format!("{what} \"{}{}\"", head.escape_ascii(), if more.is_empty() { "" } else { "…" })
}
