//! The storage, and its settings.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path;
use tftp_driver::storage::{Claims, Context, ReadRequest, Storage, StorageError, WritePolicy, WriteRequest};
use tokio::sync::{Semaphore, watch};

use crate::chunks::{Chunks, Disk};
use crate::disk::DiskCache;
use crate::executor::Executor;
use crate::failure::Failure;
use crate::heads::Heads;
use crate::keys::Keys;
use crate::leftovers::Leftovers;
use crate::location::{Kind, StoreUrl};
use crate::object::Object;
use crate::reader::ObjectReader;
use crate::run::Run;
use crate::shared::{Settings, Shared};
use crate::stats::{Counters, Stats};
use crate::stores::{self, PART, Stores};
use crate::writer::ObjectWriter;

/// Why a store cannot be served. No text of it holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not one of a store.
    #[error("not the URL of an object store: {0}")]
    Url(String),
    /// A setting, of ours or of the store's client.
    #[error("{0}")]
    Configuration(String),
    /// The store does not do what uploads without overwriting need.
    #[error("{0}")]
    Conditions(String),
    /// The store cannot be reached, or refuses.
    #[error(transparent)]
    Storage(StorageError),
}

/// Files in an object store, read-only unless it is told otherwise. Clones share it.
///
/// **Names.** A file's key is the prefix, `/`, and the name's canonical spelling (leading `/` dropped, `\` is `/`,
/// `./a//b` is `a/b`), unchanged: nothing is encoded or folded. `..`, control bytes, names that are not UTF-8 and keys
/// above 1024 bytes are refused.
///
/// **Reading.** A reader keeps to the version it opened. If that is replaced while it is read, reading goes on where the
/// bucket keeps versions, or fails with [`StorageError::Changed`]; it never mixes two. Objects are read in chunks of
/// 1 MiB, one ahead; the first byte is there long before the last.
///
/// **Writing.** An upload appears whole when it is committed, or not at all. Up to 5 MiB it is one request; what is
/// larger goes to a temporary key beneath `.tftp-upload-tmp/` in parts while it arrives, and is copied to its name by the
/// store. Without `overwrite` in the policy the store itself makes sure that nothing is replaced, so that of two servers
/// that take the same name only one succeeds; whether the store can do that is tried out when it is opened.
///
/// **Runtime.** Requests run on a thread of its own, so it works under any async runtime.
///
/// ```no_run
/// use tftp_object_store::ObjectStorage;
///
/// # async fn example() -> Result<(), tftp_object_store::OpenError> {
/// // Credentials come from the environment: AWS_ACCESS_KEY_ID and so on.
/// let storage = ObjectStorage::builder("s3://bucket/boot").cache_bytes(1 << 30).open().await?;
/// # let _ = storage;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ObjectStorage {
    shared: Arc<Shared>,
    /// What was removed at the start, once that is known.
    leftovers: watch::Receiver<Option<Result<Leftovers, Failure>>>,
}

/// Settings of an [`ObjectStorage`].
#[derive(Clone)]
#[must_use]
pub struct ObjectStorageBuilder {
    source: Source,
    options: stores::Settings,
    settings: Settings,
    instance: Option<String>,
    disk: Option<DiskCache>,
}

#[derive(Clone)]
enum Source {
    /// Or why it is none.
    Url(Result<StoreUrl, String>),
    Store(Arc<dyn ObjectStore>, String),
}

impl ObjectStorage {
    /// Settings for the store that a URL means:
    ///
    /// * `s3://BUCKET/PREFIX`: Amazon S3 and what speaks its protocol.
    /// * `gs://BUCKET/PREFIX`: Google Cloud Storage.
    /// * `az://CONTAINER/PREFIX`, `abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX`: Azure Blob Storage.
    /// * `http://HOST/PREFIX`, `https://…`: an origin to read from. It must answer HEAD and range requests.
    ///
    /// Everything else comes from the environment, by the names that each store's own tools use: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL` and others;
    /// `GOOGLE_APPLICATION_CREDENTIALS`; `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY` and others.
    pub fn builder(url: impl Into<String>) -> ObjectStorageBuilder {
        let url = StoreUrl::parse(&url.into()).map_err(|error| match error {
            OpenError::Url(reason) => reason,
            other => other.to_string(),
        });
        ObjectStorageBuilder::new(Source::Url(url))
    }

    /// The same for a URL that was looked at before.
    pub fn at(url: StoreUrl) -> ObjectStorageBuilder {
        ObjectStorageBuilder::new(Source::Url(Ok(url)))
    }

    /// Settings for any store of the `object_store` crate. Keys begin with `prefix`, which may be empty.
    ///
    /// The store must be made for tokio, and is used within it.
    pub fn builder_with(store: Arc<dyn ObjectStore>, prefix: impl Into<String>) -> ObjectStorageBuilder {
        ObjectStorageBuilder::new(Source::Store(store, prefix.into()))
    }

    /// What was asked of the store so far, and what the cache has saved.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            look_ups: counters.look_ups.get(),
            look_ups_saved: counters.look_ups_saved.get(),
            chunks_fetched: counters.chunks_fetched.get(),
            chunks_from_memory: counters.chunks_from_memory.get(),
            chunks_from_disk: counters.chunks_from_disk.get(),
            bytes_fetched: counters.bytes_fetched.get(),
            bytes_in_memory: self.shared.chunks.used(),
            bytes_on_disk: self.shared.chunks.disk().map_or(0, DiskCache::bytes),
            disk_failures: self.shared.chunks.disk().map_or(0, DiskCache::failures),
        }
    }

    /// What killed servers had left in the store when this was opened. Storage that takes uploads removes that in the
    /// background: what an earlier run of this server left at once, if it has a [name](ObjectStorageBuilder::instance);
    /// of others only what is [too old](ObjectStorageBuilder::leftovers_after) to be alive.
    ///
    /// # Errors
    ///
    /// What kept it from looking, such as a permission that is missing. The storage works all the same.
    pub async fn removed_leftovers(&self) -> Result<Leftovers, StorageError> {
        let mut leftovers = self.leftovers.clone();
        let told = leftovers.wait_for(Option::is_some).await.map(|told| told.clone());
        let stopped = || Err(Failure::other("the object store's runtime has stopped"));
        told.ok().flatten().unwrap_or_else(stopped).map_err(Into::into)
    }

    /// Asks the store for an object that is not there, to find out whether it answers as it should.
    ///
    /// # Errors
    ///
    /// [`StorageError::AccessDenied`] also where a store does not tell missing objects from forbidden ones (S3, without
    /// the permission to list).
    pub async fn check(&self) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        let path = shared.keys.temporary(&shared.run.token())?;
        let look_up = async move { Object::look_up(&*shared.stores.quick, &path).await };
        match self.shared.executor.spawn(look_up).await? {
            Ok(_) | Err(Failure::NotFound) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// The largest upload that the store can take, in bytes.
    #[must_use]
    pub fn max_upload(&self) -> u64 {
        self.shared.stores.max_upload
    }
}

impl ObjectStorageBuilder {
    fn new(source: Source) -> Self {
        Self {
            source,
            options: Vec::new(),
            settings: Settings {
                readable: true,
                policy: WritePolicy::READ_ONLY,
                cache_bytes: 256 << 20,
                read_buffers: 128 << 20,
                write_buffers: 256 << 20,
                fresh_for: Duration::from_secs(5),
                leftovers_after: Duration::from_secs(24 * 60 * 60),
            },
            instance: None,
            disk: None,
        }
    }

    /// Sets an option of the store's client, over what the environment says. Keys are those of the environment, in
    /// lower case: `aws_endpoint_url`, `azure_storage_account_name`. What the store does not know is ignored.
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((key.into().to_ascii_lowercase(), value.into()));
        self
    }

    /// Which uploads to accept. None by default: [`WritePolicy::READ_ONLY`].
    pub fn write_policy(mut self, policy: WritePolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Whether files may be read. They may by default; a drop box is `readable(false)`.
    pub fn readable(mut self, readable: bool) -> Self {
        self.settings.readable = readable;
        self
    }

    /// The most bytes of content to keep in memory for the next reader. 256 MiB by default; 0 keeps nothing, and
    /// every reader fetches for itself.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.settings.cache_bytes = bytes;
        self
    }

    /// Keeps content on disk, too, behind the cache in memory. None by default. What has neither an ETag nor a version
    /// is not kept there.
    pub fn disk_cache(mut self, cache: DiskCache) -> Self {
        self.disk = Some(cache);
        self
    }

    /// The most bytes that chunks which are being read may take beside the cache. 128 MiB by default. Where they are
    /// used up, readers fetch smaller pieces.
    pub fn read_buffer_bytes(mut self, bytes: u64) -> Self {
        self.settings.read_buffers = bytes;
        self
    }

    /// The most bytes that uploads may hold in parts, all together. 256 MiB by default, 5 MiB at least. An upload has
    /// 64 KiB beside that; above, it waits for its turn.
    pub fn write_buffer_bytes(mut self, bytes: u64) -> Self {
        self.settings.write_buffers = bytes;
        self
    }

    /// How long the store's answer is believed that a file is there, and which version, or that it is not. 5 s by
    /// default. 0: the store is asked for each file that is opened.
    ///
    /// Content is never stale: it belongs to its version. Uploads through this storage are seen at once.
    pub fn fresh_for(mut self, duration: Duration) -> Self {
        self.settings.fresh_for = duration;
        self
    }

    /// The name of this server, by which it knows what an earlier run of it has left in the store: 1 to 64 letters,
    /// digits, `-` and `_`. No two servers that run at the same time may have the same. None by default.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.instance = Some(name.into());
        self
    }

    /// How old unfinished uploads of other servers must be to be removed. 24 h by default; no upload may take longer.
    pub fn leftovers_after(mut self, age: Duration) -> Self {
        self.settings.leftovers_after = age;
        self
    }

    /// Opens the storage. If uploads may not overwrite, the store is tried out first.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: a URL or a setting that makes no sense, a store that cannot be reached or does not do what
    /// uploads need.
    pub async fn open(self) -> Result<ObjectStorage, OpenError> {
        let shared = Arc::new(self.connect()?);
        let policy = shared.settings.policy;
        if policy.create && !policy.overwrite {
            let probing = Arc::clone(&shared);
            shared.executor.spawn(async move { probing.probe().await }).await.map_err(OpenError::Storage)??;
        }
        let (tell, leftovers) = watch::channel(None);
        if policy.is_read_only() {
            tell.send_replace(Some(Ok(Leftovers::default())));
        } else {
            let cleaning = Arc::clone(&shared);
            drop(shared.executor.spawn(async move {
                let removed = cleaning.remove_leftovers().await;
                tell.send_replace(Some(removed));
            }));
        }
        Ok(ObjectStorage { shared, leftovers })
    }

    fn connect(self) -> Result<Shared, OpenError> {
        let Self { source, options, settings, instance, disk } = self;
        if disk.is_some() && settings.cache_bytes == 0 {
            // In memory readers find each other, so that one of them fetches for all.
            return Err(OpenError::Configuration("a cache on disk needs one in memory".to_owned()));
        }
        let run = Run::new(instance.as_deref())?;
        let (stores, keys, name) = match source {
            Source::Url(location) => {
                let location = location.map_err(OpenError::Url)?;
                let mut all = stores::environment();
                all.extend(options);
                let keys = Keys::new(&location.prefix, location.kind == Kind::Azure);
                (Stores::connect(&location, &all)?, keys, stores::name(&location, &all))
            }
            Source::Store(store, prefix) => {
                let wrong = |error: object_store::path::Error| OpenError::Configuration(error.to_string());
                // Nobody knows which of them is the same tomorrow.
                let name = run.token();
                (Stores::custom(store), Keys::new(&Path::parse(prefix).map_err(wrong)?, false), name)
            }
        };
        if !stores.writable && !settings.policy.is_read_only() {
            return Err(OpenError::Configuration("an HTTP origin takes no uploads".to_owned()));
        }
        let started = Executor::start();
        let failed = |error: std::io::Error| OpenError::Storage(error.into());
        let counters = Arc::new(Counters::default());
        let parts = usize::try_from(settings.write_buffers).unwrap_or(usize::MAX) / PART;
        Ok(Shared {
            executor: started.map_err(failed)?,
            stores,
            keys,
            run,
            heads: Heads::new(settings.fresh_for),
            chunks: Chunks::new(
                settings.cache_bytes,
                settings.read_buffers,
                disk.map(|cache| Disk { cache, store: name }),
                Arc::clone(&counters),
            ),
            parts: Arc::new(Semaphore::new(parts.clamp(1, Semaphore::MAX_PERMITS))),
            claims: Claims::new(),
            counters,
            honoured: OnceLock::new(),
            settings,
        })
    }
}

impl Storage for ObjectStorage {
    type Reader = ObjectReader;
    type Writer = ObjectWriter;

    async fn open_read(&self, request: &ReadRequest, _: &Context) -> Result<ObjectReader, StorageError> {
        if !self.shared.settings.readable {
            return Err(StorageError::AccessDenied("reading is not allowed".into()));
        }
        let path = self.shared.keys.to_read(&request.name)?;
        let shared = Arc::clone(&self.shared);
        let look_up = async move { shared.heads.get(&*shared.stores.quick, &path, &shared.counters).await };
        let object = self.shared.executor.spawn(look_up).await??;
        Ok(ObjectReader::new(object, Arc::clone(&self.shared)))
    }

    async fn open_write(&self, request: &WriteRequest, _: &Context) -> Result<ObjectWriter, StorageError> {
        let policy = self.shared.settings.policy;
        policy.check_request(request)?;
        let limit = self.shared.stores.max_upload;
        if request.size.is_some_and(|size| size > limit) {
            return Err(StorageError::TooLarge { limit });
        }
        let path = self.shared.keys.to_write(&request.name)?;
        let claim = self.shared.claims.take(path.as_ref().to_owned(), request.owner)?;
        if policy.create != policy.overwrite {
            let (shared, path) = (Arc::clone(&self.shared), path.clone());
            let look_up = async move { Object::look_up(&*shared.stores.quick, &path).await };
            match self.shared.executor.spawn(look_up).await? {
                Ok(_) => policy.check_existing(true)?,
                Err(Failure::NotFound) => policy.check_existing(false)?,
                // Who may write need not be allowed to look. At the commit the store decides all the same.
                Err(Failure::Denied(_)) if policy.create => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(ObjectWriter::open(Arc::clone(&self.shared), path, claim))
    }
}

impl fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStorage").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

/// Without the options, which may be credentials.
impl fmt::Debug for ObjectStorageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStorageBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
