//! The progress bar.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal;

const SIZED: &str = "{msg} {wide_bar} {percent:>3}% {bytes:>10}/{total_bytes} {bytes_per_sec:>12} {eta:>4} left";
const UNSIZED: &str = "{msg} {spinner} {bytes} {bytes_per_sec} {elapsed}";

/// A bar on standard error, or nothing where nobody would see it.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `wanted`: whether the arguments allow one.
    pub(crate) fn new(wanted: bool, name: &str) -> Self {
        if !wanted || !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, terminal::draw_target());
        bar.set_style(style(UNSIZED));
        bar.set_message(name.to_owned());
        // A server that keeps us waiting must not look like a bar that hangs.
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// The transfer has begun; its size may be known now.
    pub(crate) fn started(&self, size: Option<u64>) {
        if let Some(size) = size {
            self.0.set_length(size);
            self.0.set_style(style(SIZED));
        }
        // The time spent on reaching the server is not the transfer's.
        self.0.reset_eta();
    }

    pub(crate) fn set(&self, transferred: u64) {
        self.0.set_position(transferred);
    }

    /// Removes the bar; what comes after it stands on a clean line.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants that a test has parsed.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [SIZED, UNSIZED] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
