//! A server on a store, its clients, and a look behind it.

use std::process::{Child, Command};
use std::time::Duration;

use futures_lite::future::block_on;
use tftp_object_store::ObjectStorage;
use tftp_tokio::storage::WritePolicy;

use super::stand::{Place, Proxy, Request, Weed};
use super::support::{self, Ended, Server};

pub(crate) const PART: usize = 5 << 20;

/// Blocks that carry a few megabytes in no time.
const FAST: [&str; 5] = ["--block-size", "8192", "--window-size", "16", "--no-progress"];

/// `serve` on a place, with what the environment must say of it.
pub(crate) fn command(place: &Place, args: &[&str]) -> Command {
    let mut all = vec!["serve", &*place.url, "--listen", "127.0.0.1:0"];
    all.extend_from_slice(args);
    let mut command = support::command(&all);
    for (key, value) in &place.options {
        command.env(key.to_ascii_uppercase(), value);
    }
    command
}

pub(crate) fn serve(place: &Place, args: &[&str]) -> Server {
    Server::spawn(&mut command(place, args))
}

/// An upload that runs.
pub(crate) fn start_put(server: &Server, name: &str) -> Child {
    let host = server.host();
    let mut put = support::command(&[&["put"], &FAST[..], &["-", &host, name]].concat());
    put.stdin(std::process::Stdio::piped()).spawn().unwrap()
}

pub(crate) fn put(server: &Server, name: &str, content: &[u8]) -> Ended {
    support::finish(start_put(server, name), content)
}

/// A download that runs.
pub(crate) fn start_get(server: &Server, name: &str) -> Child {
    support::command(&[&["get"], &FAST[..], &[&server.host(), name, "-o", "-"]].concat()).spawn().unwrap()
}

pub(crate) fn get(server: &Server, name: &str) -> Ended {
    support::finish(start_get(server, name), b"")
}

/// What was left of uploads: objects, and uploads that were begun. It is gone then.
pub(crate) fn leftovers(weed: &Weed) -> (usize, usize) {
    let place = weed.place();
    let builder = place
        .options
        .iter()
        .fold(ObjectStorage::builder(place.url.clone()), |builder, (key, value)| builder.option(key, value));
    // A server that takes everything for too old says how much there was.
    let builder = builder.write_policy(WritePolicy::ANY).leftovers_after(Duration::ZERO);
    let removed = block_on(async { builder.open().await.unwrap().removed_leftovers().await }).unwrap();
    assert_eq!(removed.failed, 0);
    (removed.objects, removed.uploads)
}

/// Stages of uploads, as they are seen on the wire: what it is, the size of the file, and its request.
pub(crate) type Stage = (&'static str, usize, fn(&Request) -> bool);

pub(crate) const STAGES: [Stage; 7] = [
    ("putting a small file", 5000, |request| request.method == "PUT" && request.creates && !request.copies),
    ("beginning", PART + 9, |request| request.method == "POST" && request.target.contains("?uploads")),
    ("the first part", PART + 9, |request| request.target.contains("partNumber=1")),
    ("the last part", PART + 9, |request| request.target.contains("partNumber=2")),
    ("completing", PART + 9, |request| request.method == "POST" && request.target.contains("uploadId=")),
    ("copying", PART + 9, |request| request.copies),
    ("removing the temporary object", PART + 9, |request| request.method == "DELETE"),
];

/// A store behind a proxy, and a server on that.
pub(crate) struct Behind {
    pub(crate) weed: Weed,
    pub(crate) proxy: Proxy,
    pub(crate) server: Server,
}

impl Behind {
    pub(crate) fn start(args: &[&str]) -> Option<Self> {
        let weed = Weed::start()?;
        let proxy = Proxy::start(weed.address());
        let server = serve(&weed.place().through(&proxy), args);
        Some(Self { weed, proxy, server })
    }
}
