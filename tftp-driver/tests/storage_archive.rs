//! The example of a back end of one's own: files of a tar archive.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not tests to clippy.

use std::fs::{self, File};
use std::path::Path;

use futures_lite::future::block_on;
use tar::{Builder, EntryType, Header};
use tftp_driver::storage::layers::{Fallback, NameRequest, Quota, Renamed};
use tftp_driver::storage::names::canonical;
use tftp_driver::storage::{Context, Memory, ReadRequest, Reader, Storage, StorageError, WritePolicy, conformance};

#[path = "../examples/support/archive.rs"]
mod archive;

use archive::Archive;

const SECRET: &[u8] = b"the secret outside";

fn content() -> Vec<u8> {
    (0..300_001).map(|i| (i % 251) as u8 ^ (i / 251 % 256) as u8).collect()
}

/// Puts an entry in by its raw name, whatever that is.
fn append(builder: &mut Builder<File>, kind: EntryType, name: &[u8], link: &[u8], content: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

/// An archive of honest and of hostile entries.
fn make(path: &Path) {
    let mut builder = Builder::new(File::create(path).unwrap());
    let file = |builder: &mut _, name: &[u8], content: &[u8]| append(builder, EntryType::Regular, name, b"", content);
    file(&mut builder, b"twice", b"the first");
    file(&mut builder, b"./boot/large", &content());
    file(&mut builder, b"empty", b"");
    file(&mut builder, b"../outside", SECRET);
    file(&mut builder, b"/absolute", b"at the root");
    file(&mut builder, b"a/../../outside", SECRET);
    append(&mut builder, EntryType::Directory, b"boot/", b"", b"");
    append(&mut builder, EntryType::Symlink, b"link", b"/etc/passwd", b"");
    append(&mut builder, EntryType::Link, b"hard", b"../outside", b"");
    append(&mut builder, EntryType::Fifo, b"fifo", b"", b"");
    append(&mut builder, EntryType::Char, b"null", b"", b"");
    file(&mut builder, b"twice", b"the second");
    let long = format!("{}/name", "long".repeat(60));
    let mut header = Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, long, &b"long"[..]).unwrap();
    builder.finish().unwrap();
}

fn opened() -> (tempfile::TempDir, Archive) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("boot.tar");
    make(&path);
    let archive = Archive::open(&path).unwrap();
    (home, archive)
}

fn get(archive: &impl Storage, name: &str) -> Result<Vec<u8>, StorageError> {
    let (cx, peer) = (Context::inline(), ([192, 0, 2, 1], 2000).into());
    block_on(async {
        let mut reader = archive.open_read(&ReadRequest::new(name, peer), &cx).await?;
        Ok(reader.read_at(0, 1 << 20).await?.to_vec())
    })
}

#[test]
fn an_archive_conforms() {
    let pool = Context::new(|work| drop(std::thread::spawn(work)));
    for cx in [Context::inline(), pool] {
        let archive = std::sync::Arc::new(opened().1);
        block_on(async {
            conformance::readable(archive.clone(), "boot/large", &content(), &cx).await.unwrap();
            conformance::readable(archive.clone(), "empty", b"", &cx).await.unwrap();
            conformance::read_only(archive.clone(), "boot/large", &cx).await.unwrap();
            conformance::attack(archive.clone(), "boot/large", &cx).await.unwrap();
            conformance::attack(archive, "twice", &cx).await.unwrap();
        });
    }
}

#[test]
fn files_are_found_and_nothing_else() {
    let (_home, archive) = opened();
    let text = |name: &str| get(&archive, name).map(|content| String::from_utf8(content).unwrap());
    assert_eq!(text("twice").unwrap(), "the second");
    assert_eq!(text("absolute").unwrap(), "at the root");
    assert_eq!(text(&format!("{}/name", "long".repeat(60))).unwrap(), "long");
    assert_eq!(get(&archive, "\\boot\\large").unwrap(), content());
    for name in
        ["outside", "../outside", "a/../../outside", "link", "hard", "fifo", "null", "boot", "boot/", "etc/passwd"]
    {
        assert!(text(name).is_err(), "{name}");
    }
}

#[test]
fn an_archive_that_is_cut_off_is_refused_or_an_error_never_other_content() {
    let (home, archive) = opened();
    let path = home.path().join("boot.tar");
    File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    assert!(Archive::open(&path).is_err());
    assert!(matches!(get(&archive, "boot/large"), Err(StorageError::Changed)));
    fs::write(&path, "no archive").unwrap();
    assert!(Archive::open(&path).is_err());
}

#[test]
fn layers_go_over_it_as_over_any_other() {
    let (_home, archive) = opened();
    let uploads = Memory::builder().write_policy(WritePolicy::CREATE).build();
    let usage = uploads.usage();
    let files = Fallback::new(Quota::new(uploads, usage).max_files(1), archive);
    assert_eq!(get(&files, "twice").unwrap(), b"the second");
    block_on(conformance::readable(files, "boot/large", &content(), &Context::inline())).unwrap();
}

#[test]
fn what_a_layer_keeps_back_is_not_got_by_another_spelling() {
    let (_home, archive) = opened();
    let guarded = Renamed::new(archive, |request: &NameRequest<'_>| {
        // The name as all back ends understand it: a client spells it as it likes.
        let name = canonical(request.name)?;
        match name.starts_with(b"boot/") {
            true => Err(StorageError::AccessDenied("kept back".into())),
            false => Ok(name),
        }
    });
    for name in ["boot/large", "/boot/large", "./boot/large", "boot//large", "\\boot\\large", "boot/./large"] {
        assert!(matches!(get(&guarded, name), Err(StorageError::AccessDenied(_))), "{name}");
    }
    assert!(get(&guarded, "empty/../boot/large").is_err());
    assert_eq!(get(&guarded, "/twice").unwrap(), b"the second");
}

#[test]
fn the_guide_shows_what_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Not there where the crate was unpacked alone.
    let Ok(guide) = fs::read_to_string(here.join("../docs/storage.md")) else { return };
    let sources = [include_str!("../examples/support/archive.rs"), include_str!("storage_archive.rs")];
    let mut excerpts = 0;
    for excerpt in guide.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        assert!(sources.iter().any(|source| source.contains(excerpt)), "no longer so:\n{excerpt}");
        excerpts += 1;
    }
    assert!(excerpts >= 4, "{excerpts}");
}
