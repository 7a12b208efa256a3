//! `serve`, what stands between a client's request and the files.
// Doc comments of arguments are text for the terminal.
#![allow(rustdoc::broken_intra_doc_links)]

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::flag;

#[derive(Debug, Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct NameArgs {
    /// Take off what old boot ROMs put behind a name: 0xFF or a control byte and all that follows, spaces at the end.
    /// The log tells
    #[arg(long, env = "TFTP_TRIM_NAMES", value_parser = flag())]
    pub(crate) trim_names: bool,
    /// Rewrite and refuse names by the rules in this file, whose format is that of tftpd-hpa's map file
    #[arg(long, value_name = "FILE", env = "TFTP_MAP")]
    pub(crate) map: Option<PathBuf>,
    /// Start no server, but print what --trim-names and --map make of each NAME, and by which rule; needs no SOURCE
    #[arg(long, value_name = "NAME", env = "TFTP_MAP_TEST", num_args = 1..)]
    pub(crate) map_test: Vec<OsString>,
    /// With --map-test: the client that asks [default: 192.0.2.1]
    #[arg(long, value_name = "IP", env = "TFTP_MAP_CLIENT")]
    pub(crate) map_client: Option<IpAddr>,
    /// Put the time into the name of each upload, so that none replaces another: config.txt becomes
    /// config-2026-11-22T10-00-00.txt (UTC)
    #[arg(long, env = "TFTP_UNIQUE_NAMES", value_parser = flag(), conflicts_with = "overwrite")]
    pub(crate) unique_names: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Clients")]
pub(crate) struct PeerArgs {
    /// Give each client the directory that is named after its address, as 192.0.2.7/. "only": it sees nothing else.
    /// "first": what is not there is looked up in the SOURCE itself. Uploads go to the client's directory
    #[arg(long, value_name = "POLICY", env = "TFTP_CLIENT_DIRS", value_enum, hide_possible_values = true)]
    pub(crate) client_dirs: Option<PeerDirs>,
    /// Serve another SOURCE to the clients of a network: 10.1.0.0/16=/srv/rack1. Repeatable: of several networks the
    /// smallest counts, and of several SOURCEs of one network each is the next to look in
    #[arg(long, value_name = "NETWORK=SOURCE", env = "TFTP_FOR_NETWORK")]
    pub(crate) for_network: Vec<OsString>,
}

/// What a client sees besides its own directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PeerDirs {
    /// Nothing
    Only,
    /// What its own does not have
    First,
}
