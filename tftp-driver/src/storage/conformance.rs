//! What every storage must honour, as checks that any back end's tests can run.
//!
//! | check | for |
//! |---|---|
//! | [`writable`] | storage that takes uploads: all rules, from empty storage |
//! | [`uploads`] | the same without the rules of names: layers that change names |
//! | [`readable`] | any file of any storage: reads of it |
//! | [`read_only`] | storage that takes no uploads |
//! | [`attack`] | any storage with a file in it: names that must not be read |
//!
//! Every check says which rule was broken, and how. That they find what they are for is tested, too, with storage that has
//! one fault at a time.
//!
//! ```
//! use tftp_driver::storage::{Context, Memory, conformance};
//!
//! let make = |policy| Memory::builder().write_policy(policy).build();
//! let cx = Context::inline();
//! let check = conformance::writable(make, &cx); // to be awaited
//! # futures_lite::future::block_on(check).unwrap();
//! ```

mod names;
mod reading;
mod writing;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;

use super::{Context, Owner, ReadRequest, Reader, Storage, StorageError, WritePolicy, WriteRequest, Writer};

/// A rule that storage broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The rule.
    pub rule: &'static str,
    /// What happened instead.
    pub detail: String,
}

impl Failure {
    fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

impl std::error::Error for Failure {}

/// Checks storage that takes uploads. `make` gives fresh, empty storage with the policy, for each rule anew; its files
/// may be read.
///
/// # Errors
///
/// The first rule that was broken.
pub async fn writable<S: Storage>(make: impl Fn(WritePolicy) -> S, cx: &Context) -> Result<(), Failure> {
    uploads(&make, cx).await?;
    names(&make, cx).await
}

/// The rules of [`writable`] but those of names: for layers that change names as they please.
///
/// # Errors
///
/// The first rule that was broken.
pub async fn uploads<S: Storage>(make: impl Fn(WritePolicy) -> S, cx: &Context) -> Result<(), Failure> {
    let any = || Bench { storage: make(WritePolicy::ANY), cx };
    writing::comes_back_whole(&any()).await?;
    writing::invisible_until_commit(&any()).await?;
    writing::replaced_whole(&any()).await?;
    writing::abort_leaves_nothing(&any()).await?;
    writing::drop_leaves_nothing(&any()).await?;
    writing::writes_are_sequential(&any()).await?;
    writing::a_large_hint_is_only_a_hint(&any()).await?;
    writing::one_writer(&any()).await?;
    writing::names_are_independent(&any()).await?;
    writing::readers_keep_their_version(&any()).await?;
    let with = |policy| Bench { storage: make(policy), cx };
    writing::read_only(&with(WritePolicy::READ_ONLY), "a").await?;
    writing::create_only(&with(WritePolicy::CREATE)).await?;
    writing::overwrite_only(&with(WritePolicy::OVERWRITE)).await?;
    writing::largest_size(&with(WritePolicy::ANY.with_max_size(1000))).await?;
    reading::unknown_name(&any()).await
}

async fn names<S: Storage>(make: impl Fn(WritePolicy) -> S, cx: &Context) -> Result<(), Failure> {
    let any = || Bench { storage: make(WritePolicy::ANY), cx };
    names::one_file_by_every_spelling(&any()).await?;
    names::every_part_counts(&any()).await?;
    names::dots_are_legal(&any()).await?;
    names::none_is_written(&any()).await?;
    let kept = any();
    expect("a file can be written", names::KEPT, kept.put(names::KEPT, b"kept", 512).await)?;
    names::none_is_read(&kept, names::KEPT.as_bytes()).await
}

/// Checks that the file `name` of `storage` reads as `content`, whatever is asked in whatever order and by how many. It
/// finds most with a file of several hundred kilobytes.
///
/// # Errors
///
/// The first rule that was broken.
pub async fn readable<S: Storage>(storage: S, name: &str, content: &[u8], cx: &Context) -> Result<(), Failure> {
    let bench = Bench { storage, cx };
    reading::exact_reads(&bench, name, content).await?;
    reading::same_offset_again(&bench, name, content).await?;
    reading::readers_are_independent(&bench, name, content).await
}

/// Checks that `storage` takes no upload, neither of a new file nor of `name`, which is one that it has.
///
/// # Errors
///
/// The first rule that was broken.
pub async fn read_only<S: Storage>(storage: S, name: &str, cx: &Context) -> Result<(), Failure> {
    let bench = Bench { storage, cx };
    for name in [name, "new", "new/new"] {
        writing::read_only(&bench, name).await?;
    }
    Ok(())
}

/// Checks that no hostile name is that of a file: neither one that leads upwards, in any spelling, nor one that would
/// become `name` by decoding, translating or cutting it. `name` is a file that `storage` has; others that it has must not have
/// one of these names by right.
///
/// # Errors
///
/// The first rule that was broken.
pub async fn attack<S: Storage>(storage: S, name: &str, cx: &Context) -> Result<(), Failure> {
    let bench = Bench { storage, cx };
    expect("the file is there", name, bench.reader(name).await)?;
    names::none_is_read(&bench, name.as_bytes()).await?;
    reading::unknown_name(&bench).await?;
    // Whatever was asked has done it no harm.
    expect("the file is still there", name, bench.reader(name).await).map(drop)
}

/// Storage under test, and how the checks use it.
struct Bench<'a, S> {
    storage: S,
    cx: &'a Context,
}

fn peer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 40_000).into()
}

impl<S: Storage> Bench<'_, S> {
    async fn reader(&self, name: impl AsRef<[u8]>) -> Result<S::Reader, StorageError> {
        self.storage.open_read(&ReadRequest::new(name.as_ref(), peer()), self.cx).await
    }

    async fn writer(&self, name: &str, owner: u64) -> Result<S::Writer, StorageError> {
        self.storage.open_write(&WriteRequest::new(name, peer(), Owner(owner)), self.cx).await
    }

    async fn writer_of(&self, name: &str, size: u64) -> Result<S::Writer, StorageError> {
        let request = WriteRequest { size: Some(size), ..WriteRequest::new(name, peer(), Owner(1)) };
        self.storage.open_write(&request, self.cx).await
    }

    /// Reads a whole file in pieces of `len` bytes.
    async fn get(&self, name: impl AsRef<[u8]>, len: usize) -> Result<Vec<u8>, StorageError> {
        let mut reader = self.reader(name).await?;
        let mut content = Vec::new();
        loop {
            let piece = read(&mut reader, content.len() as u64, len).await?;
            content.extend_from_slice(&piece);
            if piece.len() < len {
                return Ok(content);
            }
        }
    }

    /// Uploads a whole file in pieces of `len` bytes.
    async fn put(&self, name: &str, content: &[u8], len: usize) -> Result<(), StorageError> {
        let mut writer = self.writer(name, 1).await?;
        if let Err(error) = fill(&mut writer, content, len).await {
            writer.abort().await;
            return Err(error);
        }
        writer.commit().await
    }
}

/// As the loop does: at once if that is possible.
async fn read<R: Reader>(reader: &mut R, offset: u64, len: usize) -> Result<Bytes, StorageError> {
    match reader.try_read_at(offset, len) {
        Some(result) => result,
        None => reader.read_at(offset, len).await,
    }
}

/// Writes in pieces, by both ways in turn.
async fn fill<W: Writer>(writer: &mut W, content: &[u8], len: usize) -> Result<(), StorageError> {
    let mut offset = 0;
    for (index, piece) in content.chunks(len).enumerate() {
        let piece = Bytes::copy_from_slice(piece);
        let end = offset + piece.len() as u64;
        let at_once = if index % 3 == 2 { None } else { writer.try_write_at(offset, &piece) };
        match at_once {
            Some(result) => result?,
            None => writer.write_at(offset, piece).await?,
        }
        offset = end;
    }
    Ok(())
}

/// Bytes that differ from place to place, and from one `seed` to the next.
fn pattern(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8 ^ (i / 251 % 256) as u8 ^ seed).collect()
}

/// Turns an unexpected result into a failure of `rule`.
fn expect<T>(rule: &'static str, what: &str, result: Result<T, StorageError>) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(rule, format!("{what}: {error} ({error:?})")))
}

/// Fails `rule` unless the result is the error that `is` accepts.
fn expect_error<T>(
    rule: &'static str,
    what: &str,
    result: Result<T, StorageError>,
    is: impl FnOnce(&StorageError) -> bool,
) -> Result<(), Failure> {
    match result {
        Err(error) if is(&error) => Ok(()),
        Err(error) => Err(Failure::new(rule, format!("{what}: the wrong error: {error:?}"))),
        Ok(_) => Err(Failure::new(rule, format!("{what}: no error"))),
    }
}

/// Fails `rule` unless the bytes are equal.
fn expect_bytes(rule: &'static str, what: &str, actual: &[u8], expected: &[u8]) -> Result<(), Failure> {
    if actual == expected {
        return Ok(());
    }
    let first = actual.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let detail = format!("{what}: {} bytes, expected {}; they differ from byte {first}", actual.len(), expected.len());
    Err(Failure::new(rule, detail))
}
