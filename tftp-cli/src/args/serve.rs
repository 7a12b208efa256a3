//! `serve`.
// Doc comments of arguments are text for the terminal.
#![allow(rustdoc::broken_intra_doc_links)]

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use tftp_tokio::OptionKind;

use super::{OutputArgs, flag, option_kind};
use crate::exit::SERVER_EXIT_CODES;
use crate::serve::{Listen, Owner};
use crate::units::{parse_duration, parse_mode, parse_port_range, parse_size};

const EXAMPLES: &str = "\
Examples:
  tftp-cli serve /srv/tftp
      Serve a directory to everybody, read-only, on port 69.
  tftp-cli serve /srv/backup --create --max-upload 10MiB --listen 192.0.2.1
      Take uploads of new files on one address; existing files are never replaced.
  tftp-cli serve /srv/site /srv/common --create --upload-to /srv/incoming
      What /srv/site does not have comes from /srv/common; uploads go elsewhere.
  tftp-cli serve templates:/srv/templates /srv/tftp --client-dirs first
      Files made for each client from templates, and a directory for each client that has one.
  tftp-cli serve /srv/backup --create --unique-names --max-stored 10GiB --max-files 10000
      Keep every version of a switch's configuration, but no more than that.
  tftp-cli serve --map /etc/tftp.map --map-test '\\Boot\\BCD' pxelinux.0
      Print what the rules make of these names.
  tftp-cli serve s3://bucket/prefix
      Serve objects of S3, gs:// of Google Cloud, az:// of Azure, http:// or https:// of any server; \
credentials come from the environment.
  tftp-cli serve --listen 127.0.0.1:6969
      An empty server in memory, without privileges, that takes uploads.
  tftp-cli serve /srv/tftp --port-range 7000-7015
      For a firewall: open UDP port 69 and 7000 to 7015.
  tftp-cli serve /srv/tftp --single-port
      For NAT, containers and load balancers: everything through port 69.
  tftp-cli serve /srv/tftp --threads 4
      For fast networks: four processors serve.

What may be uploaded:
                         new file       existing file
  DIRECTORY              refused        refused
  DIRECTORY --create     taken          refused
  DIRECTORY --overwrite  refused        replaced
  both                   taken          replaced
  memory:                taken          refused, replaced with --overwrite
An s3:, gs: or az: SOURCE is as a DIRECTORY; http:, https: and templates: take no uploads. \
An upload appears under its name only when it is complete. Without --overwrite it is refused, too, \
if its name is that of a file in another SOURCE.

Units: sizes are bytes or have a unit (KB, MB, GB are powers of 1000; KiB, MiB, GiB of 1024); \
durations are seconds or have a unit (500ms, 2s, 1m).

Settings can come from the environment: --max-upload is TFTP_MAX_UPLOAD, SOURCE is TFTP_SOURCE; \
flags take 1 or 0, lists are separated by commas.

The log goes to standard error: a first line that says what is served where, then one line for each \
transfer that ended. Size probes and requests for missing files are logged with -v only. File names \
are escaped, so that a log line is always one line. When nobody reads the log, the server goes on \
without it, and logs how many lines were lost.

Started by systemd, it uses the sockets of a socket unit (ListenDatagram=) and says when it is ready \
(Type=notify).

Ctrl-C (or SIGTERM) takes no new requests and waits for the transfers under way; a second one ends \
them at once. On Linux SIGHUP counts as a first one, unless it was ignored at the start (nohup).";

/// Serve files from directories, object stores or memory
#[derive(Debug, Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{SERVER_EXIT_CODES}"))]
pub(crate) struct ServeArgs {
    /// What to serve: a directory; an object store's URL (s3://BUCKET/PREFIX, gs://, az://, http://); "templates:" and
    /// either of these, for files that are made for each client; or "memory:", which starts empty, takes uploads and
    /// forgets them at the end. Of several, a file that one does not have is looked up
    /// in the next
    #[arg(value_name = "SOURCE", default_value = "memory:", env = "TFTP_SOURCE")]
    pub(crate) sources: Vec<OsString>,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) names: super::NameArgs,
    #[command(flatten)]
    pub(crate) peers: super::layers::PeerArgs,
    #[command(flatten)]
    pub(crate) directories: DirectoryArgs,
    #[cfg(feature = "object-store")]
    #[command(flatten)]
    pub(crate) stores: super::StoreArgs,
    #[command(flatten)]
    pub(crate) timing: TimingArgs,
    #[command(flatten)]
    pub(crate) options: OptionArgs,

    /// Log as JSON, one object a line
    #[arg(long, env = "TFTP_JSON", value_parser = flag(), help_heading = "Output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Commas separate what comes from the environment. On the command line each is an argument, commas and all.
pub(super) fn split_at_commas(list: &mut Vec<OsString>) {
    let split = |text: &OsString| match text.to_str() {
        Some(text) => text.split(',').map(OsString::from).collect(),
        None => vec![text.clone()],
    };
    *list = list.iter().flat_map(split).collect();
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Listen on this address; repeatable. ADDRESS[:PORT], or :PORT for every address; [::]:PORT is every IPv6 address and
    /// no IPv4 one. Port 0 takes a free one, which the first log line names [default: the sockets of the service manager,
    /// or else [::]:69 and 0.0.0.0:69]
    #[arg(short, long, value_name = "ADDRESS", env = "TFTP_LISTEN", value_delimiter = ',')]
    pub(crate) listen: Vec<Listen>,
    /// Answer from UDP ports of this range only [default: 2 random ports per address]
    #[arg(long, value_name = "LO-HI", env = "TFTP_PORT_RANGE", value_parser = parse_port_range)]
    pub(crate) port_range: Option<RangeInclusive<u16>>,
    /// Answer from the listening port itself
    #[arg(long, env = "TFTP_SINGLE_PORT", value_parser = flag(), conflicts_with = "port_range")]
    pub(crate) single_port: bool,
    /// Threads that serve; Linux spreads the clients over them. One is enough for most networks. With more, an upload
    /// that fell silent makes way for another of its name only on its own thread
    #[arg(long, value_name = "N", env = "TFTP_THREADS", default_value_t = 1,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub(crate) threads: usize,
    /// Answer requests that were sent to a broadcast or multicast address, too
    #[arg(long, env = "TFTP_ANSWER_BROADCASTS", value_parser = flag())]
    pub(crate) answer_broadcasts: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is allowed")]
pub(crate) struct PolicyArgs {
    /// Refuse uploads (the default for a directory)
    #[arg(long, env = "TFTP_READ_ONLY", value_parser = flag(), conflicts_with_all = ["create", "overwrite", "write_only"])]
    pub(crate) read_only: bool,
    /// Refuse downloads; uploads need --create or --overwrite for a directory
    #[arg(long, env = "TFTP_WRITE_ONLY", value_parser = flag())]
    pub(crate) write_only: bool,
    /// Take uploads of files that do not exist (the default for memory:)
    #[arg(long, env = "TFTP_CREATE", value_parser = flag())]
    pub(crate) create: bool,
    /// Take uploads that replace existing files
    #[arg(long, env = "TFTP_OVERWRITE", value_parser = flag())]
    pub(crate) overwrite: bool,
    /// Where uploads go: one of the SOURCEs, or another place, which is not read from [default: the first SOURCE that
    /// takes uploads]
    #[arg(long, value_name = "SOURCE", env = "TFTP_UPLOAD_TO", conflicts_with = "read_only")]
    pub(crate) upload_to: Option<OsString>,
    /// Largest upload taken [default: no limit but the room there is]
    #[arg(long, value_name = "SIZE", env = "TFTP_MAX_UPLOAD", value_parser = parse_size)]
    pub(crate) max_upload: Option<u64>,
    /// Keep at most this much where uploads go, what is there already included
    #[arg(long, value_name = "SIZE", env = "TFTP_MAX_STORED", value_parser = parse_size)]
    pub(crate) max_stored: Option<u64>,
    /// Keep at most so many files where uploads go, those that are there already included
    #[arg(long, value_name = "N", env = "TFTP_MAX_FILES")]
    pub(crate) max_files: Option<u64>,
    /// memory: only: room for all files and uploads under way
    #[arg(long, value_name = "SIZE", env = "TFTP_MAX_MEMORY", value_parser = parse_size, default_value = "256MiB")]
    pub(crate) max_memory: u64,
    /// Transfers at once; further requests stay unanswered, and clients repeat them
    #[arg(long, value_name = "N", env = "TFTP_MAX_TRANSFERS", default_value_t = 20_000,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_transfers: usize,
    /// Transfers at once of one client: all who are behind one IPv4 address, or in one IPv6 /64. Further requests stay
    /// unanswered. One whose end a client has not confirmed counts until --give-up-after, so allow for some
    /// [default: no limit but --max-transfers]
    #[arg(long, value_name = "N", env = "TFTP_MAX_PER_CLIENT",
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    pub(crate) max_per_client: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Directories")]
pub(crate) struct DirectoryArgs {
    /// Make the directories that are missing in an upload's name
    #[arg(long, env = "TFTP_CREATE_DIRS", value_parser = flag())]
    pub(crate) create_dirs: bool,
    /// Permissions of uploaded files, in octal [default: 666 less the umask]
    #[arg(long, value_name = "MODE", env = "TFTP_CHMOD", value_parser = parse_mode)]
    pub(crate) chmod: Option<u32>,
    /// Owner of uploaded files, by names or numbers; takes root or CAP_CHOWN [default: who runs the server]
    #[arg(long, value_name = "USER[:GROUP]", env = "TFTP_OWNER")]
    pub(crate) owner: Option<Owner>,
    /// Refuse uploads that would leave less than this free on the file system
    #[arg(long, value_name = "SIZE", env = "TFTP_MIN_FREE", value_parser = parse_size)]
    pub(crate) min_free: Option<u64>,
    /// Absolute symbolic links: "refuse" them, or follow them "from-root", as if the directory were /
    #[arg(long, value_name = "POLICY", env = "TFTP_ABSOLUTE_LINKS", value_enum, default_value_t)]
    #[arg(hide_possible_values = true)]
    pub(crate) absolute_links: Links,
    /// Find a file whose name differs in case; the exact name goes first. Also for memory:
    #[arg(long, env = "TFTP_IGNORE_CASE", value_parser = flag())]
    pub(crate) ignore_case: bool,
}

/// What absolute symbolic links mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Links {
    /// Refuse them (the default)
    #[default]
    Refuse,
    /// Follow them beneath the directory; Linux only
    FromRoot,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Time")]
pub(crate) struct TimingArgs {
    /// Send again after this long, until a round trip was measured; then the measured time counts, and it doubles with
    /// every retransmission
    #[arg(long, value_name = "DURATION", env = "TFTP_TIMEOUT", value_parser = parse_duration, default_value = "1s")]
    pub(crate) timeout: Duration,
    /// Retransmissions without progress before a transfer is given up [default: no limit, --give-up-after counts]. A
    /// client that has never answered gets 4 at most
    #[arg(long, value_name = "N", env = "TFTP_RETRIES")]
    pub(crate) retries: Option<u32>,
    /// Give a transfer up after this long without progress
    #[arg(long, value_name = "DURATION", env = "TFTP_GIVE_UP_AFTER", value_parser = parse_duration, default_value = "30s")]
    pub(crate) give_up_after: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options granted to clients")]
pub(crate) struct OptionArgs {
    /// Largest block size granted, in bytes, 8 to 65464. 1428 avoids fragments on most networks
    #[arg(long, value_name = "BYTES", env = "TFTP_MAX_BLOCK_SIZE", default_value_t = 65_464,
        value_parser = clap::value_parser!(u16).range(8..=65_464))]
    pub(crate) max_block_size: u16,
    /// Largest window granted, in blocks, 1 to 32767. Slow network cards lose bursts above 26 to 64
    #[arg(long, value_name = "BLOCKS", env = "TFTP_MAX_WINDOW", default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=32_767))]
    pub(crate) max_window: u16,
    /// Never grant this option; repeatable
    #[arg(long, value_name = "NAME", env = "TFTP_DISABLE_OPTION", value_delimiter = ',', value_parser = option_kind(),
        ignore_case = true)]
    pub(crate) disable_option: Vec<OptionKind>,
}
