//! The result, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tftp_proto::wire::Direction;

use super::plan::Plan;
use super::tally::{Content, Tally};
use crate::exit::{Exit, Failure};
use crate::units::{count, show_rate, show_seconds, show_size};

/// Above this share of its threads' time the generator itself may be what limits the result.
const BUSY: f64 = 0.9;
/// In less time than this nothing is proved by that.
const MEANINGFUL: Duration = Duration::from_millis(500);

/// What came of it all.
pub(super) struct Outcome<'a> {
    pub(super) plan: &'a Plan,
    /// With sorted latencies.
    pub(super) tally: Tally,
    /// Processor time of this process.
    pub(super) processor: Option<Duration>,
    /// The digest that was expected.
    pub(super) expected: Option<Content>,
    /// `host:port`, escaped.
    pub(super) server: String,
    /// The name asked for, escaped.
    pub(super) name: String,
}

impl Outcome<'_> {
    fn completed(&self) -> u64 {
        self.tally.latencies.len() as u64
    }

    fn mean(&self) -> Option<Duration> {
        let sum: u64 = self.tally.latencies.iter().sum();
        sum.checked_div(self.completed()).map(Duration::from_micros)
    }

    /// The share of its threads' time that this process was busy.
    fn busy(&self) -> Option<f64> {
        let available = self.tally.elapsed.as_secs_f64() * self.plan.threads as f64;
        self.processor.filter(|_| available > 0.0).map(|used| used.as_secs_f64() / available)
    }

    fn digest(&self) -> Option<String> {
        let mut digests = self.tally.contents.all().map(|content| content.digest);
        let first = digests.next()??;
        digests.all(|digest| digest == Some(first)).then(|| hex(&first))
    }

    /// Several lines for people.
    pub(super) fn text(&self) -> String {
        let Tally { stats, elapsed, .. } = &self.tally;
        let what = match self.plan.asking.direction {
            Direction::Read => "downloads",
            Direction::Write => "uploads",
        };
        let clients = count(self.plan.clients.into(), "client");
        let threads = count(self.plan.threads as u64, "thread");
        let mut text = format!("{what}   \"{}\" at {}, {clients}, {threads}\n", self.name, self.server);
        let mut line = |label: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{label:<11} {value}");
        };
        let failed = self.tally.failed_count();
        line("transfers", format!("{} completed, {failed} failed{}", self.completed(), self.unfinished()));
        for (failure, number) in &self.tally.failures {
            line("", format!("{number} × {failure}"));
        }
        let rate = show_rate(self.tally.bytes, *elapsed);
        line("throughput", format!("{rate} ({} in {})", show_size(self.tally.bytes), show_seconds(*elapsed)));
        let at = |share| self.tally.percentile(share).map_or("–".into(), show_seconds);
        line("time", format!("p50 {}, p90 {}, p99 {}, max {}", at(0.5), at(0.9), at(0.99), at(1.0)));
        line(
            "packets",
            format!(
                "{} sent, {} received, {} repeated by us, {} timeouts, {} useless",
                stats.datagrams_sent, stats.datagrams_received, stats.retransmissions, stats.timeouts, stats.ignored
            ),
        );
        for ((block, window), number) in &self.tally.agreed {
            line("agreed", format!("{number} × block size {block}, window {window}"));
        }
        if let Some(digest) = self.digest() {
            line("SHA-256", digest);
        }
        if *elapsed > MEANINGFUL && self.busy().is_some_and(|busy| busy > BUSY) {
            let hint = "this generator was busy all the time: more --threads, or another machine, may show more";
            line("note", hint.into());
        }
        text
    }

    fn unfinished(&self) -> String {
        match self.tally.unfinished {
            0 => String::new(),
            number => format!(", {number} broken off"),
        }
    }

    /// One object for programs.
    pub(super) fn json(&self) -> Value {
        let Tally { stats, elapsed, .. } = &self.tally;
        let seconds = elapsed.as_secs_f64();
        let at = |share| self.tally.percentile(share).map(|latency| latency.as_secs_f64());
        let options = &self.plan.asking.options;
        let agreed = self.tally.agreed.iter().map(|((block, window), transfers)| {
            json!({ "block_size": block, "window_size": window, "transfers": transfers })
        });
        json!({
            "command": "bench",
            "server": self.server,
            "path": self.name,
            "direction": match self.plan.asking.direction { Direction::Read => "get", Direction::Write => "put" },
            "clients": self.plan.clients,
            "threads": self.plan.threads,
            "offload": self.plan.offload,
            "loss": self.plan.loss,
            "asked": {
                "block_size": options.block_size.unwrap_or(512),
                "window_size": options.window_size.unwrap_or(1),
            },
            "agreed": agreed.collect::<Vec<_>>(),
            "transfers": {
                "started": self.tally.started,
                "completed": self.completed(),
                "failed": self.tally.failed_count(),
                "unfinished": self.tally.unfinished,
            },
            "failures": self.tally.failures,
            "bytes": self.tally.bytes,
            "seconds": seconds,
            "bytes_per_second": if seconds > 0.0 { self.tally.bytes as f64 / seconds } else { 0.0 },
            "latency_seconds": {
                "p50": at(0.5),
                "p90": at(0.9),
                "p99": at(0.99),
                "max": at(1.0),
                "mean": self.mean().map(|mean| mean.as_secs_f64()),
            },
            "packets": {
                "sent": stats.datagrams_sent,
                "received": stats.datagrams_received,
                "retransmissions": stats.retransmissions,
                "timeouts": stats.timeouts,
                "ignored": stats.ignored,
                "strange": self.tally.strange,
                "send_errors": self.tally.send_errors,
                "receive_errors": self.tally.receive_errors,
            },
            "sha256": self.digest(),
            "generator": {
                "processor_seconds": self.processor.map(|time| time.as_secs_f64()),
                "busy": self.busy(),
            },
        })
    }

    /// Whether this counts as a success.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let failed = self.tally.failed_count() + self.tally.unfinished;
        if let Some(expected) = self.expected
            && self.tally.contents.all().any(|content| *content != expected)
        {
            return Err(Failure::new(Exit::Other, "what was downloaded differs from the local file"));
        }
        if failed == 0 {
            return Ok(());
        }
        let mut kinds = self.tally.failures.keys();
        let exit = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => exit_of(kind),
            _ => Exit::Other,
        };
        Err(Failure::new(exit, format!("{failed} of {} failed", count(self.tally.started, "transfer"))))
    }
}

fn exit_of(kind: &str) -> Exit {
    match kind {
        "no answer" | "silence" => Exit::Timeout,
        kind if kind.starts_with("error 1:") => Exit::NotFound,
        kind if kind.starts_with("error ") => Exit::Refused,
        kind if kind.starts_with("protocol") => Exit::Protocol,
        kind if kind.starts_with("unconfirmed") => Exit::Unconfirmed,
        kind if kind.starts_with("cannot send") => Exit::Network,
        _ => Exit::Other,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
