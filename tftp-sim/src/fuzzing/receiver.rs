use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::transfer::{Abandoned, Ending, Progress, TransferAction};
use tftp_proto::wire::{ErrorCode, Packet};

use super::script::Script;
use super::solo::Solo;
use crate::content;

/// A receiver of either role, moved by the input: DATA of any number and length, other packets, time, an owner without
/// room and one that is slow to commit.
///
/// It must take each block once and in order and nothing else, acknowledge nothing it does not have, nothing while there
/// is no room and the end only when it is safe, send no more ACKs than there were reasons, and end.
///
/// # Panics
///
/// If a rule is broken.
pub fn receiver(input: &[u8]) {
    let mut script = Script::new(input);
    let solo = Solo::new(&mut script, false);
    let mut play = Play {
        solo,
        received: 0,
        heard: false,
        file: Vec::new(),
        expected: Vec::new(),
        stage: Stage::Receiving,
        room: true,
        unasked: 0,
        sent: 0,
        reasons: 1,
        deadline: None,
        over: false,
    };
    play.drain();
    for _ in 0..300 {
        if script.is_empty() || play.over {
            break;
        }
        play.turn(&mut script);
    }
    let silence = play.solo.now;
    play.set_room(true);
    for count in 0.. {
        if play.over {
            break;
        }
        assert!(count < 5_000, "it does not end");
        play.commit();
        play.wake();
    }
    assert_eq!(play.file, play.expected, "what was received");
    assert!(play.solo.now - silence <= play.solo.patience(), "it ends late");
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Receiving,
    /// The last block is in.
    Complete,
    /// And safe.
    Committed,
}

struct Play {
    solo: Solo,
    /// The last block in order.
    received: u64,
    /// A block of the first window has come, if not the first one: the peer has our answer to its request.
    heard: bool,
    /// What came out.
    file: Vec<u8>,
    /// What the blocks held that had their turn.
    expected: Vec<u8>,
    stage: Stage,
    room: bool,
    /// Blocks taken while there was none.
    unasked: u64,
    sent: u64,
    /// What may have caused an ACK each.
    reasons: u64,
    deadline: Option<Instant>,
    over: bool,
}

impl Play {
    fn turn(&mut self, script: &mut Script<'_>) {
        let size = usize::from(self.solo.parameters.block_size);
        match script.byte() % 8 {
            0 | 1 => {
                let len = script.pick(&[size, size, size, size, 0, size - 1, size + 1]);
                self.data(self.received + 1, len, script.byte());
            }
            2 => {
                let near = self.received.saturating_sub(self.solo.window()) + u64::from(script.byte());
                let len = script.pick(&[size, 0, size + 1]);
                self.data(near, len, script.byte());
            }
            3 => {
                let block = script.word();
                self.data(block.into(), size, script.byte());
            }
            4 => self.wake(),
            5 => {
                let unit = script.pick(&[1, 100, 1_000, 50_000]);
                self.solo.now = self.solo.now + Duration::from_micros(u64::from(script.byte()) * unit);
                self.solo.transfer.handle_timeout(self.solo.now);
                self.drain();
            }
            6 => match script.byte() {
                0..80 => self.hear(&Packet::Ack { block: 0 }),
                80..160 => {
                    self.reasons += 1;
                    self.solo.transfer.repeat_answer();
                    self.drain();
                }
                160..240 => self.commit(),
                240..248 => self.hear(&Packet::Error { code: ErrorCode::NotDefined, message: b"" }),
                _ => {
                    self.solo.transfer.fail(ErrorCode::DiskFull, "full");
                    self.drain();
                }
            },
            _ => self.set_room(!self.room),
        }
    }

    /// DATA with the number of a block and any bytes.
    fn data(&mut self, block: u64, len: usize, seed: u8) {
        let payload = content::bytes(seed.into(), len);
        let number = self.solo.number(block);
        self.hear(&Packet::Data { block: number, payload: &payload });
    }

    fn hear(&mut self, packet: &Packet<'_>) {
        let sent = self.sent;
        let size = usize::from(self.solo.parameters.block_size);
        let next = match *packet {
            Packet::Data { block, payload } if self.stage == Stage::Receiving => {
                Some(payload).filter(|_| block == self.solo.number(self.received + 1))
            }
            _ => None,
        };
        if let Packet::Data { block, .. } = *packet {
            self.heard |= self.solo.block(block, 1..self.solo.window() + 1).is_some();
        }
        let progress = self.solo.transfer.handle_packet(self.solo.now, packet);
        match (progress, next) {
            (Progress::Data { payload, last }, Some(next)) if next.len() <= size => {
                assert_eq!(last, payload.len() < size, "the end of the file");
                self.file.extend_from_slice(payload);
                self.expected.extend_from_slice(next);
                self.received += 1;
                self.unasked += u64::from(!self.room);
                assert!(self.unasked <= self.solo.window(), "more is taken than was asked for, without room");
                if last {
                    self.stage = Stage::Complete;
                }
            }
            (Progress::Data { .. }, _) => unreachable!("a block that had not its turn"),
            (_, Some(next)) => assert!(!self.room || next.len() > size, "block {} was not taken", self.received + 1),
            (Progress::Advanced | Progress::Ignored, None) => {}
        }
        self.reasons += u64::from(progress != Progress::Ignored || self.stage == Stage::Committed);
        self.drain();
        if progress == Progress::Ignored {
            assert_eq!(self.sent, sent, "a packet that was ignored causes another");
        }
    }

    fn set_room(&mut self, room: bool) {
        // While nothing can have come yet there is nothing to be held back.
        self.room = room || self.stage == Stage::Committed || self.solo.transfer.is_asking();
        self.unasked = 0;
        self.solo.transfer.set_room(self.solo.now, self.room);
        self.drain();
    }

    /// The owner has made the file safe, if it is complete.
    fn commit(&mut self) {
        if self.stage == Stage::Complete {
            self.stage = Stage::Committed;
            self.room = true;
            self.reasons += 1;
            self.solo.transfer.committed(self.solo.now);
            self.drain();
        }
    }

    fn wake(&mut self) {
        if self.over {
            return;
        }
        let Some(deadline) = self.deadline else {
            assert!(!self.room || self.stage == Stage::Complete, "it waits for nothing");
            return;
        };
        self.solo.now = deadline;
        self.solo.transfer.handle_timeout(deadline);
        self.drain();
    }

    fn drain(&mut self) {
        for count in 0.. {
            assert!(count < 1000, "it never waits");
            match self.solo.transfer.poll(self.solo.now, &mut self.solo.out) {
                TransferAction::Transmit { len, segment_size, .. } => {
                    assert_eq!(segment_size, None, "a train of ACKs");
                    let out = std::mem::take(&mut self.solo.out);
                    self.check(&out[..len]);
                    self.solo.out = out;
                }
                TransferAction::Wait(deadline) => {
                    assert!(deadline.is_none_or(|deadline| deadline > self.solo.now), "a deadline in the past");
                    self.deadline = deadline;
                    break;
                }
                TransferAction::Ended(ending) => {
                    self.over = true;
                    let safe = self.stage == Stage::Committed;
                    assert!(ending != Ending::Completed || safe, "it ends well before the file is safe");
                    assert!(ending != Ending::TimedOut || self.stage == Stage::Receiving, "a timeout with all there");
                    assert!(ending != Ending::Abandoned(Abandoned::BlockTooLong) || !safe);
                    break;
                }
                TransferAction::Read { .. } => unreachable!("a receiver reads nothing"),
                TransferAction::Request(_) => {
                    // A client without options is answered by the first DATA; until then it asks.
                    assert!(self.solo.opening.is_none() && self.received == 0, "it asks again");
                }
            }
        }
        let reasons = self.reasons + self.solo.transfer.stats().timeouts;
        assert!(self.sent <= reasons, "{} ACKs for {reasons} reasons", self.sent);
    }

    fn check(&mut self, datagram: &[u8]) {
        if datagram.starts_with(&[0, 5]) {
            return;
        }
        self.sent += 1;
        assert!(self.room, "an ACK while there is no room");
        assert_ne!(self.stage, Stage::Complete, "an ACK before the file is safe");
        if self.received == 0 && !self.heard {
            assert_eq!(Some(datagram), self.solo.opening.as_deref(), "not the answer to the request");
        } else {
            let [high, low] = self.solo.number(self.received).to_be_bytes();
            assert_eq!(datagram, [0, 4, high, low], "not the ACK of the last block");
        }
    }
}
