//! A name of its own for each upload.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::storage::names::canonical;
use crate::storage::{Context, ReadRequest, Storage, StorageError, WriteRequest};

/// How many numbers are tried that turn out to be taken.
const ATTEMPTS: u32 = 100;

/// How many names are remembered within a second; more only cost more attempts.
const REMEMBERED: usize = 10_000;

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Gives each upload the time it began in its name, so that none replaces another: `config.txt` becomes
/// `config-2026-11-22T10-00-00.txt`. The time is UTC; a second upload within a second becomes `…-00-2.txt`.
///
/// The time stands before the last dot of the last part of the name. Downloads are not touched: whoever wants a file back
/// asks for its full name. The storage below should refuse to replace files
/// ([`WritePolicy::CREATE`](crate::storage::WritePolicy::CREATE)): a name is looked up before it is given, as far as files
/// can be read, but another server may take it at the same moment.
///
/// ```
/// use tftp_driver::storage::layers::UniqueNames;
/// use tftp_driver::storage::{Memory, WritePolicy};
///
/// let files = UniqueNames::new(Memory::builder().write_policy(WritePolicy::CREATE).build());
/// # let _ = files;
/// ```
#[derive(Clone)]
pub struct UniqueNames<S> {
    storage: S,
    clock: Clock,
    given: Arc<Mutex<Given>>,
}

/// The names that were given in the present second, each with its last number.
#[derive(Default)]
struct Given {
    second: i64,
    numbers: HashMap<Vec<u8>, u32>,
}

impl Given {
    fn next(&mut self, name: &[u8], second: i64) -> u32 {
        if self.second != second {
            *self = Self { second, numbers: HashMap::new() };
        }
        if let Some(number) = self.numbers.get_mut(name) {
            *number += 1;
            return *number;
        }
        if self.numbers.len() < REMEMBERED {
            self.numbers.insert(name.to_vec(), 1);
        }
        1
    }
}

impl<S: Storage> UniqueNames<S> {
    /// Uploads go to `storage` under names with the system's time.
    pub fn new(storage: S) -> Self {
        Self::with_clock(storage, SystemTime::now)
    }

    /// The same by a clock of one's own.
    pub fn with_clock(storage: S, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { storage, clock: Arc::new(clock), given: Arc::default() }
    }
}

/// The name with a time in it, and from the second upload of that second on with a number, too. `name` is a
/// [canonical] one.
#[must_use]
pub fn unique_name(name: &[u8], time: SystemTime, number: u32) -> Vec<u8> {
    let time = to_second(time).strftime("%Y-%m-%dT%H-%M-%S").to_string();
    let number = if number > 1 { format!("-{number}") } else { String::new() };
    let last = name.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    // A dot at the beginning hides a file; it does not begin an extension.
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|dot| *dot > last).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    [stem, b"-", time.as_bytes(), number.as_bytes(), extension].concat()
}

/// A clock that is set to no year that a date could have is as good as one that stands still.
fn to_second(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl<S: Storage> Storage for UniqueNames<S> {
    type Reader = S::Reader;
    type Writer = S::Writer;

    fn open_read(
        &self,
        request: &ReadRequest,
        cx: &Context,
    ) -> impl Future<Output = Result<Self::Reader, StorageError>> + Send {
        self.storage.open_read(request, cx)
    }

    async fn open_write(&self, request: &WriteRequest, cx: &Context) -> Result<S::Writer, StorageError> {
        // What ends like a directory must not become a file by what is put behind it.
        let asked = canonical(&request.name)?;
        let time = (self.clock)();
        for _ in 0..ATTEMPTS {
            let number =
                self.given.lock().unwrap_or_else(PoisonError::into_inner).next(&asked, to_second(time).as_second());
            let name = unique_name(&asked, time, number);
            let look_up = ReadRequest { name: name.clone(), peer: request.peer, local_ip: request.local_ip };
            if self.storage.open_read(&look_up, cx).await.is_ok() {
                continue;
            }
            match self.storage.open_write(&WriteRequest { name, ..*request }, cx).await {
                Err(StorageError::AlreadyExists | StorageError::Busy { .. } | StorageError::BusyElsewhere) => {}
                answer => return answer,
            }
        }
        Err(StorageError::AlreadyExists)
    }
}

impl<S: fmt::Debug> fmt::Debug for UniqueNames<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueNames").field("storage", &self.storage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_time_stands_before_the_extension() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_341_600_999);
        let name = |name: &str, attempt| String::from_utf8(unique_name(name.as_bytes(), time, attempt)).unwrap();
        assert_eq!(name("config.txt", 1), "config-2026-11-22T10-00-00.txt");
        assert_eq!(name("config.txt", 2), "config-2026-11-22T10-00-00-2.txt");
        assert_eq!(name("a.b/config", 1), "a.b/config-2026-11-22T10-00-00");
        assert_eq!(name("a.b/config", 3), "a.b/config-2026-11-22T10-00-00-3");
        assert_eq!(name("core.1.gz", 1), "core.1-2026-11-22T10-00-00.gz");
        assert_eq!(name("a/.hidden", 1), "a/.hidden-2026-11-22T10-00-00");
        assert_eq!(name(".hidden", 1), ".hidden-2026-11-22T10-00-00");
        assert_eq!(name("config.", 1), "config-2026-11-22T10-00-00.");
    }
}
