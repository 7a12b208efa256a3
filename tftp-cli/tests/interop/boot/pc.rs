//! PCs that boot from the network: iPXE in the card of one with a BIOS, and PXELINUX, which it loads; EDK2 in one with UEFI, and
//! GRUB, which that loads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{TempDir, tempdir};

use super::cable::SERVER;
use super::machine::Machine;
use super::{crc32, loses_one_in, number_after};
use crate::support::{Ports, Relay, Serve, content, installed, skip};

const IPXE: &str = "/usr/lib/ipxe/qemu";
const EDK2: &str = "/usr/share/ovmf/OVMF.fd";
const GRUB: &str = "/usr/lib/grub/x86_64-efi";

const PXELINUX: &str = "/usr/lib/PXELINUX/pxelinux.0";
const PXELINUX_MODULES: &str = "/usr/lib/syslinux/modules/bios";

/// Bytes of the file that most load.
const SIZE: usize = 4 << 20;

/// A server, and the network before it.
struct Site {
    root: TempDir,
    server: Serve,
    relay: Option<Relay>,
}

impl Site {
    /// One datagram in `lost` is lost, each way.
    fn new(ports: Ports, lost: Option<u32>) -> Self {
        let root = tempdir().unwrap();
        std::fs::write(root.path().join("kernel"), content(1, SIZE)).unwrap();
        let server = Serve::directory(ports, root.path(), &[]);
        let relay = lost.map(|lost| Relay::start(server.address(), loses_one_in(lost)));
        Self { root, server, relay }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A PC with such a card, which boots `file`.
    fn boot(&self, qemu: &Path, file: &'static str, card: &str, args: &[&str]) -> Machine {
        let server = self.relay.as_ref().map_or(self.server.address(), Relay::address);
        let pc = ["-M", "pc,graphics=off", "-m", "512", "-vga", "none", "-device"];
        let card = format!("{card},netdev=cable,bootindex=0");
        Machine::start(Command::new(qemu).args(pc).arg(card).args(args), server, file)
    }

    /// What the log says of `file`, which was sent, with these options.
    fn sent(&mut self, file: &str, options: &str) -> String {
        let file = format!("file=\"{file}\"");
        self.server.wait_for_log(&["INFO sent", &file, options, "outcome=completed"])
    }

    /// Fails unless `file` was sent, with these options, and no block of it for nothing.
    fn assert_sent(&mut self, file: &str, options: &str) {
        let line = self.sent(file, options);
        let repeated = number_after(&line, "retransmissions=");
        // On a busy host an answer may come late, but the machine loses nothing.
        let bound = number_after(&line, "bytes=") / 512 / 20;
        assert!(self.relay.is_some() || repeated <= bound, "{line}");
    }
}

/// iPXE knows no checksums, but it can add: its script is a long sum.
fn ipxe_loads(card: &str, ports: Ports, lost: Option<u32>) {
    let Some(qemu) = installed("qemu-system-x86_64", "qemu-system-x86") else { return };
    if !Path::new(IPXE).is_dir() {
        return skip("iPXE (Debian package ipxe-qemu) is not installed");
    }
    let mut site = Site::new(ports, lost);
    let mut script = format!("#!ipxe\nimgfetch tftp://{SERVER}/kernel\nimgstat\n");
    let mut sum = 0;
    for number in content(2, 1 << 14) {
        writeln!(script, "inc sum {number}").unwrap();
        sum += u32::from(number);
    }
    script.push_str("echo The sum is ${sum:uint32} END\n");
    std::fs::write(site.path("boot.ipxe"), script).unwrap();
    let said = site.boot(&qemu, "boot.ipxe", card, &[]).wait_for(" END");
    assert!(said.contains(&format!("kernel : {SIZE} bytes")), "{said}\n{}", site.server.log());
    assert!(said.contains(&format!("The sum is {sum:#x} ")), "{sum}: {said}\n{}", site.server.log());
    for file in ["boot.ipxe", "kernel"] {
        site.assert_sent(file, "\"blksize=1432 tsize=");
    }
    site.server.assert_drains();
}

/// What EDK2 has loaded runs: GRUB, which loads a module of its own and the kernel, and computes what U-Boot does.
fn edk2_and_grub_load(ports: Ports, lost: Option<u32>) {
    let Some(qemu) = installed("qemu-system-x86_64", "qemu-system-x86") else { return };
    if ![EDK2, GRUB].iter().all(|path| Path::new(path).exists()) {
        return skip("EDK2 and GRUB (Debian packages ovmf and grub-efi-amd64-bin) are not installed");
    }
    let mut site = Site::new(ports, lost);
    std::fs::create_dir_all(site.path("grub/x86_64-efi")).unwrap();
    for (from, to) in [
        ("monolithic/grubnetx64.efi", "grub.efi"),
        ("command.lst", "grub/x86_64-efi/command.lst"),
        ("hashsum.mod", "grub/x86_64-efi/hashsum.mod"),
    ] {
        std::fs::copy(Path::new(GRUB).join(from), site.path(to)).unwrap();
    }
    let script = format!("set pager=0\ncrc (tftp,{SERVER})/kernel\necho END\n");
    std::fs::write(site.path("grub/grub.cfg"), script).unwrap();
    // Without the card's own ROM, so that it is EDK2's driver.
    let said = site.boot(&qemu, "grub.efi", "virtio-net-pci,romfile=", &["-bios", EDK2]).wait_for("END");
    let sum = format!("{:08x}", crc32(&content(1, SIZE)));
    assert!(said.contains(&sum), "{sum}: {said}\n{}", site.server.log());
    site.assert_sent("grub.efi", "\"blksize=1468 windowsize=4\"");
    for file in ["/grub/x86_64-efi/hashsum.mod", "/kernel"] {
        site.assert_sent(file, "\"blksize=1024 tsize=");
    }
    site.server.assert_drains();
}

/// iPXE loads PXELINUX, which goes on through the card's ROM, looks for a configuration under many names, prints one file
/// and reads another.
fn pxelinux_loads(card: &str, ports: Ports, lost: Option<u32>) {
    let Some(qemu) = installed("qemu-system-x86_64", "qemu-system-x86") else { return };
    if ![IPXE, PXELINUX, PXELINUX_MODULES].iter().all(|path| Path::new(path).exists()) {
        return skip("PXELINUX (Debian packages pxelinux, syslinux-common and ipxe-qemu) is not installed");
    }
    let mut site = Site::new(ports, lost);
    std::fs::copy(PXELINUX, site.path("pxelinux.0")).unwrap();
    for module in ["ldlinux.c32", "libutil.c32", "cat.c32", "cptime.c32"] {
        std::fs::copy(Path::new(PXELINUX_MODULES).join(module), site.path(module)).unwrap();
    }
    std::fs::create_dir(site.path("pxelinux.cfg")).unwrap();
    std::fs::write(site.path("pxelinux.cfg/default"), "SERIAL 0\nPROMPT 1\n").unwrap();
    // The console is too slow for more.
    let text: String = content(3, 600).chunks(16).map(|bytes| format!("{bytes:02x?}\n")).collect();
    std::fs::write(site.path("text"), format!("{text}END\n")).unwrap();
    let machine = site.boot(&qemu, "pxelinux.0", card, &[]);
    machine.wait_for("boot: ");
    machine.enter("cat.c32 text");
    let said = machine.wait_for("END");
    let printed = without_cursor(&said).replace(['\r', '\n'], "");
    assert!(printed.contains(&text.replace('\n', "")), "{said}\n{}", site.server.log());
    machine.wait_for("boot: ");
    machine.enter("cptime.c32 kernel");
    let said = without_cursor(&machine.wait_for("boot: "));
    assert!(said.contains(&SIZE.to_string()), "{said}\n{}", site.server.log());
    // Its last ACK is not repeated where it is lost, and the server then does not know; the console has told.
    if lost.is_none() {
        site.assert_sent("pxelinux.0", "\"blksize=1432 tsize=");
        for file in ["ldlinux.c32", "kernel"] {
            site.assert_sent(file, "\"blksize=1408 tsize=");
        }
        // It acknowledges these when it comes to them, between two lines of a slow console.
        for file in ["pxelinux.cfg/default", "cat.c32", "text", "cptime.c32", "libutil.c32"] {
            site.sent(file, "\"blksize=1408 tsize=");
        }
    }
    site.server.assert_drains();
}

/// What was printed, without the sequences that move a terminal's cursor.
fn without_cursor(said: &str) -> String {
    let mut parts = said.split("\x1b[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').get(1..).unwrap_or_default());
    }
    text
}

#[test]
fn ipxe_loads_with_a_virtio_card() {
    ipxe_loads("virtio-net-pci", Ports::Random, None);
}

#[test]
fn ipxe_loads_with_an_e1000_card_over_a_network_that_loses_datagrams() {
    ipxe_loads("e1000", Ports::Single, Some(101));
}

#[test]
fn edk2_and_grub_load_in_windows_and_in_lock_step() {
    edk2_and_grub_load(Ports::Random, None);
}

#[test]
fn edk2_and_grub_load_over_a_network_that_loses_datagrams() {
    edk2_and_grub_load(Ports::Single, Some(101));
}

#[test]
fn pxelinux_loads_with_an_e1000_card() {
    pxelinux_loads("e1000", Ports::Random, None);
}

#[test]
fn pxelinux_loads_over_a_network_that_loses_datagrams() {
    pxelinux_loads("e1000", Ports::Single, Some(31));
}
