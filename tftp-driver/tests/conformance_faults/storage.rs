//! Storage in memory with a fault.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tftp_driver::storage::{Context, Memory, Owner, ReadRequest, Storage, StorageError, WritePolicy, WriteRequest};

use crate::fault::Fault;
use crate::names::resolve;
use crate::reader::FaultyReader;
use crate::writer::FaultyWriter;

pub(crate) struct Faulty {
    fault: Fault,
    policy: WritePolicy,
    shared: Arc<Shared>,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// What is there; the rules of uploads are those of this test.
    pub(crate) memory: Memory,
    pub(crate) claims: Mutex<HashMap<Vec<u8>, Owner>>,
    pub(crate) readers: AtomicU64,
    positions: Mutex<HashMap<Vec<u8>, Arc<AtomicU64>>>,
}

impl Shared {
    pub(crate) fn file(&self, name: &[u8]) -> Option<Bytes> {
        self.memory.get(stored(name))
    }

    pub(crate) fn set(&self, name: &[u8], content: &[u8]) {
        self.memory.insert(stored(name), content.to_vec()).unwrap();
    }

    pub(crate) fn remove(&self, name: &[u8]) {
        self.memory.remove(stored(name));
    }
}

/// Memory has no name with a slash before it: this is how a faulty one gets there.
fn stored(name: &[u8]) -> Vec<u8> {
    if name.first() == Some(&b'/') { [b"slash", name].concat() } else { name.to_vec() }
}

impl Faulty {
    pub(crate) fn new(fault: Fault, policy: WritePolicy) -> Self {
        Self { fault, policy, shared: Arc::default() }
    }

    pub(crate) fn insert(&self, name: &str, content: &[u8]) {
        self.shared.set(name.as_bytes(), content);
    }
}

impl Storage for Faulty {
    type Reader = FaultyReader;
    type Writer = FaultyWriter;

    async fn open_read(&self, request: &ReadRequest, _: &Context) -> Result<FaultyReader, StorageError> {
        let name = resolve(self.fault, &request.name)?;
        let content = match (self.shared.file(&name), self.fault) {
            (Some(content), Fault::EmptyIsNotFound) if content.is_empty() => return Err(StorageError::NotFound),
            (Some(content), _) => content,
            (None, Fault::UnknownIsEmpty) => Bytes::new(),
            (None, Fault::UnknownIsAnotherError) => return Err(StorageError::Other("no such key".into())),
            (None, _) => return Err(StorageError::NotFound),
        };
        if self.fault == Fault::OneReaderAtATime && self.shared.readers.load(Ordering::Relaxed) > 0 {
            return Err(StorageError::Full);
        }
        self.shared.readers.fetch_add(1, Ordering::Relaxed);
        let common = Arc::clone(self.shared.positions.lock().unwrap().entry(name.clone()).or_default());
        common.store(0, Ordering::Relaxed);
        let (fault, shared) = (self.fault, Arc::clone(&self.shared));
        Ok(FaultyReader { fault, shared, name, content, common, position: 0, reads: 0, declined: false })
    }

    async fn open_write(&self, request: &WriteRequest, _: &Context) -> Result<FaultyWriter, StorageError> {
        let policy = if self.fault == Fault::PolicyIsIgnored { WritePolicy::ANY } else { self.policy };
        let limit = policy.max_size;
        match self.fault {
            Fault::LargestSizeIsIgnored => WritePolicy { max_size: None, ..policy }.check_request(request)?,
            Fault::LargestSizeIsOneTooMany => {
                WritePolicy { max_size: limit.map(|limit| limit + 1), ..policy }.check_request(request)?;
            }
            _ => policy.check_request(request)?,
        }
        if self.fault == Fault::NoBytesAnnouncedIsRefused && request.size == Some(0) {
            return Err(StorageError::Other("empty".into()));
        }
        let name = resolve(self.fault, &request.name)?;
        let claim = if self.fault == Fault::ClaimIsOnTheSpelling { request.name.clone() } else { name.clone() };
        let mut claims = self.shared.claims.lock().unwrap();
        match (claims.get(&claim), self.fault) {
            (None, _) | (Some(_), Fault::SecondWriterIsLetIn) => {}
            (Some(_), Fault::BusyNamesAnother) => return Err(StorageError::Busy { owner: Owner(0) }),
            (Some(_), Fault::BusyIsElsewhere) => return Err(StorageError::BusyElsewhere),
            (Some(owner), _) => return Err(StorageError::Busy { owner: *owner }),
        }
        let old = self.shared.file(&name);
        match (policy.check_existing(old.is_some()), self.fault) {
            (Err(StorageError::AlreadyExists), Fault::ExistingIsReplaced)
            | (Err(StorageError::NotFound), Fault::MissingIsMade) => {}
            (result, _) => result?,
        }
        claims.insert(claim.clone(), request.owner);
        match self.fault {
            Fault::VisibleFromTheBeginning if old.is_none() => self.shared.set(&name, b""),
            Fault::OldIsGoneAtOnce => self.shared.remove(&name),
            _ => {}
        }
        let limit = match self.fault {
            Fault::LargestSizeIsIgnored | Fault::LargestSizeIsThatAnnounced => None,
            Fault::LargestSizeIsOneTooMany => limit.map(|limit| limit + 1),
            _ => limit,
        };
        let (fault, shared) = (self.fault, Arc::clone(&self.shared));
        Ok(FaultyWriter {
            fault,
            shared,
            name,
            claim,
            old,
            limit,
            hint: request.size,
            content: Vec::new(),
            writes: 0,
            ended: false,
        })
    }
}
