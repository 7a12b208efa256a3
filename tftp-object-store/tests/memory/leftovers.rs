//! What killed servers leave, and who removes it.

use std::time::Duration;

use futures_lite::future::block_on;
use tftp_driver::storage::{WritePolicy, Writer};

use super::support::{Op, Watched, open, pattern, wait_until, write, writer};

const PART: usize = 5 << 20;

fn named(store: &Watched, name: &str, age: Duration) -> tftp_object_store::ObjectStorage {
    open(store.storage().write_policy(WritePolicy::ANY).instance(name).leftovers_after(age))
}

/// A temporary object as a server leaves it that is killed between completing and copying.
fn kill_in_mid_commit(store: &Watched, name: &str) {
    let storage = named(store, name, Duration::MAX);
    let mut upload = writer(&storage, "file").unwrap();
    write(&mut upload, 0, &pattern(1, PART + 1)).unwrap();
    store.hold(Some(Op::Copy));
    let copies = store.count(Op::Copy);
    let mut commit = Box::pin(upload.commit());
    assert!(block_on(futures_lite::future::poll_once(&mut commit)).is_none());
    wait_until("the copy", || store.count(Op::Copy) > copies);
    // The task waits for ever, as if it were dead.
    std::mem::forget(storage);
    assert_eq!(store.keys().len(), 1, "{:?}", store.keys());
}

#[test]
fn of_its_own_earlier_runs_everything_goes_at_once() {
    let store = Watched::default();
    kill_in_mid_commit(&store, "rack-7");
    let removed = block_on(named(&store, "rack-7", Duration::MAX).removed_leftovers()).unwrap();
    assert_eq!((removed.objects, removed.failed), (1, 0));
    assert_eq!(store.keys(), [""; 0]);
}

#[test]
fn what_others_have_is_left_alone_until_it_is_old() {
    let store = Watched::default();
    kill_in_mid_commit(&store, "rack-7");
    for name in ["rack-8", "rack"] {
        assert_eq!(block_on(named(&store, name, Duration::from_secs(3600)).removed_leftovers()).unwrap().objects, 0);
    }
    assert_eq!(store.keys().len(), 1);
    assert_eq!(block_on(named(&store, "rack-8", Duration::ZERO).removed_leftovers()).unwrap().objects, 1);
    assert_eq!(store.keys(), [""; 0]);
}

#[test]
fn readers_remove_nothing_and_nothing_but_leftovers_is_removed() {
    let store = Watched::default();
    store.insert("pre/fix/.tftp-upload-tmp/other.run.0", "x");
    store.insert("pre/fix/.tftp-upload-tmp-not/other.run.0", "x");
    store.insert("pre/.tftp-upload-tmp/other.run.0", "x");
    store.insert("pre/fix/file", "x");
    assert_eq!(block_on(open(store.storage()).removed_leftovers()).unwrap().objects, 0);
    assert_eq!(block_on(named(&store, "a", Duration::ZERO).removed_leftovers()).unwrap().objects, 1);
    assert_eq!(
        store.keys(),
        ["pre/.tftp-upload-tmp/other.run.0", "pre/fix/.tftp-upload-tmp-not/other.run.0", "pre/fix/file"]
    );
}
