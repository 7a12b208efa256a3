//! `serve`, object stores.
// Doc comments of arguments are text for the terminal.
#![allow(rustdoc::broken_intra_doc_links)]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::units::{parse_duration, parse_size};

#[derive(Debug, Args)]
#[command(next_help_heading = "Object stores")]
pub(crate) struct StoreArgs {
    /// Content kept in memory for the next client; 0 keeps none, and each client fetches for itself
    #[arg(long, value_name = "SIZE", env = "TFTP_CACHE", value_parser = parse_cache, default_value = "256MiB")]
    pub(crate) cache: u64,
    /// Keep content in files beneath DIR, too: what memory has no room for, and what the next run of this server will want.
    /// No other server may use DIR at the same time
    #[arg(long, value_name = "DIR", env = "TFTP_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How much --cache-dir may hold
    #[arg(long, value_name = "SIZE", env = "TFTP_CACHE_DISK_SIZE", value_parser = parse_size, default_value = "10GiB")]
    pub(crate) cache_disk_size: u64,
    /// For how long the store is believed that a file is there, and which version, or that it is not; 0 asks for each
    /// request
    #[arg(long, value_name = "DURATION", env = "TFTP_FRESH_FOR", value_parser = parse_freshness, default_value = "5s")]
    pub(crate) fresh_for: Duration,
    /// A name of this server that no other has at the same time; at its start it removes the unfinished uploads of an
    /// earlier run of that name [default: made of the machine, its name, the SOURCE and what it listens on]
    #[arg(long, value_name = "NAME", env = "TFTP_INSTANCE")]
    pub(crate) instance: Option<String>,
    /// Remove unfinished uploads of other servers, too, once they are so old that nobody can be at it any more
    #[arg(long, value_name = "DURATION", env = "TFTP_LEFTOVERS_AFTER", value_parser = parse_duration,
        default_value = "24h")]
    pub(crate) leftovers_after: Duration,
}

/// A size that may be 0.
fn parse_cache(text: &str) -> Result<u64, String> {
    if text.trim() == "0" { Ok(0) } else { parse_size(text) }
}

/// A duration that may be 0.
fn parse_freshness(text: &str) -> Result<Duration, String> {
    if matches!(text.trim(), "0" | "0s") { Ok(Duration::ZERO) } else { parse_duration(text) }
}
