use std::time::Duration;

use tftp_proto::transfer::{Ending, Progress, Sender, Transfer, TransferAction};
use tftp_proto::wire::{ErrorCode, Packet};

use super::script::Script;
use super::solo::Solo;
use crate::content;
use crate::reference::encoded;
use crate::sendmsg::datagrams;

/// A sender of either role, moved by the input: ACKs of any block, other packets, time, and storage that answers late.
///
/// Every DATA must lie in the window and hold that block's bytes, what is ignored must cause nothing, the number of
/// datagrams is bounded by what was acknowledged and lost, no more of the file is held than is allowed, success means that
/// the last block was acknowledged, and it always ends.
///
/// # Panics
///
/// If a rule is broken.
pub fn sender(input: &[u8]) {
    let mut script = Script::new(input);
    let solo = Solo::new(&mut script, true);
    let len = usize::from(script.word() % 4000);
    let text = solo.parameters.mode == tftp_proto::wire::Mode::Netascii;
    let file = if text { content::text(1, len) } else { content::bytes(1, len) };
    let wire = if text { encoded(&file) } else { file.clone() };
    let base = u64::from(solo.opening.is_none());
    let pieces_out = solo.out.clone();
    let mut play = Play {
        solo,
        file,
        wire,
        base,
        end: base,
        sent: 0,
        reasons: 1,
        read: None,
        deadline: None,
        over: false,
        allowed: usize::MAX,
        keep: 0,
        pieces_out,
    };
    play.drain();
    for _ in 0..300 {
        if script.is_empty() || play.over {
            break;
        }
        play.turn(&mut script);
    }
    let silence = play.solo.now;
    for count in 0.. {
        if play.over {
            break;
        }
        assert!(count < 5_000, "it does not end");
        play.serve();
        play.wake();
    }
    assert!(play.solo.now - silence <= play.solo.patience(), "it ends late");
}

struct Play {
    solo: Solo,
    file: Vec<u8>,
    /// The file as it travels.
    wire: Vec<u8>,
    /// The oldest block that was not acknowledged.
    base: u64,
    /// One past the highest block that was sent.
    end: u64,
    sent: u64,
    /// What may have caused a window each.
    reasons: u64,
    read: Option<(u64, usize)>,
    deadline: Option<tftp_proto::Instant>,
    over: bool,
    /// Bytes of the file that may be held while nothing can be sent.
    allowed: usize,
    /// Nothing before this offset is to be asked for again.
    keep: u64,
    pieces_out: Vec<u8>,
}

impl Play {
    fn block_size(&self) -> u64 {
        self.solo.parameters.block_size.into()
    }

    fn last(&self) -> u64 {
        self.wire.len() as u64 / self.block_size() + 1
    }

    fn turn(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 | 1 => {
                let oldest = self.base.saturating_sub(1);
                let block = oldest + u64::from(script.byte()) % (self.end - oldest + 2);
                self.hear(&Packet::Ack { block: self.solo.number(block) });
            }
            2 => {
                let block = script.word();
                self.hear(&Packet::Ack { block });
            }
            3 => self.serve(),
            4 => self.wake(),
            5 => {
                let unit = script.pick(&[1, 100, 1_000, 50_000]);
                self.solo.now = self.solo.now + Duration::from_micros(u64::from(script.byte()) * unit);
                self.solo.transfer.handle_timeout(self.solo.now);
                self.drain();
            }
            6 => match script.byte() {
                0..64 => self.hear(&Packet::Data { block: 1, payload: b"x" }),
                64..128 => {
                    self.allowed = script.pick(&[0, 100, 1428, 8192, usize::MAX]);
                    self.solo.transfer.set_allowance(self.allowed);
                    self.drain();
                }
                128..240 => {
                    self.reasons += u64::from(!self.solo.transfer.is_proved());
                    self.solo.transfer.repeat_answer();
                    self.drain();
                }
                240..248 => self.hear(&Packet::Error { code: ErrorCode::NotDefined, message: b"" }),
                _ => {
                    self.solo.transfer.fail(ErrorCode::DiskFull, "full");
                    self.drain();
                }
            },
            _ => {
                // Everything that is out was received.
                let block = self.solo.number(self.end - u64::from(self.end > 0));
                self.hear(&Packet::Ack { block });
            }
        }
    }

    fn hear(&mut self, packet: &Packet<'_>) {
        let (before, sent) = (self.base, self.sent);
        if let Packet::Ack { block } = *packet
            && let Some(block) = self.solo.block(block, self.base..self.end)
        {
            self.base = block + 1;
        }
        let progress = self.solo.transfer.handle_packet(self.solo.now, packet);
        assert!(!matches!(progress, Progress::Data { .. }), "a sender received data");
        if self.base > before {
            assert_eq!(progress, Progress::Advanced, "an ACK of block {} brings nothing", self.base - 1);
        } else if let Packet::Ack { .. } = packet {
            assert!(progress == Progress::Ignored || self.solo.window() > 1, "a repeated ACK counts in lock-step");
        }
        self.reasons += u64::from(progress == Progress::Advanced);
        self.drain();
        if progress == Progress::Ignored {
            assert_eq!(self.sent, sent, "a packet that was ignored causes another");
        }
    }

    /// Storage answers.
    fn serve(&mut self) {
        let Some((offset, len)) = self.read.take() else { return };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.file.len());
        let chunk = self.file[start..self.file.len().min(start + len)].to_vec();
        self.solo.transfer.handle_chunk(chunk);
        self.drain();
    }

    /// The next deadline comes.
    fn wake(&mut self) {
        if self.over {
            return;
        }
        let Some(deadline) = self.deadline else {
            assert!(self.read.is_some(), "it waits for nothing");
            return;
        };
        self.solo.now = deadline;
        self.solo.transfer.handle_timeout(deadline);
        self.drain();
    }

    fn drain(&mut self) {
        let timeouts = self.solo.transfer.stats().timeouts;
        for count in 0.. {
            assert!(count < 1000, "it never waits");
            // Whether it is told to hand out its payloads in pieces must not matter to anybody else.
            let mut in_pieces = self.solo.transfer.clone();
            let action = self.solo.transfer.poll(self.solo.now, &mut self.solo.out);
            let pieces = self.pieces(&mut in_pieces);
            assert_eq!(in_pieces, self.solo.transfer);
            match action {
                TransferAction::Transmit { len, segment_size, .. } => {
                    let out = std::mem::take(&mut self.solo.out);
                    let datagrams = datagrams(&out, len, segment_size, None);
                    assert_eq!(pieces, datagrams, "in pieces it is something else");
                    for datagram in datagrams {
                        self.check(&datagram);
                    }
                    self.solo.out = out;
                }
                TransferAction::Read { offset, len, keep } => {
                    assert!(self.read.is_none() && len > 0 && keep <= offset, "a read that is none");
                    assert!(len <= self.solo.read_size && keep >= self.keep, "a read that was not to come");
                    self.keep = keep;
                    self.read = Some((offset, len));
                }
                TransferAction::Wait(deadline) => {
                    assert!(deadline.is_none_or(|deadline| deadline > self.solo.now), "a deadline in the past");
                    self.deadline = deadline;
                    break;
                }
                TransferAction::Ended(ending) => {
                    self.over = true;
                    let all = self.base > self.last();
                    assert_eq!(ending == Ending::Completed, all, "{ending:?} with block {} due", self.base);
                    assert!(ending != Ending::DeliveredUnconfirmed || self.base == self.last());
                    break;
                }
                TransferAction::Request(_) => unreachable!("it was answered"),
            }
        }
        let held = self.solo.transfer.sender().map_or(0, Sender::bytes_held);
        // A peer that has not answered is not worth a second read.
        let patient = self.read.is_none() && self.solo.transfer.is_proved();
        let most = if patient { self.allowed.min(2 * self.solo.read_size) } else { 2 * self.solo.read_size };
        assert!(held <= most, "{held} bytes are held, not {most}");
        // A pause between trains may ask once more for the ACK of a window; that is one datagram for a window.
        let reasons = self.reasons + timeouts.max(self.solo.transfer.stats().timeouts);
        assert!(self.sent <= (self.solo.window() + 1) * reasons, "{} datagrams for {reasons} reasons", self.sent);
    }

    /// What the same transfer sends if it may leave payloads where they are.
    fn pieces(&mut self, transfer: &mut Transfer<Vec<u8>>) -> Vec<Vec<u8>> {
        match transfer.poll_vectored(self.solo.now, &mut self.pieces_out, 0) {
            TransferAction::Transmit { len, segment_size, body } => {
                datagrams(&self.pieces_out, len, segment_size, body.map(|body| transfer.body(body)))
            }
            _ => Vec::new(),
        }
    }

    fn check(&mut self, datagram: &[u8]) {
        if datagram.starts_with(&[0, 5]) {
            return;
        }
        self.sent += 1;
        if self.base == 0 {
            assert_eq!(Some(datagram), self.solo.opening.as_deref(), "not the OACK");
            self.end = 1;
            return;
        }
        let (header, payload) = datagram.split_at(4);
        assert_eq!(header[..2], [0, 3], "not DATA");
        let number = u16::from_be_bytes([header[2], header[3]]);
        let window = self.base..self.base + self.solo.window();
        let block = self.solo.block(number, window);
        let block = block.unwrap_or_else(|| unreachable!("number {number} while block {} is due", self.base));
        assert!(block <= self.last() && block <= self.end, "block {block} after {}", self.end);
        let start = (usize::try_from(block).unwrap_or(0) - 1) * usize::from(self.solo.parameters.block_size);
        let end = (start + usize::from(self.solo.parameters.block_size)).min(self.wire.len());
        assert_eq!(payload, &self.wire[start..end], "the bytes of block {block}");
        self.end = self.end.max(block + 1);
    }
}
