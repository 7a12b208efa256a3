//! Where log lines go and what they look like.

mod json;
mod queue;

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::OutputArgs;
use json::Escaped;
use queue::Queue;
pub(crate) use queue::QueueGuard;

/// The level at which a command logs when nothing else is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Normal {
    /// A server tells its story.
    Info,
    /// A client has a summary of its own.
    Warn,
}

/// Sends a server's log to standard error without ever waiting for it. The lines that are queued when the guard is
/// dropped get a moment to leave.
pub(crate) fn init_server(output: &OutputArgs, json: bool) -> io::Result<QueueGuard> {
    let (queue, guard) = Queue::start(io::stderr(), |lines| {
        tracing::warn!(lines, "log lines were lost, because whatever reads standard error did not keep up");
    })?;
    init(Normal::Info, output, json, move || queue.clone());
    Ok(guard)
}

/// Sends a client's log to standard error.
pub(crate) fn init_client(output: &OutputArgs) {
    init(Normal::Warn, output, false, io::stderr);
}

fn init<W>(normal: Normal, output: &OutputArgs, json: bool, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(writer)
        // A log that cannot be written must not bring the server down.
        .log_internal_errors(false);
    // Our own lines alone: what the libraries below have to say may hold URLs with credentials in them.
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level(normal, output));
    if json {
        let layer = layer.map_writer(Escaped);
        registry().with(layer.json().flatten_event(true).with_ansi(false).with_filter(ours)).init();
    } else {
        registry().with(layer.with_ansi(colours).with_filter(ours)).init();
    }
}

fn level(normal: Normal, output: &OutputArgs) -> LevelFilter {
    match (normal, output.quiet, output.verbose) {
        (_, true, _) | (Normal::Warn, false, 0) => LevelFilter::WARN,
        (Normal::Info, false, 0) => LevelFilter::INFO,
        (Normal::Warn, false, 1) | (Normal::Info, false, 1) => LevelFilter::DEBUG,
        (_, false, _) => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_and_verbose_move_the_level() {
        let level = |normal, verbose, quiet| level(normal, &OutputArgs { verbose, quiet });
        assert_eq!(level(Normal::Info, 0, false), LevelFilter::INFO);
        assert_eq!(level(Normal::Warn, 0, false), LevelFilter::WARN);
        assert_eq!(level(Normal::Info, 0, true), LevelFilter::WARN);
        assert_eq!(level(Normal::Warn, 1, false), LevelFilter::DEBUG);
        assert_eq!(level(Normal::Info, 9, false), LevelFilter::TRACE);
    }
}
