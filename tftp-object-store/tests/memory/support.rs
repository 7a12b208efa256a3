//! A store that counts what is asked of it, and stops or fails requests when it is told to.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_lite::future::block_on;
use futures_util::stream::BoxStream;
use tftp_driver::storage::{
    Context, Owner, ReadRequest, Reader, Storage, StorageError, WritePolicy, WriteRequest, Writer,
};
use tftp_object_store::object_store::memory::InMemory;
use tftp_object_store::object_store::path::Path;
use tftp_object_store::object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use tftp_object_store::{ObjectStorage, ObjectStorageBuilder};

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Head,
    Get,
    Put,
    Create,
    Part,
    Complete,
    Abort,
    Copy,
    Delete,
}

/// When a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never reaches the store.
    Before,
    /// The store has carried it out, and its answer is lost.
    After,
}

type Log = Vec<(Op, String, Option<Range<u64>>)>;

#[derive(Debug, Default)]
struct State {
    log: Log,
    faults: HashMap<Op, Vec<Fault>>,
    /// Requests of this kind wait as long as it is there.
    held: Option<Op>,
    /// Answers to these are without an ETag, or without a time.
    no_etag: Vec<Op>,
    no_time: Vec<Op>,
}

/// A store in memory under observation. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched {
    pub(crate) inner: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl Watched {
    pub(crate) fn storage(&self) -> ObjectStorageBuilder {
        ObjectStorage::builder_with(Arc::new(self.clone()), "pre/fix")
    }

    /// The requests of a kind so far.
    pub(crate) fn count(&self, op: Op) -> usize {
        self.state.lock().unwrap().log.iter().filter(|(done, _, _)| *done == op).count()
    }

    /// The ranges read so far.
    pub(crate) fn ranges(&self) -> Vec<Range<u64>> {
        self.state.lock().unwrap().log.iter().filter_map(|(_, _, range)| range.clone()).collect()
    }

    /// The next requests of a kind fail.
    pub(crate) fn fail(&self, op: Op, faults: &[Fault]) {
        self.state.lock().unwrap().faults.insert(op, faults.to_vec());
    }

    pub(crate) fn hold(&self, op: Option<Op>) {
        self.state.lock().unwrap().held = op;
    }

    /// What is left out of answers from now on.
    pub(crate) fn leave_out(&self, no_etag: &[Op], no_time: &[Op]) {
        let mut state = self.state.lock().unwrap();
        (state.no_etag, state.no_time) = (no_etag.to_vec(), no_time.to_vec());
    }

    /// All keys there are.
    pub(crate) fn keys(&self) -> Vec<String> {
        use futures_util::TryStreamExt as _;

        let all: Vec<ObjectMeta> = block_on(self.inner.list(None).try_collect()).unwrap();
        let mut keys: Vec<_> = all.into_iter().map(|meta| meta.location.to_string()).collect();
        keys.sort();
        keys
    }

    /// Puts an object there as another program does.
    pub(crate) fn insert(&self, key: &str, content: impl Into<PutPayload>) {
        block_on(self.inner.put(&Path::parse(key).unwrap(), content.into())).unwrap();
    }

    pub(crate) fn content(&self, key: &str) -> Option<Bytes> {
        block_on(async { self.inner.get(&Path::parse(key).unwrap()).await.ok()?.bytes().await.ok() })
    }

    async fn enter(&self, op: Op, path: &Path, range: Option<Range<u64>>) -> Result<Option<Fault>> {
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.log.push((op, path.to_string(), range));
            let faults = state.faults.entry(op).or_default();
            if faults.is_empty() { None } else { Some(faults.remove(0)) }
        };
        while self.state.lock().unwrap().held == Some(op) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if fault == Some(Fault::Before) { Err(cut()) } else { Ok(fault) }
    }
}

fn cut() -> Error {
    Error::Generic { store: "Watched", source: "the connection was cut".into() }
}

fn leave<T>(fault: Option<Fault>, result: Result<T>) -> Result<T> {
    match (fault, result) {
        (Some(Fault::After), Ok(_)) => Err(cut()),
        (_, result) => result,
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let fault = self.enter(Op::Put, location, None).await?;
        leave(fault, self.inner.put_opts(location, payload, opts).await)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.enter(Op::Create, location, None).await?;
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        Ok(Box::new(WatchedUpload { inner, store: self.clone(), path: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let op = if options.head { Op::Head } else { Op::Get };
        let range = match &options.range {
            Some(GetRange::Bounded(range)) => Some(range.clone()),
            _ if op == Op::Get => Some(0..self.inner.head(location).await?.size),
            _ => None,
        };
        let fault = self.enter(op, location, range).await?;
        let mut result = leave(fault, self.inner.get_opts(location, options).await)?;
        let state = self.state.lock().unwrap();
        if state.no_etag.contains(&op) {
            result.meta.e_tag = None;
        }
        if state.no_time.contains(&op) {
            result.meta.last_modified = Default::default();
        }
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let mut state = self.state.lock().unwrap();
        state.log.push((Op::Delete, String::new(), None));
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.enter(Op::Copy, to, None).await?;
        leave(fault, self.inner.copy_opts(from, to, options).await)
    }
}

#[derive(Debug)]
struct WatchedUpload {
    inner: Box<dyn MultipartUpload>,
    store: Watched,
    path: Path,
}

#[async_trait::async_trait]
impl MultipartUpload for WatchedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.inner.put_part(data);
        let (store, path) = (self.store.clone(), self.path.clone());
        Box::pin(async move {
            let fault = store.enter(Op::Part, &path, None).await?;
            leave(fault, part.await)
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.store.enter(Op::Complete, &self.path, None).await?;
        leave(fault, self.inner.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.enter(Op::Abort, &self.path, None).await?;
        self.inner.abort().await
    }
}

pub(crate) fn open(builder: ObjectStorageBuilder) -> ObjectStorage {
    block_on(builder.open()).unwrap()
}

pub(crate) fn peer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 40_000).into()
}

pub(crate) fn reader(storage: &ObjectStorage, name: &str) -> Result<tftp_object_store::ObjectReader, StorageError> {
    block_on(storage.open_read(&ReadRequest::new(name, peer()), &Context::inline()))
}

pub(crate) fn writer(storage: &ObjectStorage, name: &str) -> Result<tftp_object_store::ObjectWriter, StorageError> {
    block_on(storage.open_write(&WriteRequest::new(name, peer(), Owner(1)), &Context::inline()))
}

pub(crate) fn read(reader: &mut impl Reader, offset: u64, len: usize) -> Result<Bytes, StorageError> {
    match reader.try_read_at(offset, len) {
        Some(result) => result,
        None => block_on(reader.read_at(offset, len)),
    }
}

pub(crate) fn read_all(reader: &mut impl Reader, len: usize) -> Result<Vec<u8>, StorageError> {
    let mut content = Vec::new();
    loop {
        let piece = read(reader, content.len() as u64, len)?;
        content.extend_from_slice(&piece);
        if piece.len() < len {
            return Ok(content);
        }
    }
}

pub(crate) fn write(writer: &mut impl Writer, offset: usize, content: &[u8]) -> Result<(), StorageError> {
    for (index, piece) in content.chunks(60_000).enumerate() {
        let (at, piece) = ((offset + index * 60_000) as u64, Bytes::copy_from_slice(piece));
        match writer.try_write_at(at, &piece) {
            Some(result) => result?,
            None => block_on(writer.write_at(at, piece))?,
        }
    }
    Ok(())
}

pub(crate) fn put(storage: &ObjectStorage, name: &str, content: &[u8]) -> Result<(), StorageError> {
    let mut writer = writer(storage, name)?;
    if let Err(error) = write(&mut writer, 0, content) {
        block_on(writer.abort());
        return Err(error);
    }
    block_on(writer.commit())
}

pub(crate) fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 251 % 256) as u8 ^ (i / 65_536) as u8 ^ seed).collect()
}

#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(60), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn create(store: &Watched) -> ObjectStorage {
    open(store.storage().write_policy(WritePolicy::CREATE))
}

/// A store that does not look at conditions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Careless(pub(crate) Watched);

impl Careless {
    pub(crate) fn storage(&self) -> ObjectStorageBuilder {
        ObjectStorage::builder_with(Arc::new(self.clone()), "pre/fix")
    }
}

impl fmt::Display for Careless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Careless")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Careless {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let opts = PutOptions { mode: PutMode::Overwrite, ..opts };
        self.0.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, CopyOptions { mode: CopyMode::Overwrite, ..options }).await
    }
}
