//! What every storage must honour.

use std::sync::Arc;

use futures_lite::future::block_on;
use tftp_driver::storage::{Context, conformance};
use tftp_object_store::ObjectStorage;
use tftp_object_store::object_store::memory::InMemory;

use super::support::{Watched, open, pattern};

#[test]
fn uploads_and_downloads_conform() {
    for cache in [0, 4 << 20, 256 << 20] {
        let make = |policy| {
            let builder = ObjectStorage::builder_with(Arc::new(InMemory::new()), "some/prefix");
            open(builder.write_policy(policy).cache_bytes(cache))
        };
        block_on(conformance::writable(make, &Context::inline())).unwrap();
    }
}

#[test]
fn large_objects_read_exactly() {
    let content = pattern(1, (3 << 20) + 12_345);
    for (cache, buffers) in [(0, 128 << 20), (256 << 20, 128 << 20), (2 << 20, 1 << 20), (0, 0)] {
        let store = Watched::default();
        store.insert("pre/fix/large", content.clone());
        let storage = open(store.storage().cache_bytes(cache).read_buffer_bytes(buffers));
        block_on(async {
            let cx = Context::inline();
            conformance::readable(storage.clone(), "large", &content, &cx).await.unwrap();
            conformance::read_only(storage.clone(), "large", &cx).await.unwrap();
            conformance::attack(storage, "large", &cx).await.unwrap();
        });
    }
}
