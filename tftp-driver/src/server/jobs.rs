//! Storage jobs of a server: one handle for each transfer, which travels into a job's future and back.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use tftp_proto::endpoint::{FailureKind, Job, JobResult, OpenRequest, StorageFailure, TransferId};

use crate::bridge::{PassOn, Tftp, failure};
use crate::protocol::{Handled, JobHandler};
use crate::storage::{Context, Owner, ReadRequest, Reader, Storage, StorageError, WriteRequest, Writer};

/// Does the jobs of an endpoint with a [`Storage`].
pub(super) struct StorageJobs<S: Storage> {
    storage: Arc<S>,
    context: Context,
    open: HashMap<TransferId, Handle<S>>,
}

enum Handle<S: Storage> {
    Reader(S::Reader),
    Writer(S::Writer),
}

/// The end of a job, with the handle if it is to be kept.
pub(super) struct Done<S: Storage> {
    id: TransferId,
    handle: Option<Handle<S>>,
    result: JobResult,
}

type DoneFuture<S> = Pin<Box<dyn Future<Output = Done<S>> + Send>>;

impl<S: Storage> StorageJobs<S> {
    pub(super) fn new(storage: Arc<S>, context: Context) -> Self {
        Self { storage, context, open: HashMap::new() }
    }

    fn open_read(&self, id: TransferId, open: OpenRequest) -> DoneFuture<S> {
        let (storage, context) = (Arc::clone(&self.storage), self.context.clone());
        let request = ReadRequest { name: open.filename, peer: open.peer, local_ip: open.local_ip };
        contain(id, async move {
            match storage.open_read(&request, &context).await {
                Ok(reader) => {
                    let size = reader.size();
                    (Some(Handle::Reader(reader)), JobResult::Opened { size })
                }
                Err(error) => (None, failed(&error)),
            }
        })
    }

    fn open_write(&self, id: TransferId, open: OpenRequest) -> DoneFuture<S> {
        let (storage, context) = (Arc::clone(&self.storage), self.context.clone());
        let request = WriteRequest {
            name: open.filename,
            peer: open.peer,
            local_ip: open.local_ip,
            size: open.size,
            owner: Owner(id.to_u64()),
        };
        contain(id, async move {
            match storage.open_write(&request, &context).await {
                Ok(writer) => (Some(Handle::Writer(writer)), JobResult::Opened { size: None }),
                Err(error) => (None, failed(&error)),
            }
        })
    }

    fn read(&mut self, id: TransferId, offset: u64, len: usize) -> Handled<JobResult, DoneFuture<S>> {
        let Some(Handle::Reader(reader)) = self.open.get_mut(&id) else { return Handled::Ready(not_open()) };
        match catch_unwind(AssertUnwindSafe(|| reader.try_read_at(offset, len))) {
            Ok(Some(answer)) => return Handled::Ready(answer.map_or_else(|error| failed(&error), JobResult::Read)),
            Ok(None) => {}
            Err(_) => return Handled::Ready(panicked()),
        }
        let Some(Handle::Reader(mut reader)) = self.open.remove(&id) else { return Handled::Ready(not_open()) };
        Handled::Pending(contain(id, async move {
            let result = match reader.read_at(offset, len).await {
                Ok(bytes) => JobResult::Read(bytes),
                Err(error) => failed(&error),
            };
            (Some(Handle::Reader(reader)), result)
        }))
    }

    fn write(&mut self, id: TransferId, offset: u64, bytes: Bytes) -> Handled<JobResult, DoneFuture<S>> {
        let Some(Handle::Writer(writer)) = self.open.get_mut(&id) else { return Handled::Ready(not_open()) };
        match catch_unwind(AssertUnwindSafe(|| writer.try_write_at(offset, &bytes))) {
            Ok(Some(answer)) => {
                return Handled::Ready(answer.map_or_else(|error| failed(&error), |()| JobResult::Written));
            }
            Ok(None) => {}
            Err(_) => return Handled::Ready(panicked()),
        }
        let Some(Handle::Writer(mut writer)) = self.open.remove(&id) else { return Handled::Ready(not_open()) };
        Handled::Pending(contain(id, async move {
            let result = match writer.write_at(offset, bytes).await {
                Ok(()) => JobResult::Written,
                Err(error) => failed(&error),
            };
            (Some(Handle::Writer(writer)), result)
        }))
    }

    fn commit(&mut self, id: TransferId) -> Handled<JobResult, DoneFuture<S>> {
        let Some(Handle::Writer(writer)) = self.open.remove(&id) else { return Handled::Ready(not_open()) };
        Handled::Pending(contain(id, async move {
            match writer.commit().await {
                Ok(()) => (None, JobResult::Committed),
                Err(error) => (None, failed(&error)),
            }
        }))
    }

    fn close(&mut self, id: TransferId) -> Handled<JobResult, DoneFuture<S>> {
        match self.open.remove(&id) {
            Some(Handle::Writer(writer)) => Handled::Pending(contain(id, async move {
                writer.abort().await;
                (None, JobResult::Closed)
            })),
            // A handle that a panic has taken along is closed as well.
            Some(Handle::Reader(_)) | None => Handled::Ready(JobResult::Closed),
        }
    }
}

impl<S: Storage> JobHandler<Tftp<PassOn>> for StorageJobs<S> {
    type Completion = Done<S>;
    type Future = DoneFuture<S>;

    fn handle(&mut self, id: TransferId, job: Job) -> Handled<JobResult, DoneFuture<S>> {
        match job {
            Job::OpenRead(open) => Handled::Pending(self.open_read(id, open)),
            Job::OpenWrite(open) => Handled::Pending(self.open_write(id, open)),
            Job::Read { offset, len, keep: _ } => self.read(id, offset, len),
            Job::Write { offset, bytes } => self.write(id, offset, bytes),
            Job::Commit => self.commit(id),
            Job::Abort | Job::Close => self.close(id),
        }
    }

    fn finish(&mut self, done: Done<S>) -> (TransferId, JobResult) {
        if let Some(handle) = done.handle {
            self.open.insert(done.id, handle);
        }
        (done.id, done.result)
    }
}

/// Keeps a panic in storage to the transfer that met it.
fn contain<S: Storage>(
    id: TransferId,
    job: impl Future<Output = (Option<Handle<S>>, JobResult)> + Send + 'static,
) -> DoneFuture<S> {
    Box::pin(AssertUnwindSafe(job).catch_unwind().map(move |end| {
        let (handle, result) = end.unwrap_or_else(|_| (None, panicked()));
        Done { id, handle, result }
    }))
}

fn failed(error: &StorageError) -> JobResult {
    JobResult::Failed(failure(error))
}

fn panicked() -> JobResult {
    JobResult::Failed(StorageFailure::new(FailureKind::Other, "storage panicked"))
}

/// Only after a panic took the handle along, or an error of the core.
fn not_open() -> JobResult {
    JobResult::Failed(StorageFailure::new(FailureKind::Other, "the file is not open"))
}
