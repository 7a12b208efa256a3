//! Machines that boot, in QEMU.

mod cable;
mod dhcp;
mod machine;
mod pc;
mod uboot;

use crate::support::Side;

/// Each way; not both of the same exchange.
fn loses_one_in(count: u32) -> impl FnMut(Side, &[u8]) -> bool + Send {
    let (mut to_server, mut to_client) = (0, count / 2);
    move |side, _| {
        let before = match side {
            Side::ToServer => &mut to_server,
            Side::ToClient => &mut to_client,
        };
        *before += 1;
        *before % count != 0
    }
}

fn number_after(line: &str, name: &str) -> usize {
    let (_, rest) = line.split_once(name).unwrap();
    rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap()
}

/// As U-Boot and everybody computes it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}
