//! A server with several event loops.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;
use futures_util::future::join_all;
use tftp_driver::runtime::Runtime;
use tftp_driver::server::{Server, TransferPorts};
use tftp_driver::types::{Event, Outcome};

use super::ports::{RRQ, there_and_back};
use super::rig::{LOCALHOST, Rig, memory};

const LOOPS: usize = 3;
/// So many that each loop has some: one in 10¹⁰ runs has a loop without.
const PEERS: usize = 64;

/// Linux spreads peers over loops by their ports.
pub(crate) async fn several_event_loops<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", "short").unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let (first, others) = Server::builder_on(rig.runtime.clone())
        .storage(memory.clone())
        .listen(LOCALHOST.parse().unwrap())
        .transfer_ports(TransferPorts::Random(1))
        .on_event(move |event| heard.lock().unwrap().push(event.clone()))
        .bind_many(NonZeroUsize::new(LOOPS).unwrap())
        .unwrap();
    let loops = if cfg!(target_os = "linux") { LOOPS } else { 1 };
    assert_eq!((others.len() + 1, first.warnings().is_empty()), (loops, loops > 1));
    let (address, handle) = (first.local_addrs()[0], first.handle());
    let ends: Vec<_> = std::iter::once(first)
        .chain(others)
        .map(|part| {
            assert_eq!(part.local_addrs(), [address]);
            let server = part.start().unwrap();
            let (tell, ended) = oneshot::channel();
            rig.spawn(async move { drop(tell.send(server.await)) });
            ended
        })
        .collect();

    there_and_back(&rig, address).await;

    // Each loop answers from a port of its own, and a repeated request comes to the same loop.
    let mut peers: Vec<_> = (0..PEERS).map(|_| rig.peer()).collect();
    let mut answers = BTreeMap::new();
    for peer in &mut peers {
        peer.send(RRQ, address);
        let (data, from) = peer.receive().await;
        assert_eq!(data, b"\0\x03\0\x01short");
        peer.send(RRQ, address);
        assert_eq!(peer.receive().await, (data, from));
        peer.send(b"\0\x04\0\x01", from);
        *answers.entry(from.port()).or_insert(0) += 1;
    }
    assert_eq!(answers.len(), loops, "{answers:?}");

    // One writer for each name, whichever loop the others come to.
    let mut writers: Vec<_> = (0..PEERS).map(|_| rig.peer()).collect();
    let mut admitted = 0;
    for peer in &mut writers {
        peer.send(b"\0\x02new\0octet\0", address);
        let (answer, from) = peer.receive().await;
        match &answer[..4] {
            b"\0\x04\0\0" => admitted += 1,
            b"\0\x05\0\x02" => continue,
            other => panic!("{other:?}"),
        }
        assert_eq!(admitted, 1, "a second writer was let in");
        assert!(handle.active_transfers() >= 1);
        // One that has sent something does not yield.
        peer.send(&[b"\0\x03\0\x01", &[7; 512][..]].concat(), from);
        assert_eq!(peer.receive().await.0, b"\0\x04\0\x01");
    }
    assert_eq!(admitted, 1);

    // One handle ends them all.
    handle.stop();
    for end in join_all(ends).await {
        end.unwrap().unwrap();
    }
    assert_eq!(handle.active_transfers(), 0);
    assert!(memory.get("new").is_none());
    let cancelled = |event: &&Event| matches!(event, Event::Finished(report) if report.outcome == Outcome::ShutDown);
    assert_eq!(events.lock().unwrap().iter().filter(cancelled).count(), 1);
}
