//! Every server through every cell, interleaved.
//!
//! In each round a cell is run by every server in turn, so that what else the machine does falls on all alike. A ratio is
//! that of two neighbours in one round; what is printed is the median of the rounds.

mod cells;
mod measure;
mod process;
mod servers;

use std::error::Error;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cells::{CELLS, Cell, Kind};
use measure::{PATIENCE, Run, measure, median};
use servers::{Places, Server, make_files};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A minute instead of a long coffee: one short round, the smallest storm
    #[arg(long)]
    quick: bool,
    /// Rounds [default: 5, or 1 if quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each run [default: 1, or 0.3 if quick]
    #[arg(long)]
    seconds: Option<f64>,
    /// Cells whose names hold one of these only; the whole name of a cell stands for that one alone
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// Servers whose names hold one of these only; the floor always runs
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Where files are served from, a directory of their own being made there [default: the system's temporary one]
    #[arg(long)]
    directory: Option<PathBuf>,
    /// The generator and server, instead of building it
    #[arg(long)]
    tftp_cli: Option<PathBuf>,
}

/// How runs are made.
struct Settings {
    seconds: f64,
    patience: Duration,
    processors: usize,
}

/// The runs of one server through one cell, by round; or why there is none.
type Runs = Result<Vec<Option<Run>>, &'static str>;

pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let tftp_cli = match &args.tftp_cli {
        Some(path) => path.clone(),
        None => build()?,
    };
    let directory = match &args.directory {
        Some(path) => tempfile::tempdir_in(path)?,
        None => tempfile::tempdir()?,
    };
    let places = Places { tftp_cli, directory: directory.path().to_owned() };
    let settings = Settings {
        seconds: args.seconds.unwrap_or(if args.quick { 0.3 } else { 1.0 }),
        patience: PATIENCE,
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 5 });
    let chosen = |wanted: &[String], name: &str| wanted.is_empty() || wanted.iter().any(|part| stands_for(part, name));
    let quick = |cell: &Cell| !args.quick || !args.cells.is_empty() || is_quick(cell);
    let cells: Vec<&Cell> = CELLS.iter().filter(|cell| chosen(&args.cells, cell.name) && quick(cell)).collect();
    let servers: Vec<Server> = Server::ALL
        .into_iter()
        .filter(|server| *server == Server::Floor || chosen(&args.servers, server.name()))
        .collect();
    make_files(&places.directory, cells.iter().copied())?;
    println!("{} of {} s each, medians; {} processors\n", count(rounds), settings.seconds, settings.processors);
    for cell in cells {
        print_cell(cell, &servers, &run_cell(cell, &servers, rounds, &places, &settings));
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Whether an argument names a cell or server, in whole or, unless it is another one's whole name, in part.
fn stands_for(part: &str, name: &str) -> bool {
    part == name || (name.contains(part) && !CELLS.iter().any(|cell| cell.name == part))
}

fn count(rounds: usize) -> String {
    format!("{rounds} round{}", if rounds == 1 { "" } else { "s" })
}

/// Whether a cell belongs to a quick look.
fn is_quick(cell: &Cell) -> bool {
    match cell.kind {
        Kind::Storm(_) => cell.clients <= 1000,
        Kind::Get(_) | Kind::Put(_) => true,
        Kind::Loss(_) => cell.window > 1,
    }
}

/// The generator, built from the same source as this program.
fn build() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let status =
        Command::new(cargo).args(["build", "--release", "-p", "tftp-cli", "--manifest-path", manifest]).status()?;
    let path = std::env::current_exe()?.with_file_name("tftp-cli");
    if !status.success() || !path.exists() {
        return Err("tftp-cli was not built beside this program: give --tftp-cli".into());
    }
    Ok(path)
}

fn run_cell(cell: &Cell, servers: &[Server], rounds: usize, places: &Places, settings: &Settings) -> Vec<Runs> {
    let mut all: Vec<Runs> = servers.iter().map(|server| server.skips(cell).map_or(Ok(Vec::new()), Err)).collect();
    for _ in 0..rounds {
        for (server, runs) in servers.iter().zip(&mut all) {
            let Ok(done) = runs else { continue };
            match measure(*server, cell, places, settings) {
                Ok(run) => done.push(Some(run)),
                Err(error) => {
                    eprintln!("{} in {}: {error}", server.name(), cell.name);
                    done.push(None);
                }
            }
            if done.iter().all(Option::is_none) {
                *runs = Err("failed");
            }
        }
    }
    all
}

fn print_cell(cell: &Cell, servers: &[Server], all: &[Runs]) {
    let clients = if cell.clients == 1 { "one client".into() } else { format!("{} clients", cell.clients) };
    let what = match cell.kind {
        Kind::Get(_) => "download",
        Kind::Put(_) => "upload",
        Kind::Storm(_) => "1 MiB each, at once",
        Kind::Loss(_) => "4 MiB, 1 % lost each way",
    };
    let how = match (cell.one_processor, cell.offload) {
        (true, _) => ", on one processor",
        (_, false) => ", without GRO",
        (false, true) => "",
    };
    let timed = matches!(cell.kind, Kind::Storm(_) | Kind::Loss(_));
    println!("### {}: block size {}, window {}, {clients}, {what}{how}\n", cell.name, cell.block_size, cell.window);
    println!("| server | {} | of the floor | CPU s/GB | peak MiB | remarks |", if timed { "seconds" } else { "MB/s" });
    println!("|---|---|---|---|---|---|");
    let floor =
        servers.iter().zip(all).find(|(server, _)| **server == Server::Floor).and_then(|(_, runs)| runs.as_ref().ok());
    for (server, runs) in servers.iter().zip(all) {
        match runs {
            Err(reason) if *reason == "not installed" => {}
            Err(reason) => println!("| {} | | | | | {reason} |", server.name()),
            Ok(runs) => print_row(*server, runs, floor, timed),
        }
    }
    println!();
}

fn print_row(server: Server, runs: &[Option<Run>], floor: Option<&Vec<Option<Run>>>, timed: bool) {
    let of = |value: fn(&Run) -> f64| median(runs.iter().flatten().map(value)).unwrap_or(f64::NAN);
    let speed = if timed { of(|run| run.seconds) } else { of(|run| run.bytes_per_second) / 1e6 };
    let ratios = floor.into_iter().flatten().zip(runs).filter_map(|(floor, run)| {
        let (floor, run) = (floor.as_ref()?, run.as_ref()?);
        Some(if timed { floor.seconds / run.seconds } else { run.bytes_per_second / floor.bytes_per_second })
    });
    let ratio = median(ratios).map_or(String::new(), |ratio| format!("{ratio:.2}"));
    let mut remarks = Vec::new();
    let lost: u64 = runs.iter().flatten().map(|run| run.lost).max().unwrap_or(0);
    if lost > 0 {
        remarks.push(format!("{lost} not completed"));
    }
    if timed {
        remarks.push(format!("p99/p50 {:.2}", of(|run| run.p99 / run.p50)));
    }
    if of(|run| run.generator_busy) > 0.95 {
        remarks.push("generator busy".into());
    }
    let digits = if speed < 100.0 { 1 } else { 0 };
    let processor = match of(|run| run.processor_per_gb) {
        per_gb if per_gb.is_finite() && !server.hides_usage() => format!("{per_gb:.2}"),
        _ => "–".into(),
    };
    println!(
        "| {} | {speed:.digits$} | {ratio} | {processor} | {:.0} | {} |",
        server.name(),
        of(|run| run.memory as f64 / f64::from(1 << 20)),
        remarks.join(", ")
    );
}
