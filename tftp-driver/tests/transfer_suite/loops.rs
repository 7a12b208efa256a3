//! A server with several event loops.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;
use futures_util::StreamExt;
use futures_util::future::{join_all, select};
use futures_util::stream::FuturesUnordered;
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
    let others = others.into_iter().map(|part| part.start().unwrap());
    let ends: Vec<_> = std::iter::once(first)
        .chain(others)
        .map(|server| {
            assert_eq!(server.local_addrs(), [address]);
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

/// A loop that ends before the others does not move their peers, whose transfers may run on the shared port.
pub(crate) async fn the_end_of_an_event_loop_moves_no_peer<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", "short").unwrap();
    let (first, others) = Server::builder_on(rig.runtime.clone())
        .storage(memory)
        .listen(LOCALHOST.parse().unwrap())
        .transfer_ports(TransferPorts::Random(1))
        .bind_many(NonZeroUsize::new(LOOPS).unwrap())
        .unwrap();
    if others.is_empty() {
        return;
    }
    let (address, handle) = (first.local_addrs()[0], first.handle());
    let (drop_it, dropped) = oneshot::channel::<()>();
    let (tell, gone) = oneshot::channel();
    rig.spawn(async move {
        select(first, dropped).await;
        let _ = tell.send(());
    });
    for part in others {
        let server = part.start().unwrap();
        rig.spawn(async move { drop(server.await) });
    }

    let mut peers: Vec<_> = (0..PEERS).map(|_| rig.peer()).collect();
    let mut of_loops = BTreeMap::new();
    for peer in &mut peers {
        peer.send(RRQ, address);
        let (_, from) = peer.receive().await;
        peer.send(b"\0\x04\0\x01", from);
        of_loops.entry(from.port()).or_insert_with(Vec::new).push(peer);
    }
    assert_eq!(of_loops.len(), LOOPS);
    rig.until("at rest", || handle.active_transfers() == 0).await;
    drop(drop_it);
    gone.await.unwrap();

    // All peers of the two loops that are left are answered as before, and nobody else is.
    let mut waiting: BTreeMap<u16, usize> = of_loops.iter().map(|(port, peers)| (*port, peers.len())).collect();
    let answers = of_loops.into_iter().flat_map(|(port, peers)| peers.into_iter().map(move |peer| (port, peer)));
    let mut answers: FuturesUnordered<_> = answers
        .map(async |(port, peer)| {
            peer.send(RRQ, address);
            let (_, from) = peer.receive().await;
            assert_eq!(from.port(), port, "a peer was moved");
            port
        })
        .collect();
    while waiting.len() > 1 {
        let port = answers.next().await.unwrap();
        let left = waiting.get_mut(&port).unwrap();
        *left -= 1;
        if *left == 0 {
            waiting.remove(&port);
        }
    }
    handle.stop();
}

/// A part that was dropped instead of started leaves its clients to the others.
pub(crate) async fn a_part_that_never_started_leaves_no_client_alone<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", "short").unwrap();
    let (first, mut others) = Server::builder_on(rig.runtime.clone())
        .storage(memory)
        .listen(LOCALHOST.parse().unwrap())
        .bind_many(NonZeroUsize::new(LOOPS).unwrap())
        .unwrap();
    let (address, handle) = (first.local_addrs()[0], first.handle());
    others.pop();
    let started = others.pop().map(|part| part.start().unwrap());
    assert!(others.is_empty());
    for server in std::iter::once(first).chain(started) {
        rig.spawn(async move { drop(server.await) });
    }
    for _ in 0..PEERS {
        let mut peer = rig.peer();
        peer.send(RRQ, address);
        let (data, from) = peer.receive().await;
        assert_eq!(data, b"\0\x03\0\x01short");
        peer.send(b"\0\x04\0\x01", from);
    }
    handle.stop();
}
