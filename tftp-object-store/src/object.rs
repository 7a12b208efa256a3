//! One version of an object.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};

use crate::failure::Failure;

/// What identifies the bytes that a reader has opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    pub(crate) path: Path,
    pub(crate) size: u64,
    etag: Option<String>,
    version: Option<String>,
    /// Microseconds since 1970; 0 if the store does not say.
    modified: i64,
    /// Not 0 for an object that nothing tells from a later version: it is like no other.
    nonce: u64,
}

impl Object {
    fn new(meta: ObjectMeta) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let modified = meta.last_modified.timestamp_micros();
        let unknown = meta.e_tag.is_none() && meta.version.is_none() && modified == 0;
        Self {
            path: meta.location,
            size: meta.size,
            etag: meta.e_tag,
            version: meta.version,
            modified,
            nonce: if unknown { NEXT.fetch_add(1, Ordering::Relaxed) } else { 0 },
        }
    }

    /// The version that has the name now.
    pub(crate) async fn look_up(store: &dyn ObjectStore, path: &Path) -> Result<Self, Failure> {
        let meta = store.head(path).await.map_err(|error| match error {
            Error::NotSupported { .. } | Error::NotImplemented { .. } => {
                Failure::other("the origin does not tell sizes (HEAD)")
            }
            other => other.into(),
        })?;
        Ok(Self::new(ObjectMeta { location: path.clone(), ..meta }))
    }

    /// How many bytes of `range` there are.
    pub(crate) fn clamp(&self, range: Range<u64>) -> Range<u64> {
        range.start.min(self.size)..range.end.min(self.size)
    }

    /// Reads a range, which must lie within the object, of this version and no other.
    pub(crate) async fn read(
        &self,
        store: &dyn ObjectStore,
        range: Range<u64>,
        versions: &Versions,
    ) -> Result<Vec<u8>, Failure> {
        let by_version = self.version.is_some() && versions.may_be_read();
        match self.read_once(store, range.clone(), by_version).await {
            Err(Failure::Denied(_)) if by_version => {
                // Another permission than reading the latest one.
                let bytes = self.read_once(store, range, false).await?;
                versions.may_not_be_read();
                Ok(bytes)
            }
            result => result,
        }
    }

    async fn read_once(
        &self,
        store: &dyn ObjectStore,
        range: Range<u64>,
        by_version: bool,
    ) -> Result<Vec<u8>, Failure> {
        let result = store.get_opts(&self.path, self.conditions(range.clone(), by_version)).await;
        let result = result.map_err(|error| match error {
            // It was there when it was opened.
            Error::NotFound { .. } => Failure::Changed,
            other if other.to_string().contains("non-partial response") => {
                Failure::other("the origin does not answer requests for a part of a file (Range)")
            }
            other => other.into(),
        })?;
        // Not every origin heeds conditions.
        let now = Self::new(ObjectMeta { location: self.path.clone(), ..result.meta.clone() });
        if now.size != self.size || now.etag != self.etag || (self.etag.is_none() && now.modified != self.modified) {
            return Err(Failure::Changed);
        }
        let len = usize::try_from(range.end - range.start).map_err(|_| Failure::other("a read without bounds"))?;
        let mut bytes = Vec::with_capacity(len);
        let mut stream = result.into_stream();
        while let Some(piece) = stream.next().await {
            let piece: Bytes = piece?;
            if piece.len() > len - bytes.len() {
                return Err(Failure::other("the object store sent more than was asked for"));
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() < len {
            return Err(Failure::other("the object store sent less than was asked for"));
        }
        Ok(bytes)
    }

    fn conditions(&self, range: Range<u64>, by_version: bool) -> GetOptions {
        // Some answer a range that is all of a file as if it were none.
        let range = (range != (0..self.size)).then_some(GetRange::Bounded(range));
        let mut options = GetOptions { range, ..GetOptions::default() };
        if by_version {
            options.version.clone_from(&self.version);
        }
        match &self.etag {
            // If-Match never matches a weak one (RFC 9110 §13.1.1): what comes back is compared all the same.
            Some(etag) if !etag.starts_with("W/") => options.if_match = Some(etag.clone()),
            _ => {}
        }
        options
    }
}

/// Whether versions of objects may be read by their number, until the store says otherwise. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versions {
    denied: Arc<AtomicBool>,
}

impl Versions {
    fn may_be_read(&self) -> bool {
        !self.denied.load(Ordering::Relaxed)
    }

    fn may_not_be_read(&self) {
        self.denied.store(true, Ordering::Relaxed);
    }
}
