//! Ends before the end of the file: nothing stays behind.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{Either, join, select};
use tftp_driver::runtime::Runtime;
use tftp_driver::storage::{Directory, Memory, WritePolicy};
use tftp_driver::types::{Error, ErrorCode, Outcome, Timing};

use super::rig::{Gate, Gated, Pieces, Rig, content, download, memory, read_some, read_to_end};

fn left(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::PeerError { code: ErrorCode::NotDefined, .. })
}

pub(crate) async fn a_dropped_download_tells_the_server<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", content(1, 1 << 20)).unwrap();
    let server = rig.serve(memory);
    let client = rig.client();
    let mut download = client.get(server.address(), "file").await.unwrap();
    read_some(&mut download, 10_000).await.unwrap();
    assert_eq!(server.handle.active_transfers(), 1);
    drop(download);
    let reports = server.finished(&rig, 1).await;
    assert!(left(&reports[0].outcome), "{:?}", reports[0].outcome);
}

pub(crate) async fn a_dropped_upload_leaves_nothing<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    let client = rig.client();
    let (source, gate) = Gated::new(content(2, 300_000), content(3, 1));
    let mut upload = client.put(server.address(), "file", source, None).into_future();
    reach(&rig, &gate, &mut upload).await;
    drop(upload);
    let reports = server.finished(&rig, 1).await;
    assert!(left(&reports[0].outcome), "{:?}", reports[0].outcome);
    assert!(memory.get("file").is_none());
    // The name is free again.
    client.put(server.address(), "file", Pieces(content(4, 9)), None).await.unwrap();
}

/// Polls an upload until it is held up by its source.
async fn reach<R: Runtime, T>(rig: &Rig<R>, gate: &Gate, upload: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) {
    let wait = Box::pin(rig.until("at the gate", || gate.is_reached()));
    assert!(matches!(select(upload, wait).await, Either::Right(_)), "it ended");
}

pub(crate) async fn a_dropped_server_leaves_nothing<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    let (address, handle) = (server.address(), server.handle.clone());
    let client = rig.client_with(|builder| builder.timing(gives_up_after_a_second()));
    let (source, gate) = Gated::new(content(5, 300_000), content(6, 100_000));
    let mut upload = client.put(address, "file", source, None).into_future();
    reach(&rig, &gate, &mut upload).await;
    assert_eq!(handle.active_transfers(), 1);
    server.kill().await;
    assert_eq!(handle.active_transfers(), 0);
    gate.open(Ok(()));
    assert!(matches!(upload.await, Err(Error::TimedOut(_))));
    assert!(memory.get("file").is_none());
    assert_eq!(memory.list().len(), 0);

    // Its sockets are closed (though another test may get the port) and the name is free.
    rig.until("closed", || std::net::UdpSocket::bind(address).is_ok()).await;
    let server = rig.serve(memory.clone());
    client.put(server.address(), "file", Pieces(content(7, 9)), None).await.unwrap();
    assert_eq!(memory.get("file").unwrap(), content(7, 9));
}

/// Retransmission for tests that wait for it.
pub(crate) fn fast() -> Timing {
    Timing {
        initial_timeout: Duration::from_millis(100),
        min_timeout: Duration::from_millis(50),
        max_timeout: Duration::from_millis(200),
        unproved_retries: 2,
        ..Timing::default()
    }
}

pub(crate) async fn no_end_leaves_a_part_on_disk<R: Runtime>(rig: Rig<R>) {
    let root = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(root.path()).unwrap().count();
    for end in [End::DropUpload, End::DropServer, End::Stop, End::SourceFails, End::Complete] {
        let storage = Directory::builder(root.path()).write_policy(WritePolicy::CREATE).open().unwrap();
        let mut server = rig.serve(storage);
        let client = match end {
            End::DropServer => rig.client_with(|builder| builder.timing(gives_up_after_a_second())),
            _ => rig.client(),
        };
        let (source, gate) = Gated::new(content(5, 300_000), content(6, 300_000));
        let mut upload = client.put(server.address(), "file", source, None).into_future();
        reach(&rig, &gate, &mut upload).await;
        assert!(!root.path().join("file").exists());
        match end {
            End::DropUpload => {
                drop(upload);
                server.finished(&rig, 1).await;
            }
            End::DropServer => {
                server.kill().await;
                gate.open(Ok(()));
                assert!(matches!(upload.await, Err(Error::TimedOut(_))));
            }
            End::Stop => {
                server.handle.stop();
                assert!(matches!(upload.await, Err(Error::Refused { .. })));
                server.end().await;
                assert_eq!(files(), 0, "cleaned up before the server ended");
            }
            End::SourceFails => {
                gate.open(Err(std::io::Error::other("no more")));
                assert!(matches!(upload.await, Err(Error::Source { .. })));
                server.finished(&rig, 1).await;
            }
            End::Complete => {
                gate.open(Ok(()));
                upload.await.unwrap();
                let whole = [content(5, 300_000), content(6, 300_000)].concat();
                assert!(std::fs::read(root.path().join("file")).unwrap() == whole);
                assert_eq!(files(), 1);
                continue;
            }
        }
        rig.until("removed", || files() == 0).await;
    }
}

#[derive(Clone, Copy)]
enum End {
    DropUpload,
    DropServer,
    Stop,
    SourceFails,
    Complete,
}

pub(crate) async fn a_full_store_ends_the_upload<R: Runtime>(rig: Rig<R>) {
    let memory = Memory::builder().max_bytes(100_000).write_policy(WritePolicy::ANY).build();
    let server = rig.serve(memory.clone());
    let client = rig.client();
    let result = client.put(server.address(), "large", Pieces(content(1, 200_000)), None).await;
    assert!(matches!(result, Err(Error::Refused { code: ErrorCode::DiskFull, .. })), "{result:?}");
    assert_eq!(memory.list().len(), 0);
    client.put(server.address(), "small", Pieces(content(1, 99_000)), None).await.unwrap();
}

fn gives_up_after_a_second() -> Timing {
    Timing { give_up_after: Duration::from_secs(1), ..Timing::default() }
}

pub(crate) async fn a_source_may_take_its_time<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve(memory());
    let timing = Timing { give_up_after: Duration::from_millis(500), max_retries: Some(1), ..fast() };
    let client = rig.client_with(|builder| builder.timing(timing));
    let (source, gate) = Gated::new(content(1, 200_000), content(2, 1));
    let opened = async {
        rig.sleep(Duration::from_millis(1500)).await;
        gate.open(Ok(()));
    };
    let (report, ()) = join(client.put(server.address(), "file", source, None).into_future(), opened).await;
    assert_eq!(report.unwrap().bytes, 200_001);
}

pub(crate) async fn a_reader_may_take_its_time<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", content(1, 1 << 20)).unwrap();
    let server = rig.serve(memory);
    let timing = Timing { give_up_after: Duration::from_millis(500), max_retries: Some(1), ..fast() };
    let client = rig.client_with(|builder| builder.timing(timing));
    let mut download = client.get(server.address(), "file").await.unwrap();
    let mut all = read_some(&mut download, 1).await.unwrap();
    rig.sleep(Duration::from_millis(1500)).await;
    all.extend(read_to_end(&mut download).await.unwrap());
    assert!(all == content(1, 1 << 20));
}

pub(crate) async fn a_graceful_shutdown_lets_transfers_end<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let data = content(8, 1 << 20);
    memory.insert("file", data.clone()).unwrap();
    let mut server = rig.serve(memory.clone());
    let mut reader = rig.client().get(server.address(), "file").await.unwrap();
    let mut all = read_some(&mut reader, 10_000).await.unwrap();
    server.handle.shutdown();

    let client = rig.client_with(|builder| builder.timing(fast()));
    assert!(matches!(download(&client, server.address(), "file").await, Err(Error::TimedOut(_))), "nothing new");

    all.extend(read_to_end(&mut reader).await.unwrap());
    assert!(all == data);
    server.end().await;
    assert_eq!(server.handle.active_transfers(), 0);
    assert_eq!(server.reports().len(), 1);
}

pub(crate) async fn a_stop_ends_transfers_at_once<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("down", content(9, 1 << 20)).unwrap();
    let mut server = rig.serve(memory.clone());
    let client = rig.client();
    let mut download = client.get(server.address(), "down").await.unwrap();
    read_some(&mut download, 10_000).await.unwrap();
    let (source, gate) = Gated::new(content(10, 300_000), content(11, 1));
    let mut upload = client.put(server.address(), "up", source, None).into_future();
    reach(&rig, &gate, &mut upload).await;
    assert_eq!(server.handle.active_transfers(), 2);

    server.handle.stop();
    assert!(matches!(upload.await, Err(Error::Refused { .. })));
    assert!(matches!(read_to_end(&mut download).await, Err(Error::Refused { .. })));
    server.end().await;
    let reports = server.reports();
    assert_eq!(reports.len(), 2);
    assert!(reports.iter().all(|report| report.outcome == Outcome::ShutDown), "{reports:?}");
    assert!(memory.get("up").is_none());
}

pub(crate) async fn handles_outlive_their_server<R: Runtime>(rig: Rig<R>) {
    let mut server = rig.serve(memory());
    server.handle.shutdown();
    server.end().await;
    server.handle.shutdown();
    server.handle.stop();
    assert_eq!(server.handle.active_transfers(), 0);
}
