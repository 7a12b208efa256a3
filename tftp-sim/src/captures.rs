//! Datagrams of real boot clients and of the server they talked to (tftpd-hpa 5.2), as captured on a wire.

/// iPXE 1.21: requests.
pub const IPXE: [&[u8]; 6] = [
    b"\0\x01boot.ipxe\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01one.bin\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01even.bin\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01sub dir/spaced name.bin\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01big.bin\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01absent.bin\0octet\0blksize\x001432\0tsize\x000\0",
];

/// UEFI (EDK2 2022.11, OVMF): the request that only wants the size.
pub const OVMF_PROBE: &[u8] = b"\0\x01boot.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
/// UEFI (EDK2 2022.11, OVMF): its answer to the OACK.
pub const OVMF_ABORT: &[u8] = b"\0\x05\0\x08User aborted the transfer\0";
/// UEFI (EDK2 2022.11, OVMF): the request that wants the file, from another port.
pub const OVMF_REQUEST: &[u8] = b"\0\x01boot.efi\0octet\0blksize\x001468\0windowsize\x004\0";

/// GRUB 2.06 (i386-pc): some of its requests.
pub const GRUB: [&[u8]; 6] = [
    b"\0\x01boot/grub/i386-pc/core.0\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01/boot/grub/i386-pc/normal.mod\0octet\0blksize\x001024\0tsize\x000\0",
    b"\0\x01/boot/grub/grub.cfg-01-52-54-00-12-34-56\0octet\0blksize\x001024\0tsize\x000\0",
    b"\0\x01/boot/grub/grub.cfg-0AD50751\0octet\0blksize\x001024\0tsize\x000\0",
    b"\0\x01/boot/grub/i386-pc/command.lst\0octet\0blksize\x001024\0tsize\x000\0",
    b"\0\x01/big.bin\0octet\0blksize\x001024\0tsize\x000\0",
];

/// PXELINUX 6.04: its first stage, its library, its probes for a configuration, its kernel.
pub const PXELINUX: [&[u8]; 7] = [
    b"\0\x01pxelinux.0\0octet\0blksize\x001432\0tsize\x000\0",
    b"\0\x01ldlinux.c32\0octet\0tsize\x000\0blksize\x001408\0",
    b"\0\x01pxelinux.cfg/01-52-54-00-12-34-56\0octet\0tsize\x000\0blksize\x001408\0",
    b"\0\x01pxelinux.cfg/0AD50751\0octet\0tsize\x000\0blksize\x001408\0",
    b"\0\x01pxelinux.cfg/0\0octet\0tsize\x000\0blksize\x001408\0",
    b"\0\x01pxelinux.cfg/default\0octet\0tsize\x000\0blksize\x001408\0",
    b"\0\x01kernel\0octet\0tsize\x000\0blksize\x001408\0",
];

/// U-Boot 2023.01: block sizes and windows as set in its environment.
pub const UBOOT: [&[u8]; 5] = [
    b"\0\x01one.bin\0octet\0timeout\x001\0blksize\x001468\0",
    b"\0\x01mid.bin\0octet\0timeout\x001\0blksize\x00512\0",
    b"\0\x01mid.bin\0octet\0timeout\x001\0blksize\x001468\0windowsize\x008\0",
    b"\0\x01mid.bin\0octet\0timeout\x001\0blksize\x001024\0windowsize\x0016\0",
    b"\0\x01absent.bin\0octet\0timeout\x001\0blksize\x00512\0windowsize\x0016\0",
];

/// tftpd-hpa 5.2: its OACKs to the above.
pub const HPA_OACKS: [&[u8]; 5] = [
    b"\0\x06blksize\x001432\0tsize\x00498\0",
    b"\0\x06tsize\x006795372\0blksize\x001468\0",
    b"\0\x06blksize\x001468\0",
    b"\0\x06timeout\x001\0blksize\x001468\0",
    b"\0\x06tsize\x00119524\0blksize\x001408\0",
];
/// tftpd-hpa 5.2: a missing file.
pub const HPA_NOT_FOUND: &[u8] = b"\0\x05\0\x01File not found\0";

/// All of them.
pub fn all() -> impl Iterator<Item = &'static [u8]> {
    [OVMF_PROBE, OVMF_ABORT, OVMF_REQUEST, HPA_NOT_FOUND]
        .into_iter()
        .chain(IPXE)
        .chain(GRUB)
        .chain(PXELINUX)
        .chain(UBOOT)
        .chain(HPA_OACKS)
}

/// The file name of a captured request.
#[must_use]
pub fn name(request: &[u8]) -> &str {
    let rest = request.get(2..).unwrap_or_default();
    let name = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    core::str::from_utf8(name).unwrap_or_default()
}
