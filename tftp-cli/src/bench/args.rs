//! `bench`.
// Doc comments of arguments are text for the terminal.
#![allow(rustdoc::broken_intra_doc_links)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::args::{OutputArgs, flag};
use crate::exit::EXIT_CODES;
use crate::units::{parse_duration, parse_size};

const EXAMPLES: &str = "\
Examples:
  tftp-cli bench tftp://192.0.2.1/pxelinux.0 --clients 500
      Can this server boot 500 machines at once?
  tftp-cli bench tftp://192.0.2.1/vmlinuz --clients 16 --window-size 16 --duration 10s --json
      Each of 16 clients downloads again and again for 10 s; the result as one JSON object.
  tftp-cli bench 'tftp://192.0.2.1/file-{client}' --clients 100 --loss 1%
      A file of its own for each client, 1 % of the packets lost in each direction.
  tftp-cli bench 'tftp://192.0.2.1/up/{transfer}' --put 10MiB --clients 8 --requests 100
      100 uploads of 10 MiB, 8 at a time.

In the name, {client} stands for the client, from 0, and {transfer} for the transfer, from 0. Uploads \
without either get {transfer} behind their name.

Every transfer has a socket of its own, and leaves with its last acknowledgement, as boot ROMs do. \
The time of a transfer counts from its first request to that acknowledgement. The throughput is that \
of the completed transfers' bytes, from the first request to the last end.

Units: sizes are bytes or have a unit (KB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024); \
durations are seconds or have a unit (500ms, 2s, 1m).

Settings can come from the environment: --block-size is TFTP_BLOCK_SIZE.";

/// Load a server with many clients and measure it
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct BenchArgs {
    /// URL of the file, or the server as HOST[:PORT]
    pub(super) server: String,
    /// Name of the file on the server, if no URL was given
    pub(super) path: Option<String>,

    /// Transfers at once
    #[arg(short, long, value_name = "N", env = "TFTP_CLIENTS", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=60_000), help_heading = "Load")]
    pub(super) clients: u32,
    /// Upload this many bytes in each transfer, instead of downloading
    #[arg(long, value_name = "SIZE", env = "TFTP_PUT", value_parser = parse_size, help_heading = "Load")]
    pub(super) put: Option<u64>,
    /// Transfers in all [default: one for each client]
    #[arg(short = 'n', long, value_name = "N", env = "TFTP_REQUESTS", help_heading = "Load")]
    pub(super) requests: Option<u64>,
    /// Begin new transfers for this long; those under way then may end
    #[arg(short, long, value_name = "DURATION", env = "TFTP_DURATION", value_parser = parse_duration,
        help_heading = "Load")]
    pub(super) duration: Option<Duration>,
    /// Spread the first requests of the clients over this time instead of sending them at once
    #[arg(long, value_name = "DURATION", env = "TFTP_SPREAD", value_parser = parse_duration, help_heading = "Load")]
    pub(super) spread: Option<Duration>,
    /// Lose this share of the packets, in each direction: "1%" or "0.01"
    #[arg(long, value_name = "SHARE", env = "TFTP_LOSS", value_parser = parse_share, default_value = "0",
        help_heading = "Load")]
    pub(super) loss: f64,
    /// Threads; one is enough for most servers [default: half of the processors]
    #[arg(long, value_name = "N", env = "TFTP_THREADS",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256), help_heading = "Load")]
    pub(super) threads: Option<usize>,
    /// Receive and send packets one by one, as most boot ROMs do, without the system's segmentation offload
    #[arg(long, env = "TFTP_NO_OFFLOAD", value_parser = flag(), help_heading = "Load")]
    pub(super) no_offload: bool,

    /// Block size to ask for, in bytes, 8 to 65464
    #[arg(short, long, value_name = "BYTES", env = "TFTP_BLOCK_SIZE", default_value_t = 1428,
        value_parser = clap::value_parser!(u16).range(8..=65_464), help_heading = "Transfer")]
    pub(super) block_size: u16,
    /// Window to ask for, in blocks sent per acknowledgement, 1 to 32767
    #[arg(short, long, visible_alias = "window", value_name = "BLOCKS", env = "TFTP_WINDOW_SIZE", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=32_767), help_heading = "Transfer")]
    pub(super) window_size: u16,
    /// Check that all downloads of a name are alike by their SHA-256, and equal to this local file if one is given
    #[arg(long, value_name = "FILE", env = "TFTP_VERIFY", num_args = 0..=1, conflicts_with = "put",
        help_heading = "Transfer")]
    pub(super) verify: Option<Option<PathBuf>>,

    /// Send again after this long, until a round trip was measured
    #[arg(short, long, value_name = "DURATION", env = "TFTP_TIMEOUT", value_parser = parse_duration, default_value = "1s",
        help_heading = "Time")]
    pub(super) timeout: Duration,
    /// Never send again sooner than that, whatever the round trip, as most boot ROMs do
    #[arg(long, env = "TFTP_FIXED_TIMEOUT", value_parser = flag(), help_heading = "Time")]
    pub(super) fixed_timeout: bool,
    /// Repeat an unanswered request this often
    #[arg(short, long, value_name = "N", env = "TFTP_RETRIES", default_value_t = 4, help_heading = "Time")]
    pub(super) retries: u32,
    /// Give up when a server that has answered is silent for this long
    #[arg(long, value_name = "DURATION", env = "TFTP_GIVE_UP_AFTER", value_parser = parse_duration, default_value = "30s",
        help_heading = "Time")]
    pub(super) give_up_after: Duration,

    /// Send from this local address, with a port of the system's choice
    #[arg(long, value_name = "IP", env = "TFTP_LOCAL_ADDRESS", value_parser = parse_local, help_heading = "Network")]
    pub(super) local_address: Option<SocketAddr>,

    /// Print the result as one JSON object to standard output
    #[arg(long, env = "TFTP_JSON", value_parser = flag(), help_heading = "Output")]
    pub(super) json: bool,
    /// No progress line, also on a terminal
    #[arg(long, env = "TFTP_NO_PROGRESS", value_parser = flag(), help_heading = "Output")]
    pub(super) no_progress: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// A share as `1%` or `0.01`.
fn parse_share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim_end(), 0.01),
        None => (text.trim(), 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if (0.0..=0.9).contains(&(number * unit)) => Ok(number * unit),
        _ => Err("expected a share from 0 to 0.9, such as 0.01 or 1%".into()),
    }
}

fn parse_local(text: &str) -> Result<SocketAddr, std::net::AddrParseError> {
    Ok(SocketAddr::new(text.parse()?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fractions_or_percent() {
        assert_eq!(parse_share("0"), Ok(0.0));
        assert_eq!(parse_share("0.25"), Ok(0.25));
        assert_eq!(parse_share("50 %"), Ok(0.5));
        for wrong in ["", "%", "-1%", "91%", "1", "NaN", "few"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }
}
