//! The servers, and how each is started.

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tftp_proto::wire::{Direction, Mode, Options, Packet, Repr};

use super::cells::{Cell, Kind};
use super::process::Group;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Floor,
    TokioDirectory,
    TokioMemory,
    SmolDirectory,
    SmolMemory,
    TftpdHpa,
    Atftpd,
    Dnsmasq,
    Busybox,
    RsTftpd,
}

/// Where things are.
pub(super) struct Places {
    pub(super) tftp_cli: PathBuf,
    pub(super) directory: PathBuf,
}

/// How long a server may take to answer for the first time.
const START: Duration = Duration::from_secs(5);
/// The file that is asked for to see whether a server is there.
const PROBE: &str = "probe";

impl Server {
    pub(super) const ALL: [Self; 10] = [
        Self::Floor,
        Self::TokioDirectory,
        Self::TokioMemory,
        Self::SmolDirectory,
        Self::SmolMemory,
        Self::TftpdHpa,
        Self::Atftpd,
        Self::Dnsmasq,
        Self::Busybox,
        Self::RsTftpd,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::TokioDirectory => "tokio directory",
            Self::TokioMemory => "tokio memory",
            Self::SmolDirectory => "smol directory",
            Self::SmolMemory => "smol memory",
            Self::TftpdHpa => "tftpd-hpa",
            Self::Atftpd => "atftpd",
            Self::Dnsmasq => "dnsmasq",
            Self::Busybox => "busybox",
            Self::RsTftpd => "rs-tftpd",
        }
    }

    /// The program of a foreign server, if it is installed.
    fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::TftpdHpa => "in.tftpd",
            Self::Atftpd => "atftpd",
            Self::Dnsmasq => "dnsmasq",
            Self::Busybox => "busybox",
            Self::RsTftpd => "tftpd",
            Self::Floor | Self::TokioDirectory | Self::TokioMemory | Self::SmolDirectory | Self::SmolMemory => {
                return env::current_exe().ok();
            }
        };
        let path = env::var_os("PATH").unwrap_or_default();
        let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        directories.map(|directory| directory.join(name)).find(|program| program.is_file())
    }

    /// Why a cell makes no sense here, if so.
    pub(super) fn skips(self, cell: &Cell) -> Option<&'static str> {
        if self.program().is_none() {
            return Some("not installed");
        }
        match (self, cell.kind) {
            (Self::Floor, Kind::Loss(_)) => Some("repeats nothing"),
            (Self::Dnsmasq, Kind::Put(_)) => Some("takes no uploads"),
            // Its daemon makes a process for every client, as slow as it is.
            (Self::Busybox, Kind::Storm(_)) => Some("starves"),
            (Self::Busybox, _) if !busybox_serves() => Some("built without udpsvd and tftpd"),
            _ => None,
        }
    }

    /// Whether it has its children's use of the processor thrown away when they end.
    pub(super) const fn hides_usage(self) -> bool {
        matches!(self, Self::TftpdHpa)
    }

    /// Starts it and waits until it answers.
    pub(super) fn start(self, places: &Places, cell: &Cell) -> io::Result<(Group, SocketAddr)> {
        // Before the server's port is chosen, or it might be given that one.
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let listen = match self {
            // Its port cannot be chosen.
            Self::Dnsmasq => SocketAddr::from(([127, 0, 0, 69], 69)),
            _ => free_port()?,
        };
        let command = self.command(places, cell, listen).ok_or(io::ErrorKind::NotFound)?;
        let mut group = Group::spawn(&command)?;
        wait_for(&mut group, &socket, listen)?;
        if self == Self::TokioMemory && matches!(cell.kind, Kind::Get(_) | Kind::Storm(_) | Kind::Loss(_)) {
            let name = file_name(cell);
            let file = places.directory.join(&name);
            let target = format!("tftp://{listen}/{name}");
            let status =
                Command::new(&places.tftp_cli).args(["put", "-q", "-b", "65464"]).arg(file).arg(target).status()?;
            if !status.success() {
                return Err(io::Error::other("cannot upload the file to the server in memory"));
            }
        }
        Ok((group, listen))
    }

    fn command(self, places: &Places, cell: &Cell, listen: SocketAddr) -> Option<Command> {
        let directory = &places.directory;
        let mut command = Command::new(self.program()?);
        let (address, port) = (listen.to_string(), listen.port().to_string());
        match self {
            Self::Floor => {
                command.args(["floor", "--listen", &address]);
                if cell.clients > 1 {
                    command.arg("--crowd");
                }
            }
            Self::TokioDirectory | Self::TokioMemory => {
                command = Command::new(&places.tftp_cli);
                command.args(["serve", "--listen", &address, "--overwrite", "--create", "-q"]);
                if self == Self::TokioMemory {
                    command.args(["memory:", "--max-memory", "4GiB"]);
                } else {
                    command.arg(directory);
                }
            }
            Self::SmolDirectory => {
                command.args(["smol", "--listen", &address]).arg(directory);
            }
            Self::SmolMemory => {
                command.args(["smol", "--listen", &address, "--memory"]).arg(directory);
            }
            Self::TftpdHpa => {
                command.args(["-L", "-c", "-p", "-u", "root", "-a", &address, "-s"]).arg(directory);
            }
            Self::Atftpd => {
                command.args(["--daemon", "--no-fork", "--user", "root", "--group", "root", "--maxthread", "20000"]);
                command.args(["--verbose=0", "--bind-address", "127.0.0.1", "--port", &port]).arg(directory);
            }
            Self::Dnsmasq => {
                command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--enable-tftp"]);
                command.args(["--user=root", "--bind-interfaces", "--tftp-max=20000", "--quiet-tftp", "--pid-file="]);
                command.arg(format!("--listen-address={}", listen.ip()));
                command.arg(format!("--tftp-root={}", directory.display()));
            }
            Self::Busybox => {
                command.args(["udpsvd", "-E", "-c", "20000", "127.0.0.1", &port, "busybox", "tftpd", "-c"]);
                command.arg(directory);
            }
            Self::RsTftpd => {
                command.args(["-i", "127.0.0.1", "-p", &port, "--overwrite", "-q", "-d"]).arg(directory);
            }
        }
        Some(command)
    }
}

/// Whether busybox has the two applets that make a server; distributions leave them out.
fn busybox_serves() -> bool {
    let Ok(output) = Command::new("busybox").arg("--list").output() else { return false };
    let list = String::from_utf8_lossy(&output.stdout);
    ["udpsvd", "tftpd"].iter().all(|applet| list.lines().any(|line| line == *applet))
}

/// The file that a cell downloads.
pub(super) fn file_name(cell: &Cell) -> String {
    format!("file-{}", cell.kind.size())
}

/// Fills the directory with what the cells need.
pub(super) fn make_files<'a>(directory: &Path, cells: impl Iterator<Item = &'a Cell>) -> io::Result<()> {
    std::fs::write(directory.join(PROBE), "")?;
    for cell in cells.filter(|cell| !matches!(cell.kind, Kind::Put(_))) {
        let path = directory.join(file_name(cell));
        if !path.exists() {
            let mut content = vec![0; usize::try_from(cell.kind.size()).map_err(io::Error::other)?];
            fastrand::Rng::with_seed(cell.kind.size()).fill(&mut content);
            std::fs::write(path, content)?;
        }
    }
    Ok(())
}

fn free_port() -> io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Asks for the probe until there is an answer of any kind.
fn wait_for(group: &mut Group, socket: &UdpSocket, server: SocketAddr) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let request = Repr::Request {
        direction: Direction::Read,
        filename: PROBE.as_bytes(),
        mode: Mode::Octet,
        options: Options::NONE,
    };
    let mut buffer = [0; 1024];
    let len = request.emit(&mut buffer).map_err(io::Error::other)?;
    let request = buffer;
    let start = Instant::now();
    while start.elapsed() < START && group.is_running() {
        socket.send_to(request.get(..len).unwrap_or_default(), server)?;
        if let Ok((received, peer)) = socket.recv_from(&mut buffer) {
            if let Ok(Packet::Data { block, .. }) = Packet::parse(buffer.get(..received).unwrap_or_default()) {
                let mut ack = [0; 4];
                Repr::Ack { block }.emit(&mut ack).map_err(io::Error::other)?;
                socket.send_to(&ack, peer)?;
            }
            break;
        }
    }
    // What answered may have been another server at that address, in whose way this one stood.
    std::thread::sleep(Duration::from_millis(20));
    if start.elapsed() < START && group.is_running() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))
}
