//! Our server inside the test, with storage that does as a file's name says.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tftp_tokio::storage::{
    Context, Memory, ReadRequest, Reader, Storage, StorageError, WritePolicy, WriteRequest, Writer,
};
use tftp_tokio::{Server, ServerHandle, Timing};

use crate::support::{content, eventually};

/// Size of every file that can be read.
pub(crate) const SIZE: usize = 300_000;

/// Where reading and writing go wrong: far behind the beginning, and before the end.
const FROM: u64 = 100_000;

/// What every file holds.
pub(crate) fn file() -> Vec<u8> {
    content(1, SIZE)
}

/// What a file's name says of it, as a whole word: `open-hangs`, `read-hangs`, `read-fails`, `read-panics`, `write-hangs`,
/// `write-fails`, `commit-hangs`, `commit-fails`; or `slow`, for which each step takes `pause`. Anything else is well.
pub(crate) struct Trap {
    memory: Memory,
    pause: Duration,
}

impl Trap {
    pub(crate) fn new(pause: Duration) -> Self {
        Self { memory: Memory::builder().write_policy(WritePolicy::ANY).build(), pause }
    }

    /// What was uploaded.
    pub(crate) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    fn plan(&self, name: &[u8]) -> Plan {
        Plan { name: String::from_utf8_lossy(name).into_owned(), pause: self.pause }
    }
}

#[derive(Clone)]
struct Plan {
    name: String,
    pause: Duration,
}

impl Plan {
    /// What is to happen at a step.
    async fn at(&self, step: &str) -> Result<(), StorageError> {
        if self.name.contains("slow") {
            tokio::time::sleep(self.pause).await;
        }
        if self.name.contains(&format!("{step}-hangs")) {
            pending::<()>().await;
        }
        assert!(!self.name.contains(&format!("{step}-panics")), "as the name says");
        if self.name.contains(&format!("{step}-fails")) {
            return Err(StorageError::Io(io::Error::other("the disk at /secret/path is broken")));
        }
        Ok(())
    }
}

pub(crate) struct TrapReader {
    plan: Plan,
    bytes: Bytes,
}

impl Reader for TrapReader {
    fn size(&self) -> Option<u64> {
        Some(self.bytes.len() as u64)
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        if offset >= FROM || self.plan.name.contains("slow") {
            self.plan.at("read").await?;
        }
        let start = usize::try_from(offset).unwrap().min(self.bytes.len());
        Ok(self.bytes.slice(start..self.bytes.len().min(start + len)))
    }
}

pub(crate) struct TrapWriter {
    plan: Plan,
    inner: <Memory as Storage>::Writer,
}

impl Writer for TrapWriter {
    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        if offset >= FROM || self.plan.name.contains("slow") {
            self.plan.at("write").await?;
        }
        self.inner.write_at(offset, bytes).await
    }

    async fn commit(self) -> Result<(), StorageError> {
        self.plan.at("commit").await?;
        self.inner.commit().await
    }

    async fn abort(self) {
        self.inner.abort().await;
    }
}

impl Storage for Trap {
    type Reader = TrapReader;
    type Writer = TrapWriter;

    async fn open_read(&self, request: &ReadRequest, _: &Context) -> Result<TrapReader, StorageError> {
        if request.name.starts_with(b"not-there") {
            return Err(StorageError::NotFound);
        }
        let plan = self.plan(&request.name);
        plan.at("open").await?;
        let bytes = self.memory.get(&request.name).unwrap_or_else(|| file().into());
        Ok(TrapReader { plan, bytes })
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<TrapWriter, StorageError> {
        let plan = self.plan(&request.name);
        plan.at("open").await?;
        Ok(TrapWriter { plan, inner: self.memory.open_write(request, cx).await? })
    }
}

/// A server on a thread of its own.
pub(crate) struct Hosted {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    thread: JoinHandle<io::Result<()>>,
}

impl Hosted {
    pub(crate) fn start(storage: Trap, storage_timeout: Duration) -> Self {
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listen = SocketAddr::new(crate::support::unique_loopback(), 0);
                let timing = Timing { initial_timeout: Duration::from_millis(200), ..Timing::default() };
                let builder = Server::builder().listen(listen).storage(storage).timing(timing);
                let server = builder.storage_timeout(storage_timeout).bind().unwrap();
                tell.send((server.local_addrs()[0], server.handle())).unwrap();
                server.await
            })
        });
        let (address, handle) = told.recv().expect("a server");
        Self { address, handle, thread }
    }

    /// Waits for its end, which must have been asked for.
    pub(crate) fn join(self) {
        eventually("the end of the server", || self.thread.is_finished().then_some(()));
        self.thread.join().unwrap().unwrap();
    }

    /// Until nothing is under way.
    pub(crate) fn wait_until_idle(&self) {
        eventually("the end of all transfers", || (self.handle.active_transfers() == 0).then_some(()));
    }
}
