//! One transfer alone, in either role, up to where the file begins to move.

use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::client::Asking;
use tftp_proto::config::{OptionPolicy, Pacing, Timing};
use tftp_proto::negotiate::{Parameters, grant};
use tftp_proto::seq::Rollover;
use tftp_proto::transfer::{Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet, Repr};

use super::script::Script;

/// A transfer, and what the target knows of it.
pub(super) struct Solo {
    pub(super) transfer: Transfer<Vec<u8>>,
    pub(super) now: Instant,
    pub(super) parameters: Parameters,
    /// What block 0 is, where we send it: OACK or ACK.
    pub(super) opening: Option<Vec<u8>>,
    pub(super) out: Vec<u8>,
    /// The longest read.
    pub(super) read_size: usize,
}

impl Solo {
    /// A transfer whose role, options and reading follow from the script. `sends`: whether it sends the file.
    pub(super) fn new(script: &mut Script<'_>, sends: bool) -> Self {
        let kind = script.byte();
        let is_client = kind & 1 == 1;
        let mode = if kind & 2 == 2 { Mode::Netascii } else { Mode::Octet };
        let direction = if sends == is_client { Direction::Write } else { Direction::Read };
        let options = Options {
            block_size: (kind & 4 == 4).then(|| script.pick(&[8, 9, 64, 512, 1428])),
            window_size: (kind & 8 == 8).then(|| script.pick(&[1, 2, 3, 8, 16, 64])),
            timeout: (kind & 16 == 16).then(|| script.pick(&[1, 3, 255])),
            rollover: (kind & 32 == 32).then(|| script.pick(&[Rollover::Zero, Rollover::One])),
            ..Options::NONE
        };
        let pacing = if kind & 64 == 64 { Pacing::OFF } else { Pacing::default() };
        let read_size: usize = script.pick(&[1, 100, 512, 4096]);
        let (now, timing) = (Instant::from_micros(1), Timing::default());
        let (granted, parameters) = grant(&options, direction, mode, &OptionPolicy::default(), None);
        let mut out = vec![0; 66_000];
        let len = Repr::Oack(granted).emit(&mut out).unwrap_or(0);
        let oack = out[..len].to_vec();
        let (mut opening, mut transfer);
        if is_client {
            let asking = Asking { direction, mode, options, fall_back: false, timing };
            transfer = Transfer::ask(now, asking, read_size, 1).with_pacing(pacing, None);
            assert!(matches!(transfer.poll(now, &mut out), TransferAction::Request(asked) if asked == options));
            opening = None;
            // Without options the first DATA or ACK is the answer.
            if !granted.is_empty() || sends {
                let answer = if granted.is_empty() { vec![0, 4, 0, 0] } else { oack };
                let packet = Packet::parse(&answer).unwrap_or(Packet::Ack { block: 0 });
                transfer.handle_packet(now, &packet);
                opening = (!sends).then(|| vec![0, 4, 0, 0]);
            }
        } else {
            opening = Some(if granted.is_empty() { vec![0, 4, 0, 0] } else { oack })
                .filter(|_| !sends || !granted.is_empty());
            transfer = if sends {
                Transfer::serve_read(now, (granted, parameters), timing, read_size, 1).with_pacing(pacing, None)
            } else {
                Transfer::serve_write(now, (granted, parameters), timing, 1)
            };
        }
        if opening.as_ref().is_some_and(Vec::is_empty) {
            opening = None;
        }
        let read_size = read_size.max(parameters.block_size.into());
        Self { transfer, now, parameters, opening, out, read_size }
    }

    /// The number of a block on the wire.
    pub(super) fn number(&self, block: u64) -> u16 {
        number(self.parameters.rollover, block)
    }

    /// The block within these that a number on the wire stands for.
    pub(super) fn block(&self, number: u16, mut among: std::ops::Range<u64>) -> Option<u64> {
        among.find(|block| self.number(*block) == number)
    }

    /// The longest that the transfer may go on when nothing comes any more: patience and dallying, or a few retries.
    pub(super) fn patience(&self) -> Duration {
        self.parameters.timeout.unwrap_or_default().max(Timing::default().max_timeout) * 12
    }

    pub(super) fn window(&self) -> u64 {
        self.parameters.window_size.into()
    }
}

/// The number of a block on the wire, counted out: 65,535 is followed by 0 or by 1.
fn number(rollover: Rollover, block: u64) -> u16 {
    let number = match rollover {
        Rollover::Zero => block % 65_536,
        Rollover::One if block < 65_536 => block,
        Rollover::One => (block - 65_536) % 65_535 + 1,
    };
    u16::try_from(number).unwrap_or(0)
}
