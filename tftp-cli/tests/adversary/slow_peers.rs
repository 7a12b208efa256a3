//! Clients that do just enough not to be given up.

use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::tempdir;

use crate::memory;
use crate::support::{Client, Ports, Serve, content, same};
use crate::transfers::{Download, Upload, download, upload};

/// So many readers, and as many writers.
const SLOW: usize = 300;

/// Hundreds say one packet each now and then; whoever wants to be done is done.
#[test]
fn hundreds_of_slow_transfers_hold_up_nobody() {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = content(1, 100_000);
    std::fs::write(root.path().join("file"), &bytes).unwrap();
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let mut readers: Vec<_> = (0..SLOW).map(|_| Download::start(server.address(), "file")).collect();
    let mut writers: Vec<_> =
        (0..SLOW).map(|index| Upload::start(server.address(), &format!("slow-{index}"), &bytes).unwrap()).collect();
    for round in 0..3 {
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for index in 0..4 {
                let (done, bytes, address) = (&done, &bytes, server.address());
                scope.spawn(move || {
                    assert!(download(address, "file").unwrap() == *bytes);
                    upload(address, &format!("quick-{round}-{index}"), &bytes[..50_000]).unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(done.into_inner(), 4);
        Client::OURS.download(server.address(), "file", &here.path().join("file"));
        same(&here.path().join("file"), &bytes).unwrap();
        // One word of each, and they are still there.
        for reader in &mut readers {
            reader.step().unwrap();
        }
        writers = writers.into_iter().map(|writer| writer.steps(1)).collect();
    }
    assert!(memory::peak(server.id()) < 100 << 10, "{} KiB", memory::peak(server.id()));
    for (index, reader) in readers.into_iter().enumerate().take(5) {
        assert!(reader.finish().unwrap() == bytes, "{index}");
    }
    writers.remove(7).finish().unwrap();
    same(&root.path().join("slow-7"), &bytes).unwrap();
    assert!(!root.path().join("slow-8").exists());
}
