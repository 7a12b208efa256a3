//! Real stores, started and stopped by the tests, and a proxy that gets in their way.
//!
//! Each store runs on a loopback address of its own, where every port is free.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

mod azurite;
mod process;
mod proxy;
mod rclone;
mod weed;

pub(crate) use azurite::Azurite;
pub(crate) use proxy::{Proxy, Request, Verdict};
pub(crate) use rclone::Rclone;
pub(crate) use weed::{Weed, secret};

use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// When something is taken for hung. Far above what anything here needs on a busy machine.
const HUNG: Duration = Duration::from_secs(120);

/// Where a store is, and what its client must know: names and values as in the environment, in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) options: Vec<(String, String)>,
}

impl Place {
    pub(crate) fn new(url: impl Into<String>, options: &[(&str, &str)]) -> Self {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { url: url.into(), options }
    }

    /// Another prefix in the same place.
    pub(crate) fn beneath(&self, prefix: &str) -> Self {
        Self { url: format!("{}/{prefix}", self.url), ..self.clone() }
    }

    /// The same place, as it is reached through a proxy.
    pub(crate) fn through(&self, proxy: &Proxy) -> Self {
        let address = proxy.address().to_string();
        let mut place = self.clone();
        for (key, value) in &mut place.options {
            if key.contains("endpoint") {
                *value = value.replace(&proxy.upstream().to_string(), &address);
            }
        }
        place
    }
}

/// A loopback address of one's own: any port on it is free, also one that is fixed.
pub(crate) fn unique_loopback() -> IpAddr {
    let random = RandomState::new().hash_one(std::process::id());
    let [a, b, c, ..] = random.to_le_bytes();
    IpAddr::V4(Ipv4Addr::new(127, a | 0x80, b, c.clamp(1, 254)))
}

/// Where a program is installed; `None` skips the caller's test, and fails it where nothing may be skipped.
pub(crate) fn installed(program: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file());
    if found.is_none() {
        skip(&format!("{program} ({package}) is not installed"));
    }
    found
}

/// Says why a test does not run. With `CI=true` that is a failure.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} must not be skipped: {reason}");
    // Not eprintln!, which the test runner hides for tests that pass.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
}

/// Waits until `condition` gives something; fails when that takes suspiciously long.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < HUNG, "{what}: not within {HUNG:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The status of `GET path`, if something listens and answers.
fn answers(address: SocketAddr, path: &str) -> Option<u16> {
    status(address, "GET", path, "")
}

/// The status of a request.
fn status(address: SocketAddr, method: &str, target: &str, body: &str) -> Option<u16> {
    use std::io::Read as _;

    let target = target.strip_prefix(&format!("http://{address}")).unwrap_or(target);
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let fields = format!("Connection: close\r\nContent-Length: {}", body.len());
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n\r\n{body}").ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
}
