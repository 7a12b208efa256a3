//! What is refused, by which side, and how it is told.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use tftp_driver::client::Client;
use tftp_driver::runtime::Runtime;
use tftp_driver::storage::{
    Context, Generated, Memory, NoWriter, ReadRequest, Reader, Storage, StorageError, WritePolicy, WriteRequest,
};
use tftp_driver::types::{Error, ErrorCode, Options, Outcome, RefusedReason, StartError};

use super::rig::{Gated, Pieces, Rig, content, download, memory, read_some, read_to_end};

fn code(result: Result<impl Sized, Error>) -> ErrorCode {
    match result {
        Err(Error::Refused { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

pub(crate) async fn missing_files<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve(memory());
    let client = rig.client();
    let error = client.get(server.address(), "none").await.unwrap_err();
    assert_eq!(error.report().unwrap().peer.ip(), server.address().ip());
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert_eq!(code(Err::<(), _>(error)), ErrorCode::FileNotFound);
    assert_eq!(server.finished(&rig, 1).await[0].filename, b"none");
}

pub(crate) async fn forbidden_uploads<R: Runtime>(rig: Rig<R>) {
    let generated = rig.serve(Generated::new(|request: &ReadRequest| Ok(Bytes::from(request.name.clone()))));
    let read_only = rig.serve(Memory::builder().write_policy(WritePolicy::READ_ONLY).build());
    let client = rig.client();
    for server in [&generated, &read_only] {
        let upload = client.put(server.address(), "file", Pieces(content(1, 10)), None).await;
        assert_eq!(code(upload), ErrorCode::AccessViolation);
    }
    assert_eq!(download(&client, generated.address(), "made up").await.unwrap(), b"made up");
}

pub(crate) async fn existing_files<R: Runtime>(rig: Rig<R>) {
    let memory = Memory::builder().write_policy(WritePolicy::CREATE).build();
    memory.insert("file", "old").unwrap();
    let server = rig.serve(memory.clone());
    let upload = rig.client().put(server.address(), "file", Pieces(content(1, 10)), None).await;
    assert_eq!(code(upload), ErrorCode::FileAlreadyExists);
    assert_eq!(memory.get("file").unwrap(), "old");
}

pub(crate) async fn uploads_above_the_limit<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server =
        rig.serve_with(memory.clone(), |builder| builder.listen("127.0.0.1:0".parse().unwrap()).max_upload(50_000));
    let client = rig.client();
    for announced in [None, Some(50_001)] {
        let upload = client.put(server.address(), "file", Pieces(content(1, 50_001)), announced).await;
        assert_eq!(code(upload), ErrorCode::DiskFull);
    }
    assert!(memory.get("file").is_none());
    client.put(server.address(), "file", Pieces(content(1, 50_000)), None).await.unwrap();
}

pub(crate) async fn downloads_above_the_limit<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", content(1, 50_001)).unwrap();
    let server = rig.serve(memory);
    // The server announces the size, or does not.
    for options in [Options { transfer_size: Some(0), ..Options::NONE }, Options::NONE] {
        let client = rig.client_with(|builder| builder.max_size(50_000).options(options));
        let result = download(&client, server.address(), "file").await;
        assert!(matches!(result, Err(Error::Protocol { reason: RefusedReason::TooLarge, .. })), "{result:?}");
    }
    let reports = server.finished(&rig, 2).await;
    for report in reports {
        assert!(matches!(report.outcome, Outcome::PeerError { code: ErrorCode::DiskFull, .. }), "the server was told");
    }
}

pub(crate) async fn one_writer_for_each_name<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    let address = server.address();
    let client = rig.client();
    let (source, gate) = Gated::new(content(1, 300_000), content(2, 30_000));
    let first = async {
        client.put(address, "file", source, None).await.unwrap();
    };
    let second = async {
        // An upload that has begun in earnest does not yield.
        rig.until("at the gate", || gate.is_reached()).await;
        let upload = client.put(address, "/file", Pieces(content(3, 10)), None).await;
        let code = code(upload);
        gate.open(Ok(()));
        code
    };
    let ((), code) = futures_util::future::join(first, second).await;
    assert!(matches!(code, ErrorCode::AccessViolation | ErrorCode::NotDefined | ErrorCode::FileAlreadyExists));
    let stored = memory.get("file").unwrap();
    assert!(stored[..300_000] == content(1, 300_000) && stored[300_000..] == content(2, 30_000));
}

pub(crate) async fn errors_of_the_source_end_the_upload<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    let (source, gate) = Gated::new(content(1, 30_000), content(2, 1));
    gate.open(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tape broke")));
    let error = rig.client().put(server.address(), "file", source, None).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(matches!(&error, Error::Source { source, .. } if source.to_string() == "the tape broke"), "{error}");
    let reports = server.finished(&rig, 1).await;
    assert!(matches!(reports[0].outcome, Outcome::PeerError { .. }), "the server was told");
    assert!(memory.get("file").is_none());
}

/// Fails in ways that it should not.
struct Panicky;

struct PanickyReader;

impl Storage for Panicky {
    type Reader = PanickyReader;
    type Writer = NoWriter;

    async fn open_read(&self, request: &ReadRequest, _: &Context) -> Result<PanickyReader, StorageError> {
        match &request.name[..] {
            b"open" => panic!("on purpose"),
            _ => Ok(PanickyReader),
        }
    }

    async fn open_write(&self, _: &WriteRequest, _: &Context) -> Result<NoWriter, StorageError> {
        Err(StorageError::Other("no".to_owned()))
    }
}

impl Reader for PanickyReader {
    fn size(&self) -> Option<u64> {
        None
    }

    fn try_read_at(&mut self, offset: u64, _: usize) -> Option<Result<Bytes, StorageError>> {
        assert!(offset > 0, "on purpose");
        None
    }

    async fn read_at(&mut self, _: u64, _: usize) -> Result<Bytes, StorageError> {
        panic!("on purpose")
    }
}

pub(crate) async fn panics_of_storage_stay_with_their_transfer<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve(Panicky);
    let client = rig.client();
    for name in ["open", "read", "open"] {
        assert_eq!(code(get(&client, &server, name).await), ErrorCode::NotDefined);
    }
    server.finished(&rig, 3).await;
}

async fn get<R: Runtime>(client: &Client<R>, server: &super::rig::Running, name: &str) -> Result<Vec<u8>, Error> {
    download(client, server.address(), name).await
}

pub(crate) async fn unread_bytes_are_not_a_success<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", content(1, 50_000)).unwrap();
    let server = rig.serve(memory);
    // Much of it is still to come, all but a little has been read, or everything has arrived but nothing was read.
    for (ended, read) in [1, 49_999, 0].into_iter().enumerate() {
        let mut download = rig.client().get(server.address(), "file").await.unwrap();
        let mut left = read;
        while left > 0 {
            left -= read_some(&mut download, left).await.unwrap().len();
        }
        assert!(matches!(download.finish().await, Err(Error::Unread)));
        drop(download);
        let reports = server.finished(&rig, ended + 1).await;
        assert!(matches!(reports[ended].outcome, Outcome::PeerError { .. }), "{:?}", reports[ended].outcome);
    }
}

pub(crate) async fn bad_requests_are_not_sent<R: Runtime>(rig: Rig<R>) {
    let client = rig.client();
    let peer = rig.peer();
    for (name, expected) in [
        (String::new(), StartError::InvalidName),
        ("a\0b".to_owned(), StartError::InvalidName),
        ("x".repeat(600), StartError::NameTooLong),
    ] {
        match client.get(peer.address(), &name).await {
            Err(Error::Request(error)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(client.get("", "file").await, Err(Error::Address { .. })));
    // Of a download that is never polled nothing is left either.
    let mut waiting = Box::pin(client.get(peer.address(), "file"));
    poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(waiting);
    let memory = memory();
    memory.insert("file", content(1, 10)).unwrap();
    let server = rig.serve(memory);
    assert_eq!(read_to_end(&mut client.get(server.address(), "file").await.unwrap()).await.unwrap().len(), 10);
}
