//! One log line for each transfer that ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::Level;

use super::quota::Quota;
use crate::args::PolicyArgs;
use crate::escape::{escape, escape_short};
use crate::units::{count, show_seconds, show_size};
use tftp_tokio::{Direction, ErrorCode, Event, FailureKind, Mode, Options, Outcome, RefusedReason, Report};

/// After which most clients ask again that have negotiated no interval.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// What a server did since it started. Clones share the numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals(Arc<Mutex<Numbers>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Numbers {
    downloads: u64,
    sent: u64,
    uploads: u64,
    received: u64,
    not_found: u64,
    probes: u64,
    failed: u64,
    dropped: u64,
}

impl Totals {
    fn update(&self, change: impl FnOnce(&mut Numbers)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One sentence.
    pub(crate) fn summary(&self) -> String {
        let numbers = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{} ({}), {} ({}), {} not found, {}, {} failed, {} dropped",
            count(numbers.downloads, "download"),
            show_size(numbers.sent),
            count(numbers.uploads, "upload"),
            show_size(numbers.received),
            numbers.not_found,
            count(numbers.probes, "size probe"),
            numbers.failed,
            numbers.dropped,
        )
    }
}

/// Turns a server's events into log lines and numbers.
#[derive(Debug)]
pub(crate) struct Story {
    json: bool,
    max_upload: Option<u64>,
    totals: Totals,
    max_transfers: usize,
    max_per_client: Option<usize>,
    /// For requests that come to nothing, shared with others who log what a stranger can cause.
    quota: Arc<Quota>,
}

impl Story {
    pub(crate) fn new(json: bool, policy: &PolicyArgs, quota: Arc<Quota>) -> Self {
        let PolicyArgs { max_upload, max_transfers, max_per_client, .. } = *policy;
        Self { json, max_upload, totals: Totals::default(), max_transfers, max_per_client, quota }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals.clone()
    }

    pub(crate) fn tell(&self, event: &Event) {
        if let Some(lines) = self.quota.left_out(Instant::now()) {
            tracing::warn!(
                lines,
                "too many requests came to nothing, or had their names trimmed, to log each: -v shows all"
            );
        }
        match event {
            Event::Finished(report) => self.finished(report),
            Event::Saturated { dropped } => {
                self.totals.update(|numbers| numbers.dropped += dropped);
                tracing::warn!(
                    dropped,
                    max_transfers = self.max_transfers,
                    max_per_client = self.max_per_client,
                    "too many requests at once: some were left unanswered, clients repeat them"
                );
            }
            // Every transfer tells its parameters again when it ends.
            _ => {}
        }
    }

    fn finished(&self, report: &Report) {
        let timeout = report.parameters.and_then(|parameters| parameters.timeout);
        let verdict =
            Verdict::of(&report.outcome, report.direction, self.max_upload).after_commit(report.commit_time, timeout);
        self.totals.update(|numbers| match verdict.class {
            Class::Done if report.direction == Direction::Read => {
                numbers.downloads += 1;
                numbers.sent += report.bytes;
            }
            Class::Done => {
                numbers.uploads += 1;
                numbers.received += report.bytes;
            }
            Class::NotFound => numbers.not_found += 1,
            Class::Probe => numbers.probes += 1,
            Class::Failed => numbers.failed += 1,
        });
        let direction = match report.direction {
            Direction::Read => "get",
            Direction::Write => "put",
        };
        let file = self.text(&report.filename);
        let reason = verdict.reason.as_deref().map(|reason| self.quoted(reason));
        let options = self.quoted(&show_options(&report.options));
        let mode =
            (report.parameters.is_some_and(|parameters| parameters.mode == Mode::Netascii)).then_some("netascii");
        // A tsize that does not come true tells of a client or a disk that went wrong.
        let announced = report
            .parameters
            .and_then(|parameters| parameters.transfer_size)
            .filter(|size| mode.is_none() && verdict.class == Class::Done && *size != report.bytes && *size > 0);
        macro_rules! line {
            ($level:ident) => {
                tracing::event!(
                    Level::$level,
                    client = %report.peer,
                    file = %file,
                    direction = %direction,
                    bytes = report.bytes,
                    seconds = rounded(report.duration),
                    options = %options,
                    mode = mode.map(tracing::field::display),
                    retransmissions = report.stats.retransmissions,
                    announced,
                    commit_seconds = report.commit_time.map(rounded),
                    outcome = %verdict.outcome,
                    reason = reason.as_ref().map(tracing::field::display),
                    "{}",
                    verdict.message
                )
            };
        }
        let came_to_nothing = verdict.class == Class::Failed && report.bytes == 0;
        match verdict.level {
            _ if came_to_nothing && !self.quota.take(Instant::now()) => line!(DEBUG),
            Level::ERROR => line!(ERROR),
            Level::WARN => line!(WARN),
            Level::INFO => line!(INFO),
            _ => line!(DEBUG),
        }
    }

    /// Bytes from the network as a field: quoted and escaped here for text; JSON has its own quotes and escapes.
    fn text(&self, bytes: &[u8]) -> String {
        if self.json { String::from_utf8_lossy(bytes).into_owned() } else { format!("\"{}\"", escape(bytes)) }
    }

    /// Text of ours as a field. It is already escaped where it quotes a peer.
    fn quoted(&self, text: &str) -> String {
        if self.json { text.to_owned() } else { format!("\"{text}\"") }
    }
}

fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn show_options(options: &Options) -> String {
    let mut out = String::new();
    for (kind, value) in options.iter() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(kind.name());
        out.push('=');
        out.push_str(&value.to_string());
    }
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Done,
    Probe,
    NotFound,
    Failed,
}

/// How an outcome is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    level: Level,
    message: &'static str,
    outcome: &'static str,
    class: Class,
    reason: Option<String>,
}

impl Verdict {
    fn of(outcome: &Outcome, direction: Direction, max_upload: Option<u64>) -> Self {
        use Class::{Done, Failed, NotFound, Probe};
        let done = if direction == Direction::Read { "sent" } else { "received" };
        let (level, message, name, class, reason) = match outcome {
            Outcome::Completed => (Level::INFO, done, "completed", Done, None),
            Outcome::DeliveredUnconfirmed => {
                (Level::INFO, done, "unconfirmed", Done, Some("the last acknowledgement never came".into()))
            }
            Outcome::SizeProbe => (Level::DEBUG, "size probe", "size_probe", Probe, None),
            Outcome::PeerError { code, message } => {
                let reason = format!("ERROR {}: {}", code.to_wire(), escape_short(message, 200));
                (Level::INFO, "ended by the client", "client_error", Failed, Some(reason))
            }
            Outcome::TimedOut => (Level::WARN, "gave up", "timeout", Failed, Some("the client fell silent".into())),
            Outcome::Refused { reason, .. } => {
                (Level::WARN, "refused", "refused", Failed, Some(refusal(*reason, max_upload)))
            }
            // An upload meant to be kept: nobody looks for files this way.
            Outcome::StorageFailed { code: ErrorCode::FileNotFound, .. } if direction == Direction::Write => (
                Level::WARN,
                "refused",
                "not_found",
                Failed,
                Some("no such file to replace, or no such directory".into()),
            ),
            Outcome::StorageFailed { code: ErrorCode::FileNotFound, detail, .. } => {
                (Level::DEBUG, "not found", "not_found", NotFound, Some(escape(detail.as_bytes())))
            }
            Outcome::StorageFailed { kind, code, detail } => {
                let reason = escape_short(detail.as_bytes(), 500);
                match (kind, code) {
                    (FailureKind::OverQuota, _) | (_, ErrorCode::AccessViolation | ErrorCode::FileAlreadyExists) => {
                        (Level::WARN, "refused", "denied", Failed, Some(reason))
                    }
                    _ => (Level::ERROR, "failed", "storage_error", Failed, Some(reason)),
                }
            }
            Outcome::Cancelled => (Level::INFO, "cancelled", "cancelled", Failed, None),
            Outcome::ShutDown => (Level::WARN, "ended by the shutdown", "shutdown", Failed, None),
            Outcome::Replaced => {
                (Level::INFO, "replaced by a new request of the same client", "replaced", Failed, None)
            }
            Outcome::Yielded => (Level::WARN, "ended: another client took over the upload", "yielded", Failed, None),
            Outcome::Evicted => {
                let reason = "it never answered, and its place was needed";
                (Level::WARN, "gave up", "evicted", Failed, Some(reason.into()))
            }
            _ => (Level::WARN, "ended", "other", Failed, Some(escape(format!("{outcome:?}").as_bytes()))),
        };
        Self { level, message, outcome: name, class, reason }
    }

    /// A file that was kept, but so slowly that its client asked again meanwhile, or gave up.
    fn after_commit(self, commit: Option<Duration>, timeout: Option<Duration>) -> Self {
        let interval = timeout.unwrap_or(USUAL_INTERVAL);
        match commit.filter(|commit| self.class == Class::Done && *commit > interval) {
            Some(commit) => {
                let (took, waits) = (show_seconds(commit), show_seconds(interval));
                let reason = format!("storage took {took} to keep it, and the client may wait no longer than {waits}");
                Self { level: Level::WARN, reason: Some(reason), ..self }
            }
            None => self,
        }
    }
}

fn refusal(reason: RefusedReason, max_upload: Option<u64>) -> String {
    match reason {
        RefusedReason::MailMode => "mail mode is obsolete".into(),
        RefusedReason::EmptyName => "the request names no file".into(),
        RefusedReason::TooLarge if max_upload.is_none() => "it announced more bytes than a file can have".into(),
        RefusedReason::TooLarge => "larger than --max-upload allows".into(),
        RefusedReason::Illegal(_) => format!("the client broke the protocol: {reason}"),
        reason => format!("{reason:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: &Outcome) -> Verdict {
        Verdict::of(outcome, Direction::Read, None)
    }

    fn failed(kind: FailureKind, code: ErrorCode) -> Outcome {
        Outcome::StorageFailed { kind, code, detail: "x".into() }
    }

    #[test]
    fn what_boot_clients_do_all_day_is_quiet() {
        assert_eq!(verdict(&Outcome::SizeProbe).level, Level::DEBUG);
        let not_found = failed(FailureKind::NotFound, ErrorCode::FileNotFound);
        assert_eq!(verdict(&not_found).level, Level::DEBUG);
        assert_eq!(verdict(&not_found).class, Class::NotFound);
    }

    #[test]
    fn an_upload_that_finds_no_place_is_not() {
        let not_found = failed(FailureKind::NotFound, ErrorCode::FileNotFound);
        let verdict = Verdict::of(&not_found, Direction::Write, None);
        assert_eq!((verdict.level, verdict.class), (Level::WARN, Class::Failed));
    }

    #[test]
    fn success_is_named_after_the_direction() {
        assert_eq!(Verdict::of(&Outcome::Completed, Direction::Read, None).message, "sent");
        assert_eq!(Verdict::of(&Outcome::Completed, Direction::Write, None).message, "received");
        assert_eq!(verdict(&Outcome::DeliveredUnconfirmed).class, Class::Done);
    }

    #[test]
    fn a_commit_that_outlasts_the_clients_interval_is_a_warning() {
        let level = |outcome: &Outcome, commit, timeout| {
            let commit = Some(Duration::from_millis(commit));
            Verdict::of(outcome, Direction::Write, None).after_commit(commit, timeout).level
        };
        let asked = Some(Duration::from_secs(1));
        assert_eq!(level(&Outcome::Completed, 1_000, asked), Level::INFO);
        assert_eq!(level(&Outcome::Completed, 1_001, asked), Level::WARN);
        assert_eq!(level(&Outcome::Completed, 5_000, None), Level::INFO);
        assert_eq!(level(&Outcome::Completed, 5_001, None), Level::WARN);
        assert_eq!(level(&failed(FailureKind::Other, ErrorCode::NotDefined), 9_000, None), Level::ERROR);
        let slow =
            Verdict::of(&Outcome::Completed, Direction::Write, None).after_commit(Some(Duration::from_secs(7)), asked);
        assert_eq!((slow.message, slow.outcome), ("received", "completed"), "it is kept all the same");
        let reason = "storage took 7.000 s to keep it, and the client may wait no longer than 1.000 s";
        assert_eq!(slow.reason.as_deref(), Some(reason));
    }

    #[test]
    fn a_peers_message_is_escaped_and_cut() {
        let outcome = Outcome::PeerError {
            code: ErrorCode::NotDefined,
            message: [b"\n2026 INFO sent \"".as_slice(), &[b'x'; 60_000]].concat(),
        };
        let reason = verdict(&outcome).reason.unwrap();
        assert!(reason.starts_with(r#"ERROR 0: \n2026 INFO sent \"xxx"#), "{reason}");
        assert!(reason.chars().count() < 230);
    }

    #[test]
    fn a_failing_disk_is_an_error_a_policy_is_not() {
        let level = |kind, code| verdict(&failed(kind, code)).level;
        assert_eq!(level(FailureKind::Other, ErrorCode::NotDefined), Level::ERROR);
        assert_eq!(level(FailureKind::Full, ErrorCode::DiskFull), Level::ERROR);
        assert_eq!(level(FailureKind::OverQuota, ErrorCode::DiskFull), Level::WARN);
        assert_eq!(level(FailureKind::AccessDenied, ErrorCode::AccessViolation), Level::WARN);
        assert_eq!(level(FailureKind::AlreadyExists, ErrorCode::FileAlreadyExists), Level::WARN);
    }

    #[test]
    fn options_are_shown_as_on_the_wire() {
        let options = Options { block_size: Some(1432), transfer_size: Some(7), ..Options::NONE };
        assert_eq!(show_options(&options), "blksize=1432 tsize=7");
        assert_eq!(show_options(&Options::NONE), "");
    }

    #[test]
    fn totals_add_up() {
        let totals = Totals::default();
        totals.update(|numbers| {
            numbers.downloads += 1;
            numbers.sent += 2048;
        });
        assert_eq!(
            totals.clone().summary(),
            "1 download (2.0 KiB), 0 uploads (0 B), 0 not found, 0 size probes, 0 failed, 0 dropped"
        );
    }
}
