//! Where log lines go and what they look like.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::LevelFilter;

use crate::args::OutputArgs;

/// The level at which a command logs when nothing else is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Normal {
    /// A server tells its story.
    Info,
    /// A client has a summary of its own.
    Warn,
}

/// Sends log lines to standard error.
pub(crate) fn init(normal: Normal, output: &OutputArgs, json: bool) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_max_level(level(normal, output))
        .with_target(false)
        .with_writer(io::stderr)
        // A log that cannot be written must not bring the server down.
        .log_internal_errors(false);
    if json {
        builder.json().flatten_event(true).with_ansi(false).init();
    } else {
        builder.with_ansi(colours).init();
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
