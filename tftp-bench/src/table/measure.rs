//! One run of one server through one cell.

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::Settings;
use super::cells::{Cell, Kind};
use super::process::{Usage, output};
use super::servers::{Places, Server, file_name};

/// What came of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) bytes_per_second: f64,
    /// Until all are done.
    pub(super) seconds: f64,
    /// Of the completion times.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Transfers that did not complete.
    pub(super) lost: u64,
    /// Processor seconds of the server for each GB.
    pub(super) processor_per_gb: f64,
    /// Peak memory of the server in bytes.
    pub(super) memory: u64,
    /// The share of its time that the generator was busy.
    pub(super) generator_busy: f64,
}

pub(super) fn measure(
    server: Server,
    cell: &Cell,
    places: &Places,
    settings: &Settings,
) -> Result<Run, Box<dyn Error>> {
    let (group, address) = server.start(places, cell)?;
    let (server_processors, client_processors): (&[usize], &[usize]) =
        if settings.processors < 2 || cell.one_processor { (&[0], &[0]) } else { (&[0], &[1]) };
    group.pin(server_processors);
    super::process::pin_self(client_processors);
    let mut command = Command::new(&places.tftp_cli);
    command.args(["bench", "--json", "--no-progress", "--clients", &cell.clients.to_string()]);
    command.args(["--block-size", &cell.block_size.to_string(), "--window", &cell.window.to_string()]);
    command.args(["--threads", "1"]);
    if !cell.offload {
        command.arg("--no-offload");
    }
    let seconds = settings.seconds.to_string();
    let url = format!("tftp://{address}/");
    match cell.kind {
        Kind::Get(_) => command.args(["--duration", &seconds]).arg(url + &file_name(cell)),
        Kind::Storm(_) => command.arg(url + &file_name(cell)),
        Kind::Loss(_) => command.args(["--loss", "1%"]).arg(url + &file_name(cell)),
        Kind::Put(size) => {
            // The name is the size for the floor, which does not need it, and always new for the others.
            command.args(["--duration", &seconds, "--put", &size.to_string()]).arg(url + "up-{transfer}")
        }
    };
    let before = group.usage();
    let mut peak = Usage::default();
    let mut watch = || peak.memory = peak.memory.max(group.usage().memory);
    // Watching costs something, too, so it is left to the storms.
    let mut ignore = || {};
    let meanwhile: &mut dyn FnMut() = if matches!(cell.kind, Kind::Storm(_)) { &mut watch } else { &mut ignore };
    let output = output(&mut command, settings.patience, meanwhile);
    super::process::pin_self(&(0..settings.processors).collect::<Vec<_>>());
    let after = group.usage();
    drop(group);
    if let Kind::Put(_) = cell.kind {
        remove_uploads(places)?;
    }
    let result: Value = serde_json::from_slice(&output?)?;
    let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
    let bytes = number("/bytes");
    let processor = after.processor.saturating_sub(before.processor).as_secs_f64();
    Ok(Run {
        bytes_per_second: number("/bytes_per_second"),
        seconds: number("/seconds"),
        p50: number("/latency_seconds/p50"),
        p99: number("/latency_seconds/p99"),
        lost: (number("/transfers/failed") + number("/transfers/unfinished")) as u64,
        processor_per_gb: processor / (bytes / 1e9),
        memory: peak.memory.max(after.memory),
        generator_busy: number("/generator/busy"),
    })
}

fn remove_uploads(places: &Places) -> std::io::Result<()> {
    for entry in std::fs::read_dir(&places.directory)?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"up-") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The middle one.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Long enough for the slowest server in a cell worth measuring.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
