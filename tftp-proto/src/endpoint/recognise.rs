//! Clients that are known by their requests, where learning what they take would come too late.
//!
//! A request names its client only by its habits: which options it asks, in which order, in which spelling. That is
//! enough for the few clients that cannot be served well by the rules alone. A client that is taken for one of them by
//! mistake is served no worse than that one.

use super::jobs::ETHERNET_BLOCK;
use crate::wire::{Direction, Mode, Request};

/// The headers of UDP and of DATA, which share the frames of a block with it.
const HEADERS: u16 = 12;

/// A client whose request shows which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Frames that it has room for at once.
    frames: u16,
}

impl Known {
    /// The largest window, in blocks of so many bytes, that finds room; one block may always be sent.
    pub(super) fn window(self, block_size: u16) -> u16 {
        let per_block = block_size.saturating_add(HEADERS).div_ceil(ETHERNET_BLOCK + HEADERS);
        (self.frames / per_block).max(1)
    }
}

/// Which client it is, if the request shows that.
///
/// **U-Boot** (2023.01) asks for `timeout`, then `tsize` where it is built in, then `blksize`, then `windowsize` if that is
/// not 1, in lower case, and for nothing else.
///
/// * Its virtio driver has 32 buffers, and once all of them are full it never receives again. Pauses between short trains
///   of a large window do not prevent that on a machine that stands still for a moment, and it acknowledges only the last
///   block of what was granted. So less is granted: a window, and two copies of it, find room.
/// * It counts its timers that run out, over a whole transfer, and gives up at the eleventh. The interval it asks for is
///   that of its own timer, which runs out a little before a server's of the same length: in lock-step, eleven DATA
///   packets that are lost end the transfer, whatever its size. So it gets what is missing, or of a window the last block,
///   long before that; in lock-step it is known by the block size that it asks for as it comes.
pub(super) fn recognise(request: &Request<'_>) -> Option<Known> {
    const AS_IT_COMES: Option<u16> = Some(1468);
    if request.direction != Direction::Read || request.mode != Mode::Octet {
        return None;
    }
    let asks = |names: &[&[u8]]| request.options.map(|(name, _)| name).eq(names.iter().copied());
    let windowed =
        asks(&[b"timeout", b"blksize", b"windowsize"]) || asks(&[b"timeout", b"tsize", b"blksize", b"windowsize"]);
    let lock_step = asks(&[b"timeout", b"blksize"]) || asks(&[b"timeout", b"tsize", b"blksize"]);
    let lock_step = lock_step && request.options.parse().options.block_size == AS_IT_COMES;
    (windowed || lock_step).then_some(Known { frames: 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Packet;

    const UBOOT: Known = Known { frames: 10 };

    fn known(packet: &[u8]) -> Option<Known> {
        let Ok(Packet::Request(request)) = Packet::parse(packet) else { panic!("not a request") };
        recognise(&request)
    }

    #[test]
    fn uboot_is_known_by_its_options_and_their_order() {
        for packet in [
            &b"\0\x01big.bin\0octet\0timeout\x001\0blksize\x00512\0windowsize\x0016\0"[..],
            b"\0\x01big.bin\0octet\0timeout\x005\0tsize\x000\0blksize\x001024\0windowsize\x0064\0",
            b"\0\x01big.bin\0octet\0timeout\x005\0blksize\x001468\0windowsize\x002\0",
            b"\0\x01big.bin\0octet\0timeout\x005\0blksize\x001468\0",
            b"\0\x01big.bin\0octet\0timeout\x001\0tsize\x007\0blksize\x001468\0",
        ] {
            assert_eq!(known(packet), Some(UBOOT), "{}", packet.escape_ascii());
        }
    }

    #[test]
    fn a_block_of_several_frames_needs_the_room_of_several() {
        let windows = [8, 512, 1468, 1469, 4096, 16384, 65464].map(|size| UBOOT.window(size));
        assert_eq!(windows, [10, 10, 10, 5, 3, 1, 1]);
    }

    #[test]
    fn nobody_else_is() {
        for request in [
            // UEFI, iPXE, PXELINUX, curl, and U-Boot's options as another client asks them.
            &b"\0\x01boot.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"[..],
            b"\0\x01boot.ipxe\0octet\0blksize\x001432\0tsize\x000\0",
            b"\0\x01ldlinux.c32\0octet\0tsize\x000\0blksize\x001408\0",
            b"\0\x01f\0octet\0tsize\x000\0blksize\x00512\0timeout\x006\0",
            b"\0\x01f\0octet\0timeout\x001\0",
            b"\0\x01f\0octet\0timeout\x001\0blksize\x00512\0",
            b"\0\x01f\0octet\0blksize\x001468\0timeout\x001\0",
            b"\0\x01f\0netascii\0timeout\x001\0blksize\x001468\0",
            b"\0\x01f\0octet\0blksize\x001024\0timeout\x001\0windowsize\x0064\0",
            b"\0\x01f\0octet\0TIMEOUT\x001\0BLKSIZE\x001024\0WINDOWSIZE\x0064\0",
            b"\0\x01f\0octet\0timeout\x001\0blksize\x001024\0windowsize\x0064\0rollover\x000\0",
            b"\0\x02f\0octet\0timeout\x001\0blksize\x001024\0windowsize\x0064\0",
        ] {
            assert_eq!(known(request), None, "{}", request.escape_ascii());
        }
    }
}
