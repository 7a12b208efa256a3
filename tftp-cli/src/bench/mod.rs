//! The load generator: many clients against any TFTP server.
//!
//! Each client is the protocol core's own [`Transfer`](tftp_proto::transfer::Transfer) on a socket of its own. A thread
//! drives its share of them in one loop, without tasks, locks or allocations per packet.

mod args;
mod client;
mod limits;
mod plan;
mod report;
mod socket;
mod tally;
mod worker;

pub(crate) use args::BenchArgs;

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

use crate::client::local;
use crate::escape::{escape, escape_json};
use crate::exit::{Exit, Failure};
use crate::remote::{Remote, TransferMode};
use crate::signals::Signals;
use crate::terminal;
use crate::units::show_size;
use plan::Plan;
use report::Outcome;
use tally::{Content, Tally};
use worker::{Gauge, Worker};

/// How often the progress line changes.
const TICK: Duration = Duration::from_millis(200);

pub(crate) async fn run(args: &BenchArgs) -> Result<(), Failure> {
    let mut remote = Remote::parse(&args.server, args.path.as_deref())?;
    remote.complete_name(None)?;
    if remote.mode == Some(TransferMode::Netascii) {
        return Err(Failure::usage("bench measures octet transfers only"));
    }
    let server = resolve(&remote, args.local_address).await?;
    let expected = match &args.verify {
        Some(Some(path)) => Some(content_of(path).map_err(|error| local(path, "read", &error))?),
        _ => None,
    };
    let plan = Arc::new(Plan::new(args, server, remote.path.clone()));
    let mut signals =
        Signals::new().map_err(|error| Failure::new(Exit::Other, format!("cannot watch for signals: {error}")))?;
    let (tally, processor) = drive(&plan, &mut signals, !args.no_progress && !args.output.quiet).await?;
    let outcome =
        Outcome { plan: &plan, tally, processor, expected, server: remote.server(), name: escape(&remote.path) };
    let printed = if args.json {
        writeln!(io::stdout(), "{}", escape_json(&outcome.json().to_string()))
    } else {
        write!(io::stdout(), "{}", outcome.text())
    };
    printed.map_err(|error| Failure::new(Exit::LocalIo, format!("cannot write the result: {error}")))?;
    outcome.verdict()
}

/// Runs the threads to their end. A signal ends them early.
async fn drive(plan: &Arc<Plan>, signals: &mut Signals, progress: bool) -> Result<(Tally, Option<Duration>), Failure> {
    let network = |error: io::Error| Failure::new(Exit::Network, format!("cannot use a socket: {error}"));
    limits::allow_sockets(plan.clients).map_err(|most| {
        Failure::new(Exit::Other, format!("this process may have {most} sockets, one for each client is needed"))
            .hint("raise the limit of open files (ulimit -n), or use fewer --clients")
    })?;
    let gauges: Arc<[Gauge]> = (0..plan.threads).map(|_| Gauge::default()).collect();
    let barrier = Arc::new(Barrier::new(plan.threads + 1));
    let (ended, mut end) = tokio::sync::mpsc::channel(plan.threads);
    let mut handles = Vec::new();
    for thread in 0..plan.threads {
        let (plan, gauges, barrier, ended) = (plan.clone(), gauges.clone(), barrier.clone(), ended.clone());
        handles.push(std::thread::spawn(move || {
            let worker = gauges
                .get(thread)
                .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
                .and_then(|gauge| Worker::new(&plan, gauge, thread));
            // All have their sockets, or all give up.
            if worker.is_err() {
                plan.stop();
            }
            barrier.wait();
            let tally = worker.and_then(Worker::run);
            if tally.is_err() {
                plan.stop();
            }
            // Nobody listens only if the main thread is gone.
            let _ = ended.blocking_send(());
            tally
        }));
    }
    drop(ended);
    barrier.wait();
    let processor = limits::processor_time();
    watch(plan, &gauges, signals, &mut end, progress).await;
    let processor = limits::processor_time().zip(processor).map(|(end, start)| end.saturating_sub(start));
    let mut all = Tally::default();
    for handle in handles {
        let tally = handle.join().map_err(|_| Failure::new(Exit::Other, "a thread has ended by itself"))?;
        all.merge(tally.map_err(network)?);
    }
    all.latencies.sort_unstable();
    Ok((all, processor))
}

/// Shows how far it is, until every thread has ended.
async fn watch(
    plan: &Plan,
    gauges: &[Gauge],
    signals: &mut Signals,
    end: &mut tokio::sync::mpsc::Receiver<()>,
    progress: bool,
) {
    let bar = if progress && io::stderr().is_terminal() {
        let bar = ProgressBar::with_draw_target(plan.requests(), terminal::draw_target());
        let template = if plan.requests().is_some() { "{wide_bar} {percent:>3}% {msg}" } else { "{spinner} {msg}" };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    } else {
        ProgressBar::hidden()
    };
    let mut tick = tokio::time::interval(TICK);
    let (mut last, mut last_bytes) = (Instant::now(), 0);
    loop {
        tokio::select! {
            ended = end.recv() => if ended.is_none() { break },
            _ = signals.next() => plan.stop(),
            _ = tick.tick() => {
                let sum = |field: fn(&Gauge) -> &std::sync::atomic::AtomicU64| {
                    gauges.iter().map(|gauge| field(gauge).load(Ordering::Relaxed)).sum::<u64>()
                };
                let (completed, failed, bytes) = (sum(|g| &g.completed), sum(|g| &g.failed), sum(|g| &g.bytes));
                let seconds = last.elapsed().as_secs_f64().max(1e-3);
                let rate = (bytes.saturating_sub(last_bytes)) as f64 / seconds;
                (last, last_bytes) = (Instant::now(), bytes);
                let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
                bar.set_position(completed);
                bar.set_message(format!(
                    "{completed} done, {} under way{failed}, {}/s",
                    sum(|g| &g.active),
                    show_size(rate as u64)
                ));
            }
        }
    }
    bar.finish_and_clear();
}

/// The server's address; the first one of the family that can be used.
async fn resolve(remote: &Remote, local: Option<SocketAddr>) -> Result<SocketAddr, Failure> {
    let server = remote.server();
    let mut found = tokio::net::lookup_host((remote.host.as_str(), remote.port)).await.map_err(|error| {
        Failure::new(Exit::Network, format!("cannot resolve {server}: {error}"))
            .hint("check the name, or use an IP address")
    })?;
    found
        .find(|address| local.is_none_or(|local| local.is_ipv4() == address.is_ipv4()))
        .ok_or_else(|| Failure::new(Exit::Network, format!("{server} has no address of the family asked for")))
}

/// Size and digest of a local file.
fn content_of(path: &Path) -> io::Result<Content> {
    let mut digest = Sha256::new();
    let size = io::copy(&mut std::fs::File::open(path)?, &mut digest)?;
    Ok(Content { size, digest: Some(digest.finalize().into()) })
}
