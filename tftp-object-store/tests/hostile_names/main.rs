//! Path attacks against object stores, and through every layer over them: whatever a name is made of, nothing outside the
//! prefix is read or changed, and no upload in progress.
//!
//! Requests are real ones, over HTTP, so that what becomes of a name in a URL and in a store is tested, too.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers are not marked as tests")]

#[path = "../stand/inside.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod inside;
#[path = "../../../tftp-driver/tests/hostile_names/layers.rs"]
mod layers;
#[path = "../../../tftp-driver/tests/hostile_names/names.rs"]
mod names;
#[path = "../stand/mod.rs"]
mod stand;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_lite::future::block_on;
use futures_util::TryStreamExt as _;
use proptest::prelude::*;
use tftp_driver::storage::{
    BoxStorage, Context, Owner, ReadRequest, Reader as _, Storage, StorageError, WritePolicy, WriteRequest,
    Writer as _, conformance,
};
use tftp_object_store::object_store::memory::InMemory;
use tftp_object_store::object_store::path::Path;
use tftp_object_store::object_store::{ObjectStore, ObjectStoreExt as _};
use tftp_object_store::{ObjectStorage, ObjectStorageBuilder};

use inside::Inside;
use stand::{Azurite, Place, Weed};

/// What is served. Nothing else of the store is.
const ROOT: &str = "home/root";
/// What lies around it, in directories above and beside it, and where a prefix without its slash would lead.
const SECRETS: [&str; 5] =
    ["outside", "home/outside", "home/outside-dir/file", "home/root-sibling/file", "home/rootfile"];
const SECRET: &[u8] = b"the secret outside";
/// An upload of another server.
const IN_PROGRESS: &str = "home/root/.tftp-upload-tmp/token";

fn read(storage: &impl Storage, name: &[u8]) -> Result<Bytes, StorageError> {
    let peer = SocketAddr::from(([192, 0, 2, 1], 2000));
    block_on(async {
        let mut reader = storage.open_read(&ReadRequest::new(name, peer), &Context::inline()).await?;
        reader.read_at(0, 1000).await
    })
}

fn write(storage: &impl Storage, name: &[u8], content: &'static [u8]) -> Result<(), StorageError> {
    let peer = SocketAddr::from(([192, 0, 2, 1], 2000));
    block_on(async {
        let request = WriteRequest::new(name, peer, Owner(1));
        let mut writer = storage.open_write(&request, &Context::inline()).await?;
        writer.write_at(0, Bytes::from_static(content)).await?;
        writer.commit().await
    })
}

fn attack(what: &str, storage: &BoxStorage, name: &[u8]) {
    if let Ok(content) = read(storage, name) {
        let leaks = content.windows(SECRET.len()).any(|part| part == SECRET);
        assert!(!leaks, "{what} with {}", name.escape_ascii());
    }
    let _ = write(storage, name, b"changed");
}

/// The storage by itself, and beneath every layer.
fn all(storage: &ObjectStorage) -> Vec<(&'static str, BoxStorage)> {
    let mut all = layers::layers(storage);
    all.push(("itself", BoxStorage::new(storage.clone())));
    all
}

fn known_names() -> Vec<Vec<u8>> {
    let mut names = names::attacks("/home/outside");
    for name in [
        "../rootfile",
        "../../outside",
        ".tftp-upload-tmp/token",
        "/.TFTP-upload-tmp/token",
        "%2etftp-upload-tmp/token",
    ] {
        names.push(name.as_bytes().to_vec());
    }
    names
}

/// A store, and how it is opened beneath a prefix.
fn survives(at: impl Fn(&str) -> ObjectStorageBuilder) {
    let open = |prefix: &str| {
        let builder = at(prefix).write_policy(WritePolicy::ANY);
        block_on(builder.open()).unwrap()
    };
    let everything = open("");
    for secret in SECRETS {
        write(&everything, secret.as_bytes(), SECRET).unwrap();
    }
    let served = open(ROOT);
    write(&served, b"file", b"public").unwrap();
    block_on(conformance::attack(served.clone(), "file", &Context::inline())).unwrap();
    for (what, storage) in all(&served).iter().filter(|(what, _)| matches!(*what, "itself" | "all" | "NameRules")) {
        for name in known_names() {
            attack(what, storage, &name);
        }
    }
    let anew = open("");
    for secret in SECRETS {
        assert_eq!(read(&anew, secret.as_bytes()).unwrap(), SECRET, "{secret}");
    }
}

fn at(place: &Place, prefix: &str) -> ObjectStorageBuilder {
    let place = if prefix.is_empty() { place.clone() } else { place.beneath(prefix) };
    place.options.iter().fold(ObjectStorage::builder(place.url), |builder, (key, value)| builder.option(key, value))
}

#[test]
fn an_s3_server_in_this_process() {
    let store = Inside::start();
    survives(|prefix| at(&store.place(), prefix));
}

#[test]
fn seaweedfs() {
    let Some(store) = Weed::start() else { return };
    survives(|prefix| at(&store.place(), prefix));
}

#[test]
fn azurite() {
    let Some(store) = Azurite::start() else { return };
    survives(|prefix| at(&store.place(), prefix));
}

#[test]
fn an_http_origin() {
    let Some(store) = Weed::start() else { return };
    let bucket = block_on(at(&store.place(), "").write_policy(WritePolicy::ANY).open()).unwrap();
    for secret in SECRETS {
        write(&bucket, secret.as_bytes(), SECRET).unwrap();
    }
    write(&bucket, b"home/root/file", b"public").unwrap();
    let origin = ObjectStorage::builder(format!("{}/{ROOT}", store.web()));
    let origin = block_on(origin.option("allow_http", "true").open()).unwrap();
    assert_eq!(read(&origin, b"file").unwrap(), b"public"[..]);
    block_on(conformance::read_only(origin.clone(), "file", &Context::inline())).unwrap();
    block_on(conformance::attack(origin.clone(), "file", &Context::inline())).unwrap();
    for (what, storage) in all(&origin) {
        for name in known_names() {
            attack(what, &storage, &name);
        }
    }
    for secret in SECRETS {
        assert_eq!(read(&bucket, secret.as_bytes()).unwrap(), SECRET, "{secret}");
    }
}

/// A store in memory, of which every key can be looked at.
struct Keys {
    store: Arc<InMemory>,
    served: ObjectStorage,
}

impl Keys {
    fn new() -> Self {
        let store = Arc::new(InMemory::new());
        for secret in SECRETS.into_iter().chain([IN_PROGRESS]) {
            block_on(store.put(&Path::parse(secret).unwrap(), SECRET.into())).unwrap();
        }
        let builder = ObjectStorage::builder_with(store.clone(), ROOT).write_policy(WritePolicy::ANY);
        Self { served: block_on(builder.open()).unwrap(), store }
    }

    #[track_caller]
    fn assert_untouched(&self, what: &str, name: &[u8]) {
        let what = format!("{what} with {}", name.escape_ascii());
        let all: Vec<_> = block_on(self.store.list(None).try_collect()).unwrap();
        let mut around: Vec<_> = all.into_iter().map(|meta| meta.location.to_string()).collect();
        around.retain(|key| !key.starts_with("home/root/") || key.starts_with("home/root/.tftp-upload-tmp/"));
        let mut expected = [&SECRETS[..], &[IN_PROGRESS]].concat();
        around.sort_unstable();
        expected.sort_unstable();
        assert_eq!(around, expected, "{what}");
        for secret in expected {
            let kept = block_on(async { self.store.get(&Path::parse(secret).unwrap()).await.unwrap().bytes().await });
            assert_eq!(kept.unwrap(), SECRET, "{what}: {secret}");
        }
    }
}

#[test]
fn every_layer_over_a_store() {
    let keys = Keys::new();
    for (what, storage) in all(&keys.served) {
        for name in known_names() {
            attack(what, &storage, &name);
            keys.assert_untouched(what, &name);
        }
    }
}

#[test]
fn any_name_through_every_layer() {
    let keys = Keys::new();
    let all = all(&keys.served);
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(name in names::any_name())| {
        for (what, storage) in &all {
            attack(what, storage, &name);
            keys.assert_untouched(what, &name);
        }
    });
}
