//! Other people's servers.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::loopback::{free_port, unique_loopback};
use super::process::{Running, eventually};
use super::{installed, skip};

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    TftpdHpa,
    Atftpd,
    Dnsmasq,
}

/// A running foreign server.
pub(crate) struct Foreign {
    _process: Running,
    address: SocketAddr,
}

impl Foreign {
    /// Serves `root`, writable where the program can. `None`, loudly, if it cannot run here.
    pub(crate) fn start(program: Program, root: &Path) -> Option<Self> {
        let (name, package) = match program {
            Program::TftpdHpa => ("in.tftpd", "tftpd-hpa"),
            Program::Atftpd => ("atftpd", "atftpd"),
            Program::Dnsmasq => ("dnsmasq", "dnsmasq-base"),
        };
        let file = installed(name, package)?;
        if !rustix::process::geteuid().is_root() {
            // The first two change root and user, the third has port 69 built in.
            skip(&format!("{name} needs root"));
            return None;
        }
        let ip = unique_loopback();
        let mut command = Command::new(file);
        let address = arguments(&mut command, program, ip, root);
        let mut process = Running::start(&mut command);
        wait_until_it_answers(&mut process, address);
        Some(Self { _process: process, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn arguments(command: &mut Command, program: Program, ip: IpAddr, root: &Path) -> SocketAddr {
    match program {
        Program::TftpdHpa => {
            let address = SocketAddr::new(ip, free_port(ip));
            // Foreground, create new files, ordinary permissions, chroot.
            command.args(["--foreground", "--create", "--permissive", "--user", "root", "--address"]);
            command.arg(address.to_string()).arg("--secure").arg(root);
            address
        }
        Program::Atftpd => {
            let address = SocketAddr::new(ip, free_port(ip));
            command.args(["--daemon", "--no-fork", "--user", "root", "--group", "root", "--logfile", "/dev/null"]);
            command.arg("--port").arg(address.port().to_string()).arg("--bind-address").arg(ip.to_string()).arg(root);
            address
        }
        Program::Dnsmasq => {
            command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]);
            command.args(["--log-facility=-", "--bind-interfaces", "--enable-tftp"]);
            command.arg(format!("--listen-address={ip}")).arg(format!("--tftp-root={}", root.display()));
            SocketAddr::new(ip, 69)
        }
    }
}

/// Asks for a file that is not there, until there is an answer.
fn wait_until_it_answers(process: &mut Running, server: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    eventually("the foreign server's first answer", || {
        if let Some(status) = process.ended() {
            panic!("the foreign server on {server} ended with {status}");
        }
        socket.send_to(b"\0\x01no-such-file\0octet\0", server).ok()?;
        socket.recv_from(&mut [0; 1024]).ok()
    });
}
