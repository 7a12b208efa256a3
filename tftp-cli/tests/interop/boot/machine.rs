//! A machine in QEMU, its console, and its cable.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::cable::Cable;
use crate::support::{Running, eventually, unique_loopback};

/// Far above what anything here needs on a busy machine. U-Boot itself gives a transfer up after 55 s.
const HUNG: Duration = Duration::from_secs(100);
/// How long a read waits, so that deadlines are looked at.
const LOOK: Duration = Duration::from_millis(300);

pub(super) struct Machine {
    process: Running,
    console: Mutex<UnixStream>,
    _cable: Cable,
    _directory: TempDir,
}

impl Machine {
    /// Starts one, whose network card is to be on `netdev=cable`. In its network `server` is the TFTP server, and DHCP
    /// says to boot `file`.
    pub(super) fn start(qemu: &mut Command, server: SocketAddr, file: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("a directory for sockets");
        let console = directory.path().join("console");
        let guest = SocketAddr::new(unique_loopback(), 20_000);
        let cable = Cable::plug(guest, server, file);
        let mut process = Running::start(
            qemu.args(["-display", "none", "-monitor", "none", "-netdev"])
                .arg(format!("dgram,id=cable,{},{}", end("local", guest), end("remote", cable.host())))
                .args(["-serial", &format!("unix:{},server=on,wait=on", console.display())]),
        );
        let console = eventually("the console", || {
            assert!(process.ended().is_none(), "QEMU 7.2 or newer is needed");
            UnixStream::connect(&console).ok()
        });
        console.set_read_timeout(Some(LOOK)).expect("a time limit for the console");
        Self { process, console: Mutex::new(console), _cable: cable, _directory: directory }
    }

    /// As if its host had something better to do.
    pub(super) fn stand_still(&self, time: Duration) {
        self.process.signal(Signal::STOP);
        std::thread::sleep(time);
        self.process.signal(Signal::CONT);
    }

    pub(super) fn enter(&self, line: &str) {
        let mut console = self.console.lock().unwrap();
        console.write_all(line.as_bytes()).and_then(|()| console.write_all(b"\r")).expect("typing");
    }

    /// What comes until `text` has come. Fails when that takes suspiciously long.
    pub(super) fn wait_for(&self, text: &str) -> String {
        self.read_until(text, HUNG).unwrap_or_else(|said| panic!("no {text:?} within {HUNG:?}: {said}"))
    }

    /// What comes until `text` has come, or what has come instead.
    pub(super) fn read_until(&self, text: &str, time: Duration) -> Result<String, String> {
        let deadline = Instant::now() + time;
        let mut console = self.console.lock().unwrap();
        let mut all = Vec::new();
        while !all.ends_with(text.as_bytes()) {
            let mut byte = [0];
            match console.read(&mut byte) {
                Ok(0) => panic!("QEMU has ended: {}", String::from_utf8_lossy(&all)),
                Ok(_) => all.extend(byte),
                Err(_) if Instant::now() < deadline => {}
                Err(_) => return Err(String::from_utf8_lossy(&all).into_owned()),
            }
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

fn end(which: &str, address: SocketAddr) -> String {
    format!("{which}.type=inet,{which}.host={},{which}.port={}", address.ip(), address.port())
}
