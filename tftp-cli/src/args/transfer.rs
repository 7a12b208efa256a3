//! `get` and `put`.
// Doc comments of arguments are text for the terminal.
#![allow(rustdoc::broken_intra_doc_links)]

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tftp_tokio::OptionKind;

use super::{OutputArgs, flag, option_kind};
use crate::exit::EXIT_CODES;
use crate::remote::TransferMode;
use crate::units::{parse_duration, parse_size};

const GET_EXAMPLES: &str = "\
Examples:
  tftp-cli get tftp://192.0.2.1/pxelinux.0
      Into ./pxelinux.0.
  tftp-cli get 192.0.2.1 boot/vmlinuz -o /tmp/vmlinuz
      The same with a host and a path; nothing in the path needs escaping.
  tftp-cli get 'tftp://[2001:db8::1]:6969/motd;mode=netascii' -o -
      A text to standard output, from an IPv6 server on another port.
  tftp-cli get 192.0.2.1 firmware.bin --json
      The result as one JSON object.

The file appears under its name only when it is complete; a download that fails leaves nothing, and \
an existing file as it was.";

const PUT_EXAMPLES: &str = "\
Examples:
  tftp-cli put running.cfg tftp://192.0.2.1/backup/r1.cfg
  tftp-cli put running.cfg 192.0.2.1 backup/
      To backup/running.cfg: a path that ends in / takes the name of the file.
  pg_dump mydb | tftp-cli put - 192.0.2.1 mydb.sql
      From standard input; the server is not told the size.";

const UNITS: &str = "\
URLs (RFC 3617): tftp://HOST[:PORT]/PATH[;mode=netascii]. %XX stands for a byte; the path begins \
behind the first /, so a leading / in the name is written tftp://HOST//PATH.

Units: sizes are bytes or have a unit (KB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024); \
durations are seconds or have a unit (500ms, 2s, 1m).

Settings can come from the environment: --block-size is TFTP_BLOCK_SIZE; flags take 1 or 0, lists \
are separated by commas.";

const JSON: &str = "\
--json prints one object, also of a failure; only a wrong command line (exit code 2) may print none:
  ok               true or false
  exit_code        as below
  error, message   of a failure: its name as below, and a line for people
  command          get or put
  server, path     what was asked: HOST:PORT, and the name there
  local            the file here; \"-\" for standard input or output
and as far as the transfer came:
  address          the IP address and port that the server answered from
  bytes, seconds, retransmissions
  mode, block_size, window_size
  announced_size   in bytes; null if nobody told it
  options          what the server granted, by its names; {} if nothing";

/// Download a file
#[derive(Debug, Args)]
#[command(after_help = format!("{GET_EXAMPLES}\n\n{UNITS}\n\n{JSON}\n\n{EXIT_CODES}"))]
pub(crate) struct GetArgs {
    /// URL of the file, or the server as HOST[:PORT]
    pub(crate) server: String,
    /// Name of the file on the server, if no URL was given
    pub(crate) path: Option<String>,
    /// Where to write: a file, a directory, or "-" for standard output [default: the last part of the path]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Give up when the file is larger than this
    #[arg(long, value_name = "SIZE", env = "TFTP_MAX_SIZE", value_parser = parse_size)]
    pub(crate) max_size: Option<u64>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// Upload a file
#[derive(Debug, Args)]
#[command(after_help = format!("{PUT_EXAMPLES}\n\n{UNITS}\n\n{JSON}\n\n{EXIT_CODES}"))]
pub(crate) struct PutArgs {
    /// File to upload, or "-" for standard input
    pub(crate) file: PathBuf,
    /// URL to upload to, or the server as HOST[:PORT]
    pub(crate) server: String,
    /// Name on the server, if no URL was given; without one, or if it ends in "/", that of FILE is used
    pub(crate) path: Option<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// What both have.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// octet for bytes as they are, netascii for text with its line ends translated [default: that of the URL, or
    /// octet]
    #[arg(short, long, value_enum, env = "TFTP_MODE", hide_possible_values = true, help_heading = "Transfer")]
    pub(crate) mode: Option<TransferMode>,
    /// Block size to ask for, in bytes, 8 to 65464. Above 1428 packets may be fragmented
    #[arg(short, long, value_name = "BYTES", env = "TFTP_BLOCK_SIZE", default_value_t = 1428,
        value_parser = clap::value_parser!(u16).range(8..=65_464), help_heading = "Transfer")]
    pub(crate) block_size: u16,
    /// Window to ask for, in blocks sent per acknowledgement, 1 to 32767
    #[arg(short, long, value_name = "BLOCKS", env = "TFTP_WINDOW_SIZE", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=32_767), help_heading = "Transfer")]
    pub(crate) window_size: u16,
    /// Ask the server to send again after this long, 1 to 255 s (its timeout option)
    #[arg(long, value_name = "SECONDS", env = "TFTP_SERVER_TIMEOUT",
        value_parser = clap::value_parser!(u8).range(1..), help_heading = "Transfer")]
    pub(crate) server_timeout: Option<u8>,
    /// Do not ask for this option; repeatable
    #[arg(long, value_name = "NAME", env = "TFTP_DISABLE_OPTION", value_delimiter = ',', value_parser = option_kind(),
        ignore_case = true, hide_possible_values = true, help_heading = "Transfer")]
    pub(crate) disable_option: Vec<OptionKind>,
    /// Ask for no option at all: plain RFC 1350, blocks of 512 bytes. Not needed for old servers, which ignore options
    #[arg(long, env = "TFTP_NO_OPTIONS", value_parser = flag(), help_heading = "Transfer")]
    pub(crate) no_options: bool,

    /// Send again after this long, until a round trip was measured; then the measured time counts, and it doubles with
    /// every retransmission
    #[arg(short, long, value_name = "DURATION", env = "TFTP_TIMEOUT", value_parser = parse_duration, default_value = "1s",
        help_heading = "Time")]
    pub(crate) timeout: Duration,
    /// Repeat the request this often, at each address of the server, and anything later as often without progress
    /// [default: 4 for the request; later --give-up-after counts]
    #[arg(short, long, value_name = "N", env = "TFTP_RETRIES", help_heading = "Time")]
    pub(crate) retries: Option<u32>,
    /// Give up when a server that has answered is silent for this long
    #[arg(long, value_name = "DURATION", env = "TFTP_GIVE_UP_AFTER", value_parser = parse_duration, default_value = "30s",
        help_heading = "Time")]
    pub(crate) give_up_after: Duration,

    /// Use IPv4 only
    #[arg(short = '4', long, env = "TFTP_IPV4", value_parser = flag(), conflicts_with = "ipv6", help_heading = "Network")]
    pub(crate) ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long, env = "TFTP_IPV6", value_parser = flag(), help_heading = "Network")]
    pub(crate) ipv6: bool,
    /// Send from this local address
    #[arg(long, value_name = "IP", env = "TFTP_LOCAL_ADDRESS", help_heading = "Network")]
    pub(crate) local_address: Option<IpAddr>,
    /// Accept answers from other addresses than the one that was asked, as some servers with many send them
    #[arg(long, env = "TFTP_ANY_SOURCE", value_parser = flag(), help_heading = "Network")]
    pub(crate) any_source: bool,

    /// Print the result as one JSON object, to standard output (or standard error if the file goes there)
    #[arg(long, env = "TFTP_JSON", value_parser = flag(), help_heading = "Output")]
    pub(crate) json: bool,
    /// No progress bar, also on a terminal
    #[arg(long, env = "TFTP_NO_PROGRESS", value_parser = flag(), help_heading = "Output")]
    pub(crate) no_progress: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
