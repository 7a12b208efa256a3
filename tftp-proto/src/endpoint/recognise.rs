//! Clients that are known by their requests, where learning what they take would come too late.
//!
//! A request names its client only by its habits: which options it asks, in which order, in which spelling. That is
//! enough for the few clients that do not survive the attempt to find out how long a train they take. A client that is
//! taken for one of them by mistake is served no worse than that one.

use crate::wire::{DATA_HEADER, Direction, Mode, Request};

/// What an IPv4 packet carries in an Ethernet frame, and the header that UDP puts before the first of it.
const FRAME: usize = 1480;
const UDP_HEADER: usize = 8;

/// What a client takes at once, known from its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    frames: u16,
}

impl Room {
    /// The largest window, in blocks of so many bytes, that finds room.
    pub(super) fn window(self, block_size: u16) -> u16 {
        let per_block = (usize::from(block_size) + DATA_HEADER + UDP_HEADER).div_ceil(FRAME);
        u16::try_from(usize::from(self.frames) / per_block).unwrap_or(u16::MAX).max(1)
    }
}

/// What a client takes at once, if its request shows which one it is.
///
/// * **U-Boot** (2023.01, and barebox, which has its code from there): `timeout`, then `tsize` where it is built in, then
///   `blksize`, then `windowsize`, in lower case and nothing else. Its virtio driver has 32 buffers, and once all of them
///   are full it never receives again. Trains do not help for sure: it may stand still between them (on a busy host, with
///   2 ms after each eight blocks of a window of 64, one machine in six did not boot). Of what was granted it acknowledges
///   the last block only, so less has to be granted. Twice 16 fit, if a window is repeated.
pub(super) fn recognise(request: &Request<'_>) -> Option<Room> {
    const WITHOUT_SIZE: [&[u8]; 3] = [b"timeout", b"blksize", b"windowsize"];
    const WITH_SIZE: [&[u8]; 4] = [b"timeout", b"tsize", b"blksize", b"windowsize"];
    if request.direction != Direction::Read || request.mode != Mode::Octet {
        return None;
    }
    let names = || request.options.map(|(name, _)| name);
    let is_uboot = names().eq(WITHOUT_SIZE) || names().eq(WITH_SIZE);
    is_uboot.then_some(Room { frames: 16 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Packet;

    fn is_known(packet: &[u8]) -> bool {
        let Ok(Packet::Request(request)) = Packet::parse(packet) else { panic!("not a request") };
        recognise(&request).is_some()
    }

    #[test]
    fn uboot_is_known_by_its_options_and_their_order() {
        assert!(is_known(b"\0\x01big.bin\0octet\0timeout\x001\0blksize\x00512\0windowsize\x0016\0"));
        assert!(is_known(b"\0\x01big.bin\0octet\0timeout\x005\0tsize\x000\0blksize\x001024\0windowsize\x0064\0"));
    }

    #[test]
    fn a_block_of_several_frames_needs_the_room_of_several() {
        let windows = [8, 512, 1468, 1469, 4096, 16384, 65464].map(|size| Room { frames: 16 }.window(size));
        assert_eq!(windows, [16, 16, 16, 8, 5, 1, 1]);
    }

    #[test]
    fn nobody_else_is() {
        for request in [
            // UEFI, iPXE, PXELINUX, curl, U-Boot without a window, and U-Boot's options as another client asks them.
            &b"\0\x01boot.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"[..],
            b"\0\x01boot.ipxe\0octet\0blksize\x001432\0tsize\x000\0",
            b"\0\x01ldlinux.c32\0octet\0tsize\x000\0blksize\x001408\0",
            b"\0\x01f\0octet\0tsize\x000\0blksize\x00512\0timeout\x006\0",
            b"\0\x01one.bin\0octet\0timeout\x001\0blksize\x001468\0",
            b"\0\x01f\0octet\0blksize\x001024\0timeout\x001\0windowsize\x0064\0",
            b"\0\x01f\0octet\0TIMEOUT\x001\0BLKSIZE\x001024\0WINDOWSIZE\x0064\0",
            b"\0\x01f\0octet\0timeout\x001\0blksize\x001024\0windowsize\x0064\0rollover\x000\0",
            b"\0\x02f\0octet\0timeout\x001\0blksize\x001024\0windowsize\x0064\0",
        ] {
            assert!(!is_known(request), "{}", request.escape_ascii());
        }
    }
}
