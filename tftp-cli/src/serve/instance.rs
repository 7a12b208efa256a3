//! A name by which a server knows what an earlier run of it left in an object store.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Listen;

/// So much of the hash is the name, in bytes.
const LEN: usize = 8;

/// The same for every run of this server, and for no other: made of the machine, its name, the store and the addresses.
/// `None` where machines cannot be told apart; then only age tells what is left over.
pub(super) fn default(store: &str, listen: &[Listen]) -> Option<String> {
    let machine = machine()?;
    let host = host()?;
    let listen: Vec<_> = listen.iter().map(|listen| format!("{listen:?}")).collect();
    Some(hash(&[&machine, &host, store, &listen.join(" ")]))
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().iter().take(LEN).fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// The system's own identifier.
fn machine() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).ok();
    let id = read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id"))?;
    let id = id.trim();
    (id.len() >= 16).then(|| id.to_owned())
}

#[cfg(unix)]
fn host() -> Option<String> {
    nix::unistd::gethostname().ok()?.into_string().ok()
}

#[cfg(not(unix))]
fn host() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_makes_another_name() {
        let name = hash(&["a", "b"]);
        assert_eq!(name, hash(&["a", "b"]));
        assert_eq!(name.len(), 2 * LEN);
        for other in [&["a", "c"][..], &["ab", ""], &["", "ab"], &["a", "b", ""]] {
            assert_ne!(name, hash(other), "{other:?}");
        }
    }
}
