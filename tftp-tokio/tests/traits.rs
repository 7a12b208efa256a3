//! What is tokio's own: its I/O traits, its tasks, its clock.
#![allow(clippy::unwrap_used, reason = "what the tests share is not marked as tests")]

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tftp_tokio::storage::{
    Context, Memory, NoWriter, ReadRequest, Reader, Storage, StorageError, WritePolicy, WriteRequest,
};
use tftp_tokio::{Client, Download, Error, Event, Options, Outcome, Server, Timing};
use tokio::io::{AsyncReadExt, copy};
use tokio::time::Instant;

fn memory() -> Memory {
    Memory::builder().write_policy(WritePolicy::ANY).build()
}

fn server(files: &Memory) -> Server {
    Server::builder().listen("127.0.0.1:0".parse().unwrap()).storage(files.clone()).bind().unwrap()
}

fn is_send<T: Send + Unpin>(value: T) -> T {
    value
}

#[tokio::test]
async fn files_move_through_tokios_traits_and_tasks() {
    let files = memory();
    let server = is_send(server(&files));
    let (address, handle) = (server.local_addrs()[0], server.handle());
    let serving = tokio::spawn(server);

    let data: Vec<u8> = (0..200_000u32).map(|at| (at / 7) as u8).collect();
    let sent = data.clone();
    let put = tokio::spawn(async move {
        let client = Client::new();
        let report = client.put(address, "file", &sent[..], Some(200_000)).progress(|_, _| {}).await;
        report.unwrap().bytes
    });
    assert_eq!(put.await.unwrap(), 200_000);
    assert!(files.get("file").unwrap() == data);

    let get = tokio::spawn(async move {
        let mut download: Download = is_send(Client::new().get(address, "file").await.unwrap());
        let mut got = vec![0; 1000];
        download.read_exact(&mut got).await.unwrap();
        assert_eq!(copy(&mut download, &mut got).await.unwrap(), 199_000);
        assert_eq!(download.finish().await.unwrap().outcome, Outcome::Completed);
        got
    });
    assert!(get.await.unwrap() == data);

    handle.shutdown();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn errors_of_reading_can_be_told_apart() {
    let files = memory();
    files.insert("file", vec![1; 5000]).unwrap();
    let server = server(&files);
    let (address, handle) = (server.local_addrs()[0], server.handle());
    let serving = tokio::spawn(server);
    let client = Client::builder().options(Options::NONE).max_size(2000).build();
    let mut got = Vec::new();
    let error = client.get(address, "file").await.unwrap().read_to_end(&mut got).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    let inner = error.into_inner().unwrap().downcast::<Error>().unwrap();
    assert!(matches!(*inner, Error::Protocol { .. }));
    handle.stop();
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn paused_time_with_both_ends_on_one_thread() {
    let files = memory();
    let server = server(&files);
    let address = server.local_addrs()[0];
    tokio::spawn(server);
    let client = Client::builder().block_size(512).window_size(4).build();
    let data = vec![7; 300_000];
    client.put(address, "file", &data[..], None).await.unwrap();
    let mut got = Vec::new();
    let mut download = client.get(address, "file").await.unwrap();
    download.read_to_end(&mut got).await.unwrap();
    download.finish().await.unwrap();
    assert!(got == data);
}

#[tokio::test(start_paused = true)]
async fn paused_time_makes_timeouts_instant() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (before, clock) = (std::time::Instant::now(), Instant::now());
    let timing = Timing { unproved_retries: 60, ..Timing::default() };
    let client = Client::builder().timing(timing).build();
    let error = client.get(silent.local_addr().unwrap(), "file").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)));
    assert!(clock.elapsed() > Duration::from_secs(60), "by tokio's clock");
    assert!(before.elapsed() < Duration::from_secs(50), "by the wall's");
}

/// A server whose client vanishes gives up by tokio's clock, too.
#[tokio::test(start_paused = true)]
async fn paused_time_gives_up_on_a_vanished_client() {
    let files = memory();
    files.insert("file", vec![0; 10_000]).unwrap();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::builder()
        .listen("127.0.0.1:0".parse().unwrap())
        .storage(files)
        .on_event(move |event| {
            if let Event::Finished(report) = event {
                let _ = told.send(report.outcome.clone());
            }
        })
        .bind()
        .unwrap();
    let address = server.local_addrs()[0];
    tokio::spawn(server);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"\0\x01file\0octet\0", address).unwrap();
    assert_eq!(heard.recv().await, Some(Outcome::TimedOut));
}

/// Opens files that can never be read.
struct Hanging;

struct HangingReader;

impl Storage for Hanging {
    type Reader = HangingReader;
    type Writer = NoWriter;

    async fn open_read(&self, _: &ReadRequest, _: &Context) -> Result<HangingReader, StorageError> {
        Ok(HangingReader)
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        std::future::pending().await
    }
}

impl Reader for HangingReader {
    fn size(&self) -> Option<u64> {
        Some(1000)
    }

    async fn read_at(&mut self, _: u64, _: usize) -> Result<Bytes, StorageError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn storage_that_hangs_hangs_neither_its_clients_nor_a_stop() {
    let server = Server::builder().listen("127.0.0.1:0".parse().unwrap()).storage(Hanging).bind().unwrap();
    let (address, handle) = (server.local_addrs()[0], server.handle());
    let serving = tokio::spawn(server);
    let client =
        Client::builder().timing(Timing { give_up_after: Duration::from_secs(600), ..Timing::default() }).build();
    let mut got = Vec::new();
    let error = client.get(address, "file").await.unwrap().read_to_end(&mut got).await.unwrap_err();
    let error = error.into_inner().unwrap().downcast::<Error>().unwrap();
    assert!(matches!(*error, Error::Refused { .. }), "{error}");

    let reading = tokio::spawn(async move {
        let mut got = Vec::new();
        client.get(address, "file").await?.read_to_end(&mut got).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    let writing = tokio::spawn(async move { Client::new().put(address, "file", &b"data"[..], None).await });
    while handle.active_transfers() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    handle.stop();
    assert!(reading.await.unwrap().is_err());
    assert!(writing.await.unwrap().is_err());
    serving.await.unwrap().unwrap();
}

#[test]
fn dropping_a_download_outside_the_runtime_is_fine() {
    let files = memory();
    files.insert("file", vec![0; 1 << 20]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let download = runtime.block_on(async {
        let server = server(&files);
        let address = server.local_addrs()[0];
        tokio::spawn(server);
        Client::new().get(address, "file").await.unwrap()
    });
    drop(runtime);
    drop(download);
}
