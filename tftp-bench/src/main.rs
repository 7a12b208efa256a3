//! Measures TFTP servers side by side.
//!
//! `cargo run --release -p tftp-bench -- table` runs every server that is installed through the same cells, interleaved,
//! and prints medians, beside a floor: the least that a server can do.
#![cfg_attr(not(target_os = "linux"), allow(unused))]

mod floor;
mod smol_server;
#[cfg(target_os = "linux")]
mod table;

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures TFTP servers side by side")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer every request from memory, without timers or checks: the least that a server can do
    ///
    /// A name that ends in digits is a file of so many bytes. Uploads are taken and forgotten. Loopback only: nothing
    /// that is lost comes again.
    Floor {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:6969")]
        listen: SocketAddr,
        /// Expect many clients: receive in batches, at the price of one more system call for a single client
        #[arg(long)]
        crowd: bool,
    },
    /// Serve with tftp-smol what tftp-cli serves with tokio
    Smol {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:6969")]
        listen: SocketAddr,
        /// The directory to serve
        directory: PathBuf,
        /// Load its files into memory first, and keep uploads there
        #[arg(long)]
        memory: bool,
    },
    /// Run the table: every server through every cell
    #[cfg(target_os = "linux")]
    Table(table::Args),
}

fn main() -> ExitCode {
    let result: Result<(), Box<dyn Error>> = match Cli::parse().command {
        Command::Floor { listen, crowd } => floor::run(listen, crowd).map_err(Into::into),
        Command::Smol { listen, directory, memory } => smol_server::run(listen, &directory, memory),
        #[cfg(target_os = "linux")]
        Command::Table(args) => table::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
