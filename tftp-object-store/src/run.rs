//! Names for what this run of the server has in the store for a while.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::OpenError;

/// The longest name of a server, in bytes.
const MAX_INSTANCE: usize = 64;

/// What stands for a server without a name.
const NAMELESS: &str = "0";

/// One run of one server.
#[derive(Debug)]
pub(crate) struct Run {
    /// The server, if it has a name of its own.
    instance: String,
    /// Random.
    run: String,
    next: AtomicU64,
}

/// Whose temporary key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Of this run: alive.
    ThisRun,
    /// Of an earlier run of this server: nobody needs it any more.
    EarlierRun,
    /// Of another server, or of one that has no name.
    Another,
}

impl Run {
    pub(crate) fn new(instance: Option<&str>) -> Result<Self, OpenError> {
        let instance = instance.unwrap_or(NAMELESS);
        let is_word = !instance.is_empty() && instance.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        if !is_word || instance.len() > MAX_INSTANCE {
            let reason = format!("the server's name must be 1 to {MAX_INSTANCE} letters, digits, '-' and '_'");
            return Err(OpenError::Configuration(reason));
        }
        // The standard library's seeds are random enough to tell runs apart.
        let run = RandomState::new().hash_one(std::process::id());
        Ok(Self { instance: instance.to_owned(), run: format!("{run:016x}"), next: AtomicU64::new(0) })
    }

    /// A name that nobody has had.
    pub(crate) fn token(&self) -> String {
        format!("{}.{}.{}", self.instance, self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn origin(&self, token: &str) -> Origin {
        let mut parts = token.split('.');
        match (parts.next(), parts.next()) {
            (Some(instance), Some(run)) if instance == self.instance && run == self.run => Origin::ThisRun,
            (Some(instance), Some(_)) if instance == self.instance && instance != NAMELESS => Origin::EarlierRun,
            _ => Origin::Another,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_knows_its_own() {
        let run = |instance| Run::new(instance).unwrap();
        let (first, second, other, nameless) = (run(Some("a")), run(Some("a")), run(Some("b")), run(None));
        let token = first.token();
        assert_ne!(token, first.token());
        assert_eq!(first.origin(&token), Origin::ThisRun);
        assert_eq!(second.origin(&token), Origin::EarlierRun);
        assert_eq!(other.origin(&token), Origin::Another);
        assert_eq!(nameless.origin(&token), Origin::Another);
        let token = nameless.token();
        assert_eq!(nameless.origin(&token), Origin::ThisRun);
        assert_eq!(run(None).origin(&token), Origin::Another, "it may be anybody's");
        assert_eq!(first.origin("garbage"), Origin::Another);
        assert_eq!(first.origin("a"), Origin::Another);
    }

    #[test]
    fn names_are_words() {
        for wrong in ["", "a.b", "a/b", "é", " ", &"a".repeat(65)] {
            assert!(Run::new(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(Run::new(Some("Rack-7_b")).is_ok());
    }
}
