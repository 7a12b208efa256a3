//! What the fuzzer of file names does with its input. It needs a storage, and so stands here and not with the others.

mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use futures_lite::future::block_on;
use tempfile::TempDir;
use tftp_driver::storage::names::{canonical, is_reserved};
use tftp_driver::storage::{
    Context, Directory, Memory, Owner, ReadRequest, Reader, Storage, WritePolicy, WriteRequest, Writer,
};

/// Names, separated by NULs, of which the first byte of each says whether it is read or written.
///
/// A read must give exactly the file that a second, plain resolution of the name finds beneath the root, or fail where
/// that finds none. A write must leave everything outside as it was, and its name must give what was written. What
/// `canonical` spells has no part that leads anywhere else, and finds in memory what it finds in the tree.
///
/// # Panics
///
/// If a rule is broken.
pub(crate) fn path(input: &[u8]) {
    static PLACE: OnceLock<Mutex<Place>> = OnceLock::new();
    let place = PLACE.get_or_init(|| Mutex::new(Place::new()));
    let place = place.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for part in input.split(|byte| *byte == 0).take(20) {
        let Some((kind, name)) = part.split_first() else { continue };
        check_spelling(name);
        place.check_memory(name);
        if kind & 7 == 7 { place.write(name) } else { place.read(name) }
    }
}

/// A root with files and links in it, and secrets around it. Made once.
struct Place {
    home: TempDir,
    directory: Directory,
    memory: Memory,
    cx: Context,
}

impl Place {
    fn new() -> Self {
        // In memory where there is such a place: every write is synced.
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory");
        for directory in ["root", "away"] {
            fs::create_dir(home.path().join(directory)).expect("a directory");
        }
        for secret in ["outside", "file", "away/file"] {
            fs::write(home.path().join(secret), tree::SECRET).expect("a secret");
        }
        let root = home.path().join("root");
        tree::plant(&root, home.path());
        let directory = Directory::builder(root).write_policy(WritePolicy::ANY).open().expect("the root");
        let memory = Memory::new();
        for (name, content) in tree::FILES {
            memory.insert(*name, *content).expect("room");
        }
        Self { home, directory, memory, cx: Context::new(|work| work()) }
    }

    fn read(&self, name: &[u8]) {
        assert_eq!(self.content(name).as_deref(), tree::find(name), "{}", name.escape_ascii());
    }

    fn content(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut reader = block_on(self.directory.open_read(&request(name), &self.cx)).ok()?;
        Some(block_on(reader.read_at(0, 100)).expect("a file that is open can be read").to_vec())
    }

    fn write(&self, name: &[u8]) {
        let ReadRequest { name: wanted, peer, .. } = request(name);
        let request = WriteRequest::new(wanted, peer, Owner(1));
        let Ok(mut writer) = block_on(self.directory.open_write(&request, &self.cx)) else { return };
        block_on(writer.write_at(0, b"written"[..].into())).expect("a write");
        let committed = block_on(writer.commit()).is_ok();
        for secret in ["outside", "file", "away/file"] {
            let found = fs::read(self.home.path().join(secret)).ok();
            assert_eq!(found.as_deref(), Some(tree::SECRET), "{} wrote outside", name.escape_ascii());
        }
        let around = entries(self.home.path()) + entries(&self.home.path().join("away"));
        assert_eq!(around, 5, "{} made something outside", name.escape_ascii());
        if committed {
            assert_eq!(self.content(name).as_deref(), Some(&b"written"[..]), "{}", name.escape_ascii());
        }
        let root = self.home.path().join("root");
        tree::clear(&root);
        tree::plant(&root, self.home.path());
    }

    fn check_memory(&self, name: &[u8]) {
        let found = block_on(self.memory.open_read(&request(name), &self.cx));
        let content =
            found.ok().map(|mut reader| block_on(reader.read_at(0, 100)).expect("memory can be read").to_vec());
        let spelled = canonical(name).ok();
        let expected = spelled.and_then(|name| {
            let file = tree::FILES.iter().find(|(known, _)| known.as_bytes() == name)?;
            Some(file.1)
        });
        assert_eq!(content.as_deref(), expected, "{} in memory", name.escape_ascii());
    }
}

/// What `canonical` gives can be put behind a prefix and does not lead out of it.
fn check_spelling(name: &[u8]) {
    let Ok(spelled) = canonical(name) else { return };
    for part in spelled.split(|byte| *byte == b'/') {
        assert!(!matches!(part, b"" | b"." | b".."), "{} became {}", name.escape_ascii(), spelled.escape_ascii());
    }
    assert!(!spelled.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\'), "{}", spelled.escape_ascii());
    assert_eq!(canonical(&spelled).ok().as_ref(), Some(&spelled), "one spelling");
    assert!(!is_reserved(&spelled) || is_reserved(&name.iter().map(slash).collect::<Vec<_>>()));
}

fn slash(byte: &u8) -> u8 {
    if *byte == b'\\' { b'/' } else { *byte }
}

fn request(name: &[u8]) -> ReadRequest {
    ReadRequest::new(name, ([192, 0, 2, 1], 1000).into())
}

fn entries(path: &Path) -> usize {
    let names: Vec<PathBuf> = fs::read_dir(path).expect("a directory").flatten().map(|entry| entry.path()).collect();
    names.len()
}
