//! A model of storage: what it holds, when it answers, and where it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use tftp_proto::endpoint::{FailureKind, Job, JobResult, OpenRequest, StorageFailure, TransferId};
use tftp_proto::{Instant, Rng};

/// The kinds of jobs, to say which one shall fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobKind {
    /// Open for reading.
    OpenRead,
    /// Open for writing.
    OpenWrite,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Commit.
    Commit,
    /// Abort.
    Abort,
    /// Close.
    Close,
}

impl JobKind {
    const fn of(job: &Job) -> Self {
        match job {
            Job::OpenRead(_) => Self::OpenRead,
            Job::OpenWrite(_) => Self::OpenWrite,
            Job::Read { .. } => Self::Read,
            Job::Write { .. } => Self::Write,
            Job::Commit => Self::Commit,
            Job::Abort => Self::Abort,
            Job::Close => Self::Close,
        }
    }

    /// Whether a job of this kind ends what an open began.
    const fn is_end(self) -> bool {
        matches!(self, Self::Commit | Self::Abort | Self::Close)
    }
}

/// What happens to one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is done after this long.
    After(Duration),
    /// It fails after this long.
    Fails(Duration, FailureKind),
    /// It is never answered.
    Never,
}

/// How storage behaves where no script says otherwise. The default answers at once and never fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// The longest time a job takes.
    pub latency: Duration,
    /// Jobs that fail, per mille.
    pub failures: u32,
    /// Jobs that are never answered, per mille.
    pub silences: u32,
}

/// One thing storage was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// For which transfer.
    pub id: TransferId,
    /// What.
    pub kind: JobKind,
    /// When.
    pub at: Instant,
    /// The request, for opens.
    pub open: Option<OpenRequest>,
    /// Offset and length, for reads and writes.
    pub range: Option<(u64, usize)>,
}

#[derive(Debug)]
enum Handle {
    Reader { version: Rc<Vec<u8>>, keep: u64 },
    Writer { name: Option<Vec<u8>>, bytes: Vec<u8> },
}

/// The storage of one endpoint.
#[derive(Debug)]
pub struct Store {
    files: BTreeMap<Vec<u8>, Rc<Vec<u8>>>,
    handles: BTreeMap<TransferId, Handle>,
    /// Who is writing which name.
    claims: BTreeMap<Vec<u8>, TransferId>,
    /// Whether a file that exists may be replaced.
    pub overwrite: bool,
    /// Whether the size of a file is known before it is read.
    pub sizes_known: bool,
    /// If set, the size that every file claims to have.
    pub claimed_size: Option<u64>,
    habits: Habits,
    scripts: Vec<(JobKind, usize, Fate)>,
    rng: Rng,
    pending: BTreeMap<(Instant, u64), (TransferId, Job, Option<FailureKind>)>,
    under_way: BTreeSet<TransferId>,
    silenced: BTreeSet<TransferId>,
    submitted: u64,
    received: BTreeMap<TransferId, Vec<u8>>,
    log: Vec<Asked>,
}

impl Store {
    /// An empty store whose behaviour follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            files: BTreeMap::new(),
            handles: BTreeMap::new(),
            claims: BTreeMap::new(),
            overwrite: false,
            sizes_known: true,
            claimed_size: None,
            habits: Habits::default(),
            scripts: Vec::new(),
            rng: Rng::new(seed),
            pending: BTreeMap::new(),
            under_way: BTreeSet::new(),
            silenced: BTreeSet::new(),
            submitted: 0,
            received: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// Sets how storage behaves from now on.
    pub fn set_habits(&mut self, habits: Habits) {
        self.habits = habits;
    }

    /// The fate of the next job of a kind, after `skip` others of that kind.
    pub fn script(&mut self, kind: JobKind, skip: usize, fate: Fate) {
        self.scripts.push((kind, skip, fate));
    }

    /// Puts a file there.
    pub fn insert(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(name.as_bytes().to_vec(), Rc::new(content.into()));
    }

    /// A file that is there, whole.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name.as_bytes()).map(|file| file.as_slice())
    }

    /// How many files are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no file is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// What a transfer has committed.
    #[must_use]
    pub fn received(&self, id: TransferId) -> Option<&[u8]> {
        self.received.get(&id).map(Vec::as_slice)
    }

    /// Everything that was asked so far.
    #[must_use]
    pub fn log(&self) -> &[Asked] {
        &self.log
    }

    /// How often a kind of job was asked for.
    #[must_use]
    pub fn count(&self, kind: JobKind) -> usize {
        self.log.iter().filter(|asked| asked.kind == kind).count()
    }

    /// The opens so far.
    pub fn opens(&self) -> impl Iterator<Item = &OpenRequest> {
        self.log.iter().filter_map(|asked| asked.open.as_ref())
    }

    /// Transfers whose file is open and that have no unanswered job: something has forgotten them if all is quiet.
    pub fn leaks(&self) -> impl Iterator<Item = TransferId> + '_ {
        self.handles.keys().copied().filter(|id| !self.silenced.contains(id))
    }

    /// Transfers that wait for ever for an answer: what they hold cannot be let go.
    #[must_use]
    pub fn silenced(&self) -> usize {
        self.silenced.len()
    }

    /// Whether a transfer waits for ever for an answer.
    #[must_use]
    pub fn is_silenced(&self, id: TransferId) -> bool {
        self.silenced.contains(&id)
    }

    /// Whether anybody holds the writer's claim on a name.
    #[must_use]
    pub fn is_claimed(&self, name: &str) -> bool {
        self.claims.contains_key(name.as_bytes())
    }

    /// A client's put: its source is open from the start.
    pub fn adopt_source(&mut self, id: TransferId, content: Vec<u8>) {
        self.handles.insert(id, Handle::Reader { version: Rc::new(content), keep: 0 });
    }

    /// A client's get: its sink is open from the start.
    pub fn adopt_sink(&mut self, id: TransferId) {
        self.handles.insert(id, Handle::Writer { name: None, bytes: Vec::new() });
    }

    /// Takes a job.
    ///
    /// # Panics
    ///
    /// If the transfer has a job under way, has no file open, or the job does not fit the file.
    pub fn submit(&mut self, now: Instant, id: TransferId, job: Job) {
        let kind = JobKind::of(&job);
        assert!(self.under_way.insert(id), "{kind:?} while {id:?} has a job under way");
        let open = match &job {
            Job::OpenRead(request) | Job::OpenWrite(request) => Some(request.clone()),
            Job::Read { .. } | Job::Write { .. } | Job::Commit | Job::Abort | Job::Close => None,
        };
        let range = match &job {
            Job::Read { offset, len, .. } => Some((*offset, *len)),
            Job::Write { offset, bytes } => Some((*offset, bytes.len())),
            Job::OpenRead(_) | Job::OpenWrite(_) | Job::Commit | Job::Abort | Job::Close => None,
        };
        self.log.push(Asked { id, kind, at: now, open, range });
        self.check_fit(id, &job);
        match self.fate(kind) {
            Fate::After(delay) => self.enqueue(now + delay, (id, job, None)),
            Fate::Fails(delay, failure) => self.enqueue(now + delay, (id, job, Some(failure))),
            Fate::Never => {
                self.silenced.insert(id);
            }
        }
    }

    fn enqueue(&mut self, at: Instant, item: (TransferId, Job, Option<FailureKind>)) {
        self.submitted += 1;
        self.pending.insert((at, self.submitted), item);
    }

    fn check_fit(&mut self, id: TransferId, job: &Job) {
        match (self.handles.get_mut(&id), job) {
            (None, Job::OpenRead(_) | Job::OpenWrite(_)) => {}
            (Some(Handle::Reader { keep: kept, .. }), Job::Read { offset, len, keep }) => {
                assert!(*len > 0, "an empty read");
                assert!(offset >= kept, "read at {offset}, but {kept} was not to be asked again");
                assert!(keep <= offset, "keeps from {keep} on but reads at {offset}");
                *kept = *keep;
            }
            (Some(Handle::Writer { bytes, .. }), Job::Write { offset, bytes: new }) => {
                assert_eq!(*offset, bytes.len() as u64, "writes leave no gap");
                assert!(!new.is_empty(), "an empty write");
            }
            (Some(Handle::Reader { .. }), Job::Close) | (Some(Handle::Writer { .. }), Job::Commit | Job::Abort) => {}
            (handle, job) => panic_for(id, handle.is_some(), job),
        }
    }

    fn fate(&mut self, kind: JobKind) -> Fate {
        let mut chosen = None;
        for (index, (scripted, skip, _)) in self.scripts.iter_mut().enumerate() {
            if *scripted == kind {
                if *skip == 0 {
                    chosen = Some(index);
                    break;
                }
                *skip -= 1;
            }
        }
        if let Some(index) = chosen {
            return self.scripts.remove(index).2;
        }
        let Habits { latency, failures, silences } = self.habits;
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        let delay = Duration::from_micros(u64::from(self.rng.below(micros.saturating_add(1))));
        if silences > 0 && self.rng.below(1000) < silences {
            return Fate::Never;
        }
        if failures > 0 && self.rng.below(1000) < failures {
            let kinds = [
                FailureKind::NotFound,
                FailureKind::AccessDenied,
                FailureKind::Full,
                FailureKind::Changed,
                FailureKind::Exhausted,
                FailureKind::Other,
            ];
            let pick = usize::try_from(self.rng.below(6)).unwrap_or(0);
            return Fate::Fails(delay, kinds.get(pick).copied().unwrap_or(FailureKind::Other));
        }
        Fate::After(delay)
    }

    /// When the next answer is ready.
    #[must_use]
    pub fn next_answer(&self) -> Option<Instant> {
        self.pending.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next answer that is ready by `now`.
    pub fn answer(&mut self, now: Instant) -> Option<(TransferId, JobResult)> {
        if self.next_answer()? > now {
            return None;
        }
        let (_, (id, job, failure)) = self.pending.pop_first()?;
        self.under_way.remove(&id);
        let kind = JobKind::of(&job);
        let result = match failure {
            Some(failure) => {
                if kind.is_end() {
                    self.end(id);
                }
                JobResult::Failed(StorageFailure::new(failure, "/secret/path of the store"))
            }
            None => self.perform(id, job),
        };
        Some((id, result))
    }

    fn perform(&mut self, id: TransferId, job: Job) -> JobResult {
        let failed = |kind| JobResult::Failed(StorageFailure::new(kind, "/secret/path of the store"));
        match job {
            Job::OpenRead(request) => match self.files.get(&request.filename) {
                Some(file) => {
                    let size = self.claimed_size.or(self.sizes_known.then_some(file.len() as u64));
                    self.handles.insert(id, Handle::Reader { version: Rc::clone(file), keep: 0 });
                    JobResult::Opened { size }
                }
                None => failed(FailureKind::NotFound),
            },
            Job::OpenWrite(request) => {
                if let Some(owner) = self.claims.get(&request.filename) {
                    return failed(FailureKind::Busy { owner: owner.to_u64() });
                }
                if !self.overwrite && self.files.contains_key(&request.filename) {
                    return failed(FailureKind::AlreadyExists);
                }
                self.claims.insert(request.filename.clone(), id);
                self.handles.insert(id, Handle::Writer { name: Some(request.filename), bytes: Vec::new() });
                JobResult::Opened { size: None }
            }
            Job::Read { offset, len, .. } => match self.handles.get(&id) {
                Some(Handle::Reader { version, .. }) => {
                    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(version.len());
                    let end = start.saturating_add(len).min(version.len());
                    JobResult::Read(version.get(start..end).unwrap_or_default().to_vec().into())
                }
                Some(Handle::Writer { .. }) | None => failed(FailureKind::Other),
            },
            Job::Write { bytes: new, .. } => {
                if let Some(Handle::Writer { bytes, .. }) = self.handles.get_mut(&id) {
                    bytes.extend_from_slice(&new);
                }
                JobResult::Written
            }
            Job::Commit => {
                if let Some(Handle::Writer { name, bytes }) = self.end(id) {
                    if let Some(name) = name {
                        self.files.insert(name, Rc::new(bytes.clone()));
                    }
                    self.received.insert(id, bytes);
                }
                JobResult::Committed
            }
            Job::Abort | Job::Close => {
                self.end(id);
                JobResult::Closed
            }
        }
    }

    /// What an open began is over.
    fn end(&mut self, id: TransferId) -> Option<Handle> {
        self.claims.retain(|_, owner| *owner != id);
        self.handles.remove(&id)
    }
}

#[allow(clippy::panic, reason = "a test's verdict")]
fn panic_for(id: TransferId, is_open: bool, job: &Job) {
    panic!("{id:?} (open: {is_open}) cannot be asked for {job:?}");
}
