//! Clients as people call them, and ours.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::installed;
use super::process::{Finished, Running};

/// One client with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    kind: Kind,
    block: Option<u16>,
    window: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    TftpHpa,
    Atftp,
    Curl,
    Busybox,
    Ours,
}

impl Client {
    /// tftp-hpa never asks for an option.
    pub(crate) const TFTP_HPA: Self = Self::plain(Kind::TftpHpa);
    pub(crate) const ATFTP: Self = Self::plain(Kind::Atftp);
    pub(crate) const ATFTP_WINDOW: Self = Self::ATFTP.block(1428).window(8);
    pub(crate) const CURL_PLAIN: Self = Self::plain(Kind::Curl);
    /// As it comes, curl asks for tsize, blksize 512 and timeout.
    pub(crate) const CURL: Self = Self::CURL_PLAIN.block(512);
    pub(crate) const CURL_BLOCKS: Self = Self::CURL_PLAIN.block(1428);
    /// Busybox asks for tsize, and for blksize unless it is 512.
    pub(crate) const BUSYBOX: Self = Self::plain(Kind::Busybox);
    pub(crate) const BUSYBOX_BLOCKS: Self = Self::BUSYBOX.block(8192);
    pub(crate) const OURS_PLAIN: Self = Self::plain(Kind::Ours);
    pub(crate) const OURS: Self = Self::OURS_PLAIN.block(1428).window(16);

    /// A mix, for crowds.
    pub(crate) const ALL: [Self; 10] = [
        Self::TFTP_HPA,
        Self::ATFTP,
        Self::ATFTP_WINDOW,
        Self::CURL_PLAIN,
        Self::CURL,
        Self::CURL_BLOCKS,
        Self::BUSYBOX,
        Self::BUSYBOX_BLOCKS,
        Self::OURS_PLAIN,
        Self::OURS,
    ];

    const fn plain(kind: Kind) -> Self {
        Self { kind, block: None, window: None }
    }

    pub(crate) const fn block(self, block: u16) -> Self {
        Self { block: Some(block), ..self }
    }

    pub(crate) const fn window(self, window: u16) -> Self {
        Self { window: Some(window), ..self }
    }

    /// `None`, loudly, if the program is missing.
    pub(crate) fn installed(self) -> Option<Self> {
        let found = match self.kind {
            Kind::TftpHpa => installed("tftp", "tftp-hpa").is_some(),
            Kind::Atftp => installed("atftp", "atftp").is_some(),
            Kind::Curl => installed("curl", "curl").is_some(),
            Kind::Busybox => installed("busybox", "busybox").is_some(),
            Kind::Ours => true,
        };
        found.then_some(self)
    }

    pub(crate) const fn is_busybox(self) -> bool {
        matches!(self.kind, Kind::Busybox)
    }

    /// The block size it will use, if the server grants what it asks for.
    pub(crate) fn block_size(self) -> usize {
        self.block.unwrap_or(512).into()
    }

    /// The command for a download.
    pub(crate) fn get(self, server: SocketAddr, remote: &str, local: &Path) -> Command {
        let (ip, port) = (server.ip().to_string(), server.port().to_string());
        let mut command = self.command();
        match self.kind {
            Kind::TftpHpa => command.args(["-m", "octet", &ip, &port, "-c", "get", remote]).arg(local),
            Kind::Atftp => command.args(["-g", "-r", remote, "-l"]).arg(local).args([ip, port]),
            Kind::Curl => command.arg("-o").arg(local).arg(format!("tftp://{server}/{remote}")),
            Kind::Busybox => command.args(["-g", "-r", remote, "-l"]).arg(local).args([ip, port]),
            Kind::Ours => command.args(["get", &format!("tftp://{server}/{remote}"), "-o"]).arg(local),
        };
        self.tune_ours(&mut command);
        command
    }

    /// The command for an upload.
    pub(crate) fn put(self, server: SocketAddr, local: &Path, remote: &str) -> Command {
        let (ip, port) = (server.ip().to_string(), server.port().to_string());
        let mut command = self.command();
        match self.kind {
            Kind::TftpHpa => command.args(["-m", "octet", &ip, &port, "-c", "put"]).arg(local).arg(remote),
            Kind::Atftp => command.args(["-p", "-r", remote, "-l"]).arg(local).args([ip, port]),
            Kind::Curl => command.arg("-T").arg(local).arg(format!("tftp://{server}/{remote}")),
            Kind::Busybox => command.args(["-p", "-r", remote, "-l"]).arg(local).args([ip, port]),
            Kind::Ours => command.arg("put").arg(local).arg(format!("tftp://{server}/{remote}")),
        };
        self.tune_ours(&mut command);
        command
    }

    /// Downloads, and fails unless the client says that it succeeded.
    #[track_caller]
    pub(crate) fn download(self, server: SocketAddr, remote: &str, local: &Path) -> Finished {
        let finished = Running::start(&mut self.get(server, remote, local)).finish();
        finished.assert_success();
        finished
    }

    /// Uploads, and fails unless the client says that it succeeded.
    #[track_caller]
    pub(crate) fn upload(self, server: SocketAddr, local: &Path, remote: &str) -> Finished {
        let finished = Running::start(&mut self.put(server, local, remote)).finish();
        finished.assert_success();
        finished
    }

    /// The program and the settings that come first.
    fn command(self) -> Command {
        let name = match self.kind {
            Kind::TftpHpa => "tftp",
            Kind::Atftp => "atftp",
            Kind::Curl => "curl",
            Kind::Busybox => "busybox",
            Kind::Ours => env!("CARGO_BIN_EXE_tftp-cli"),
        };
        let mut command = Command::new(name);
        match self.kind {
            Kind::TftpHpa | Kind::Ours => {}
            Kind::Atftp => {
                for (option, value) in [("blksize", self.block), ("windowsize", self.window)] {
                    if let Some(value) = value {
                        command.arg("--option").arg(format!("{option} {value}"));
                    }
                }
            }
            Kind::Curl => {
                // No configuration file, no globbing of IPv6 brackets, no proxy of the environment.
                command.args(["-q", "-g", "-sS", "--noproxy", "*"]);
                match self.block {
                    None => command.arg("--tftp-no-options"),
                    Some(block) => command.arg("--tftp-blksize").arg(block.to_string()),
                };
            }
            Kind::Busybox => {
                command.arg("tftp");
                if let Some(block) = self.block {
                    command.arg("-b").arg(block.to_string());
                }
            }
        }
        command
    }

    /// Our own settings stand behind the subcommand.
    fn tune_ours(self, command: &mut Command) {
        if self.kind != Kind::Ours {
            return;
        }
        match self.block {
            None => command.arg("--no-options"),
            Some(block) => command.arg("--block-size").arg(block.to_string()),
        };
        if let Some(window) = self.window {
            command.arg("--window-size").arg(window.to_string());
        }
    }
}
