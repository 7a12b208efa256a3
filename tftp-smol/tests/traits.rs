//! What is the adapter's own: the traits of futures-io, any executor.
#![allow(clippy::unwrap_used, reason = "what the tests share is not marked as tests")]

use std::io;

use smol::io::{AsyncReadExt, Cursor, copy};
use tftp_smol::storage::{Memory, WritePolicy};
use tftp_smol::{Client, Download, Error, Options, Outcome, Server};

fn memory() -> Memory {
    Memory::builder().write_policy(WritePolicy::ANY).build()
}

fn server(files: &Memory) -> Server {
    Server::builder().listen("127.0.0.1:0".parse().unwrap()).storage(files.clone()).bind().unwrap()
}

fn is_send<T: Send + Unpin>(value: T) -> T {
    value
}

#[test]
fn files_move_through_the_traits_and_tasks() {
    let files = memory();
    let server = is_send(server(&files));
    let (address, handle) = (server.local_addrs()[0], server.handle());
    let serving = smol::spawn(server);

    let data: Vec<u8> = (0..200_000u32).map(|at| (at / 7) as u8).collect();
    let sent = data.clone();
    let put = smol::spawn(async move {
        let client = Client::new();
        let report = client.put(address, "file", &sent[..], Some(200_000)).progress(|_, _| {}).await;
        report.unwrap().bytes
    });
    assert_eq!(smol::block_on(put), 200_000);
    assert!(files.get("file").unwrap() == data);

    let get = smol::spawn(async move {
        let mut download: Download = is_send(Client::new().get(address, "file").await.unwrap());
        let mut got = vec![0; 1000];
        download.read_exact(&mut got).await.unwrap();
        let mut rest = Cursor::new(Vec::new());
        assert_eq!(copy(&mut download, &mut rest).await.unwrap(), 199_000);
        assert_eq!(download.finish().await.unwrap().outcome, Outcome::Completed);
        got.extend(rest.into_inner());
        got
    });
    assert!(smol::block_on(get) == data);

    handle.shutdown();
    smol::block_on(serving).unwrap();
}

#[test]
fn both_ends_on_one_local_executor() {
    let files = memory();
    let server = server(&files);
    let (address, handle) = (server.local_addrs()[0], server.handle());
    let executor = smol::LocalExecutor::new();
    let serving = executor.spawn(server);
    smol::block_on(executor.run(async {
        let data = vec![7; 300_000];
        Client::new().put(address, "file", &data[..], None).await.unwrap();
        let mut got = Vec::new();
        Client::new().get(address, "file").await.unwrap().read_to_end(&mut got).await.unwrap();
        assert!(got == data);
        handle.shutdown();
        serving.await.unwrap();
    }));
}

#[test]
fn errors_of_reading_can_be_told_apart() {
    let files = memory();
    files.insert("file", vec![1; 5000]).unwrap();
    let server = server(&files);
    let (address, handle) = (server.local_addrs()[0], server.handle());
    let serving = smol::spawn(server);
    let client = Client::builder().options(Options::NONE).max_size(2000).build();
    let error = smol::block_on(async {
        let mut got = Vec::new();
        client.get(address, "file").await.unwrap().read_to_end(&mut got).await.unwrap_err()
    });
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    let inner = error.into_inner().unwrap().downcast::<Error>().unwrap();
    assert!(matches!(*inner, Error::Protocol { .. }));
    handle.stop();
    smol::block_on(serving).unwrap();
}
