//! One version of an object.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

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
    first: First,
}

/// The ETag and the time of the first content that came. Known to an object, and no part of what it is.
#[derive(Debug, Clone, Default)]
struct First(OnceLock<(Option<String>, i64)>);

impl PartialEq for First {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for First {}

impl Hash for First {
    fn hash<H: Hasher>(&self, _: &mut H) {}
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
            first: First::default(),
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

    /// What tells this version from all others, also after a restart; `None` if the store does not say enough.
    pub(crate) fn identity(&self) -> Option<Vec<u8>> {
        if self.etag.is_none() && self.version.is_none() {
            return None;
        }
        let text = |text: &Option<String>| text.as_ref().map_or_else(|| "-".to_owned(), |text| format!("+{text}"));
        let (etag, version) = (text(&self.etag), text(&self.version));
        // No part can be mistaken for the beginning of the next one.
        let parts = [self.path.as_ref(), &etag, &version, &self.size.to_string(), &self.modified.to_string()];
        let mut identity = Vec::new();
        for part in parts {
            identity.extend_from_slice(&(part.len() as u64).to_le_bytes());
            identity.extend_from_slice(part.as_bytes());
        }
        Some(identity)
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
        if !self.has_sent(&result.meta) {
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

    /// Whether an answer is of this version. Origins may leave out of one answer what they say in another: what the
    /// look-up did not tell, the first content does.
    fn has_sent(&self, answer: &ObjectMeta) -> bool {
        if answer.size != self.size {
            return false;
        }
        if let (Some(opened), Some(sent)) = (&self.etag, &answer.e_tag) {
            return opened == sent;
        }
        let sent = (answer.e_tag.clone(), answer.last_modified.timestamp_micros());
        let first = self.first.0.get_or_init(|| sent.clone());
        let as_old = |opened: i64| opened == sent.1;
        match (&self.etag, self.modified) {
            (Some(_), 0) => false,
            (Some(_), opened) => as_old(opened),
            (None, 0) => *first == sent,
            (None, opened) => as_old(opened) && first.0 == sent.0,
        }
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
