//! As much of a DHCP server (RFC 2131) as a machine on a cable of its own needs to boot.

use super::cable::{MACHINE, SERVER};

pub(super) const SERVER_PORT: u16 = 67;
pub(super) const CLIENT_PORT: u16 = 68;

/// Where options begin, behind the fixed fields.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const OPTIONS: usize = 240;

/// `MESSAGE_TYPE` and its values.
const MESSAGE_TYPE: u8 = 53;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;

/// The answer to a DISCOVER or REQUEST: an address, and the file to boot. Anything else is left unanswered.
pub(super) fn answer(request: &[u8], file: &str) -> Option<Vec<u8>> {
    let kind = match option(request, MESSAGE_TYPE)? {
        [DISCOVER] => OFFER,
        [REQUEST] => ACK,
        _ => return None,
    };
    // Hardware type, transaction, flags and hardware address are as in the request.
    let mut answer = request[..OPTIONS].to_vec();
    answer[0] = 2;
    answer[12..16].fill(0);
    answer[16..20].copy_from_slice(&MACHINE.octets());
    answer[20..24].copy_from_slice(&SERVER.octets());
    answer[44..236].fill(0);
    answer[108..][..file.len()].copy_from_slice(file.as_bytes());
    let hour = 3600_u32.to_be_bytes();
    let [mask, lease, server] = [(1, [255, 255, 255, 0]), (51, hour), (54, SERVER.octets())];
    answer.extend([MESSAGE_TYPE, 1, kind]);
    for (code, value) in [mask, lease, server] {
        answer.extend([code, 4]);
        answer.extend(value);
    }
    answer.push(255);
    // Some take nothing shorter than BOOTP's messages.
    answer.resize(answer.len().max(300), 0);
    Some(answer)
}

fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    if message.get(OPTIONS - COOKIE.len()..OPTIONS)? != COOKIE {
        return None;
    }
    let mut rest = &message[OPTIONS..];
    loop {
        rest = match rest {
            [0, rest @ ..] => rest,
            [code, len, rest @ ..] => {
                let (value, rest) = rest.split_at_checked(usize::from(*len))?;
                if *code == wanted {
                    return Some(value);
                }
                rest
            }
            _ => return None,
        };
    }
}
