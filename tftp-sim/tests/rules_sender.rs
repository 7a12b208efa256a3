//! A sender and its source: what leaves when, how long it waits, what it reads. No endpoint, no network.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::config::{OptionPolicy, Pacing, Timing};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Ending, Pace, Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet};
use tftp_sim::ms;
use tftp_sim::sendmsg::datagrams;
use tftp_sim::weak::{Sending, WeakReceiver, send};

const NONE: [u16; 0] = [];

/// A server's download, and the time.
struct Download {
    transfer: Transfer<Vec<u8>>,
    now: Instant,
    deadline: Option<Instant>,
    ending: Option<Ending>,
    file: Vec<u8>,
    /// Whether storage answers only when it is told to.
    slow: bool,
    /// The read that it has not answered.
    owed: Option<(u64, usize)>,
    /// Every read so far.
    reads: Vec<(u64, usize)>,
    /// How many blocks left in each call.
    trains: Vec<usize>,
    out: Vec<u8>,
}

impl Download {
    /// In blocks of `block` bytes. The OACK was sent.
    fn new(block: u16, window: u16, file: usize) -> Self {
        let file = (0..file).map(|at| if at % 5 == 0 { b'\n' } else { b'x' }).collect();
        Self::of(Mode::Octet, block, window, usize::from(block) * usize::from(window), file, None)
    }

    /// In windows of so many blocks of 512 bytes, to a receiver of which something is known.
    fn to(known: Pace, window: u16) -> Self {
        Self::of(Mode::Octet, 512, window, 1 << 16, vec![7; 1 << 20], Some(known))
    }

    fn of(mode: Mode, block: u16, window: u16, read_size: usize, file: Vec<u8>, known: Option<Pace>) -> Self {
        let now = Instant::from_micros(1_000_000);
        let options = Options { block_size: Some(block), window_size: Some(window), ..Options::NONE };
        let granted = grant(&options, Direction::Read, mode, &OptionPolicy::default(), None);
        let mut download = Self {
            transfer: Transfer::serve_read(now, granted, Timing::default(), read_size, 1)
                .with_pacing(Pacing::default(), known),
            now,
            deadline: None,
            ending: None,
            file,
            slow: false,
            owed: None,
            reads: Vec::new(),
            trains: Vec::new(),
            out: vec![0; 70_000],
        };
        assert_eq!(download.drain(), [0]);
        download
    }

    /// The blocks that it sends now. Block 0 is the OACK.
    fn drain(&mut self) -> Vec<u16> {
        let mut sent = Vec::new();
        loop {
            match self.transfer.poll(self.now, &mut self.out) {
                TransferAction::Transmit { len, segment_size, .. } => {
                    let before = sent.len();
                    sent.extend(self.out[..len].chunks(segment_size.unwrap_or(len)).map(
                        |datagram| match Packet::parse(datagram) {
                            Ok(Packet::Data { block, .. }) => block,
                            Ok(Packet::Oack(_)) => 0,
                            other => panic!("{other:?}"),
                        },
                    ));
                    self.trains.push(sent.len() - before);
                }
                TransferAction::Read { offset, len, .. } => {
                    assert_eq!(self.owed.replace((offset, len)), None, "one read at a time");
                    self.reads.push((offset, len));
                    if !self.slow {
                        self.hand_over();
                    }
                }
                TransferAction::Wait(deadline) => {
                    assert!(deadline.is_none_or(|deadline| deadline > self.now), "a moment that has passed");
                    self.deadline = deadline;
                    return sent;
                }
                TransferAction::Ended(ending) => {
                    self.ending = Some(ending);
                    return sent;
                }
                TransferAction::Request(_) => unreachable!("it serves"),
            }
        }
    }

    fn hand_over(&mut self) {
        let (offset, len) = self.owed.take().unwrap();
        let start = usize::try_from(offset).unwrap().min(self.file.len());
        self.transfer.handle_chunk(self.file[start..(start + len).min(self.file.len())].to_vec());
    }

    /// Storage answers.
    fn answer(&mut self) -> Vec<u16> {
        self.hand_over();
        self.drain()
    }

    fn ack(&mut self, block: u16) -> Vec<u16> {
        self.transfer.handle_packet(self.now, &Packet::Ack { block });
        self.drain()
    }

    /// Time passes; what is sent meanwhile.
    fn wait(&mut self, time: Duration) -> Vec<u16> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end && self.ending.is_none()) {
            self.now = deadline;
            self.transfer.handle_timeout(deadline);
            sent.extend(self.drain());
        }
        self.now = end;
        sent
    }

    /// Time passes until the next timer.
    fn next_timer(&mut self) -> Vec<u16> {
        self.wait(self.deadline.unwrap().saturating_since(self.now))
    }
}

/// One call, one system call: what the kernel takes at once is not handed to it block by block.
#[test]
fn a_window_leaves_in_one_call() {
    let mut download = Download::new(8, 8, 1000);
    assert_eq!(download.ack(0), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(download.trains, [1, 8]);
}

/// Payloads that are sent from where they lie make the same datagrams, and leave the transfer in the same state.
#[test]
fn what_leaves_in_pieces_is_the_same_on_the_wire() {
    let mut trains_in_pieces = 0;
    for mode in [Mode::Octet, Mode::Netascii] {
        for (block, window, read_size, len) in [
            (8, 1, 100, 61),
            (512, 4, 700, 8 * 512),
            (1428, 64, 65_536, 200_000),
            (8192, 8, 65_536, 300_001),
            (65_464, 2, 65_536, 400_000),
            (1024, 4, 4096, 0),
        ] {
            let file =
                (0..len).map(|at: usize| if at.is_multiple_of(7) { b'\n' } else { at.to_le_bytes()[0] }).collect();
            let mut whole = Download::of(mode, block, window, read_size, file, None);
            let mut acked = 0;
            while whole.ending.is_none() {
                whole.transfer.handle_packet(whole.now, &Packet::Ack { block: acked });
                loop {
                    let mut in_pieces = whole.transfer.clone();
                    let action = whole.transfer.poll(whole.now, &mut whole.out);
                    let mut headers = vec![0; whole.out.len()];
                    let other = in_pieces.poll_vectored(whole.now, &mut headers, usize::from(block));
                    assert_eq!(in_pieces, whole.transfer);
                    match (action, other) {
                        (
                            TransferAction::Transmit { len, segment_size, body: None },
                            TransferAction::Transmit { len: same_len, segment_size: same_size, body },
                        ) => {
                            assert_eq!((len, segment_size), (same_len, same_size));
                            let body = body.map(|body| in_pieces.body(body));
                            trains_in_pieces += usize::from(body.is_some() && segment_size.is_some());
                            let sent = datagrams(&whole.out, len, segment_size, None);
                            assert_eq!(datagrams(&headers, len, segment_size, body), sent);
                            assert_eq!(body.is_some(), mode == Mode::Octet, "to translate takes a copy");
                            if let Ok(Packet::Data { block, .. }) = Packet::parse(sent.last().unwrap()) {
                                acked = block;
                            }
                        }
                        (TransferAction::Read { offset, len, .. }, _) => {
                            whole.owed = Some((offset, len));
                            whole.hand_over();
                        }
                        (TransferAction::Wait(deadline), _) => {
                            whole.deadline = deadline;
                            break;
                        }
                        (TransferAction::Ended(ending), _) => {
                            assert_eq!(ending, Ending::Completed);
                            whole.ending = Some(ending);
                            break;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                // A pause between trains.
                if let Some(deadline) = whole.deadline.filter(|deadline| *deadline < whole.now + ms(90)) {
                    whole.now = deadline;
                    whole.transfer.handle_timeout(deadline);
                }
            }
        }
    }
    assert!(trains_in_pieces > 5, "{trains_in_pieces}");
}

/// What is let go as soon as it was sent cannot be sent from where it lies.
#[test]
fn where_memory_is_scarce_payloads_are_copied() {
    let mut download = Download::new(8192, 1, 100_000);
    let mut next = |allowance: usize| {
        download.transfer.set_allowance(allowance);
        let acked = download.trains.len() as u16 - 1;
        download.trains.push(1);
        download.transfer.handle_packet(download.now, &Packet::Ack { block: acked });
        loop {
            match download.transfer.poll_vectored(download.now, &mut download.out, 1) {
                TransferAction::Transmit { body, .. } => return body.is_some(),
                TransferAction::Read { offset, len, .. } => {
                    download.owed = Some((offset, len));
                    download.hand_over();
                }
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(next(usize::MAX));
    assert!(!next(8192));
    assert!(next(1 << 20));
}

#[test]
fn a_buffer_for_one_block_is_enough() {
    let mut download = Download::new(1024, 4, 5000);
    download.out = vec![0; 1028];
    assert_eq!(download.ack(0), [1, 2, 3, 4]);
    assert_eq!(download.ack(4), [5]);
    assert_eq!(download.ack(5), NONE);
    assert_eq!(download.ending, Some(Ending::Completed));
}

#[test]
fn what_comes_next_is_read_while_the_ack_is_awaited() {
    let mut download = Download::new(8, 4, 1000);
    download.slow = true;
    assert_eq!(download.ack(0), NONE);
    assert_eq!(download.answer(), [1, 2, 3, 4]);
    assert_eq!(download.owed.map(|(offset, _)| offset), Some(32));
    assert_eq!(download.answer(), NONE);
    assert_eq!(download.ack(4), [5, 6, 7, 8], "at once");
}

#[test]
fn nothing_is_read_twice_where_nothing_is_lost() {
    for mode in [Mode::Octet, Mode::Netascii] {
        let file = (0..400).map(|at| if at % 5 == 0 { b'\n' } else { b'x' }).collect();
        let mut download = Download::of(mode, 8, 4, 16, file, None);
        let mut sent = download.ack(0);
        while let Some(last) = sent.last() {
            sent = download.ack(*last);
        }
        assert_eq!(download.ending, Some(Ending::Completed));
        let offsets = download.reads.iter().map(|(offset, _)| *offset).collect::<Vec<_>>();
        let ends = download.reads.iter().map(|(offset, len)| offset + *len as u64).collect::<Vec<_>>();
        assert_eq!(offsets[1..], ends[..ends.len() - 1], "{mode:?}");
    }
}

/// While storage is read no timer runs, and the time that it takes is not the peer's silence.
#[test]
fn the_time_that_reading_again_takes_is_not_the_peers_silence() {
    let mut download = Download::of(Mode::Octet, 8, 8, 8, vec![7; 1000], None);
    assert_eq!(download.ack(0).len(), 8);
    let start = download.now;
    assert_eq!(download.next_timer(), [8], "a copy of the last block asks for the ACK");
    download.slow = true;
    let mut sent = download.next_timer();
    let mut ours = Duration::ZERO;
    while sent.len() < 8 {
        assert_eq!(download.deadline, None, "storage sets the pace");
        download.wait(ms(4000));
        ours += ms(4000);
        sent.extend(download.answer());
    }
    assert_eq!(sent, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(ours > ms(30_000), "{ours:?}");
    download.slow = false;
    let mut repeats = 0;
    while download.ending.is_none() {
        repeats += download.next_timer().len();
    }
    assert!(repeats > 0);
    assert_eq!((download.ending, download.now - start), (Some(Ending::TimedOut), ours + ms(30_000)));
}

#[test]
fn a_copy_of_an_ack_that_comes_before_the_window_leaves_reports_no_gap() {
    let mut download = Download::new(8, 4, 1000);
    download.slow = true;
    assert_eq!(download.ack(0), NONE);
    assert_eq!(download.ack(0), NONE, "a copy");
    assert_eq!(download.answer(), [1, 2, 3, 4]);
    assert_eq!(download.ack(0), [1, 2, 3, 4], "block 1 was lost");
    assert_eq!(download.ack(0), NONE, "once");
}

/// The last block of a first whole window goes out again before a timer runs out, so its ACK may come twice. Behind the
/// first one, the copy looks like the report of a gap.
#[test]
fn the_second_answer_to_a_block_sent_twice_reports_no_gap() {
    let mut download = Download::new(8, 16, 10_000);
    download.ack(0);
    let mut last = 0;
    let asked = loop {
        assert!(last < 160, "a whole window leaves soon");
        download.wait(ms(20));
        let sent = download.ack(last + 16);
        last += 16;
        if sent.len() == 16 {
            break download.next_timer();
        }
    };
    last += 16;
    assert_eq!(asked, [last], "its ACK is late");
    let next = (last + 1..=last + 16).collect::<Vec<_>>();
    assert_eq!(download.ack(last), next);
    assert_eq!(download.ack(last), NONE);
    assert_eq!(download.ack(last + 16).first(), Some(&(last + 17)));
}

#[test]
fn what_was_learned_of_the_receiver_is_told_once() {
    let mut download = Download::new(8, 16, 10_000);
    download.ack(0);
    let mut told = Vec::new();
    for window in 1..=10 {
        download.wait(ms(20));
        download.ack(window * 16);
        told.extend(download.transfer.take_pace().map(|pace| (pace.train(), pace.pause())));
    }
    assert_eq!(told, [(16, Duration::ZERO)]);
}

#[test]
fn a_pause_that_is_over_is_over_whoever_calls() {
    let mut download = Download::new(8, 16, 10_000);
    assert_eq!(download.ack(0).len(), 8, "a first train");
    download.now = download.deadline.unwrap();
    assert_eq!(download.drain().first(), Some(&9));
}

/// A window that leaves in several calls at one moment left at that moment.
#[test]
fn the_report_of_a_gap_measures_a_round_trip_from_the_first_call() {
    let mut download = Download::new(512, 4, 10_000);
    download.out = vec![0; 516];
    assert_eq!(download.wait(ms(400)), NONE);
    assert_eq!(download.ack(0), [1, 2, 3, 4]);
    assert_eq!(download.deadline, Some(download.now + ms(1200)), "400 ms and four times half of it");
    assert_eq!(download.wait(ms(400)), NONE);
    assert_eq!(download.ack(1), [2, 3, 4, 5]);
    assert_eq!(download.deadline, Some(download.now + ms(1000)), "it varies less");
}

#[test]
fn the_empty_last_block_needs_no_read() {
    let mut download = Download::of(Mode::Octet, 8, 8, 8, vec![7; 56], None);
    assert_eq!(download.ack(0), [1, 2, 3, 4, 5, 6, 7, 8]);
    download.slow = true;
    assert_eq!(download.next_timer(), NONE, "it reads again");
    assert_eq!(download.ack(7), [8], "but the ACK was only late");
    assert_eq!(download.ack(8), NONE);
    assert_eq!(download.ending, Some(Ending::Completed));
}

/// The last block of a window needs room for one block only, if it is known how long the receiver works on one.
#[test]
fn what_is_remembered_of_a_receiver_shortens_the_last_pause_of_the_first_window() {
    let known = send(&Sending::new(512, 64), &WeakReceiver::new(16, 8_000_000), 1).learned.unwrap();
    assert!(known.pause() >= ms(2), "{known:?}");
    let train = usize::from(known.train());
    let mut download = Download::to(known, 4 * known.train() + 1);
    assert_eq!(download.ack(0).len(), train);
    for _ in 0..3 {
        assert_eq!(download.deadline, Some(download.now + known.pause()));
        assert_eq!(download.next_timer().len(), train);
    }
    assert!(download.deadline.unwrap() - download.now < known.pause());
    assert_eq!(download.next_timer().len(), 1);
}

/// Its receiver takes twelve blocks at once.
#[test]
fn what_a_weak_receiver_takes_is_told_when_it_changes() {
    let mut download = Download::new(512, 32, 1 << 20);
    let (mut acked, mut told) = (0, Vec::new());
    let mut sent = download.ack(0);
    while download.ending.is_none() {
        let arrived = sent.get(11).or(sent.last()).copied();
        match arrived {
            Some(block) if sent.len() > 12 || block == acked + 32 || block == 2049 => {
                acked = block;
                download.wait(Duration::from_micros(100));
                sent = download.ack(acked);
                told.extend(download.transfer.take_pace().map(|pace| (pace.train(), pace.pause())));
            }
            Some(_) | None => sent = download.next_timer(),
        }
    }
    assert_eq!(download.ending, Some(Ending::Completed));
    assert_eq!(told, [(11, ms(1))]);
}

/// Its limits are known, and what one window in two loses is chance: it is not that the receiver needs more time.
#[test]
fn pauses_do_not_grow_while_windows_arrive_whole_in_between() {
    let known = send(&Sending::new(512, 64), &WeakReceiver::new(16, 1_000_000), 1).learned.unwrap();
    let mut download = Download::to(known, 4 * known.train());
    let mut acked = 0;
    assert_eq!(download.ack(acked).len(), usize::from(known.train()));
    for round in 0..20 {
        for _ in 0..3 {
            assert_eq!(download.deadline, Some(download.now + known.pause()), "window {round}");
            assert_eq!(download.next_timer().len(), usize::from(known.train()));
        }
        let (time, arrived) = match round % 2 {
            0 => (known.pause(), 4 * known.train()),
            _ => (known.pause() * 2, known.train() / 2),
        };
        download.wait(time);
        acked += arrived;
        assert_eq!(download.ack(acked).len(), usize::from(known.train()));
    }
}

#[test]
fn an_owner_who_is_patient_does_not_ask_what_has_become_of_a_window() {
    let mut download = Download::new(8, 4, 1000);
    assert_eq!(download.ack(0), [1, 2, 3, 4]);
    download.now = download.deadline.unwrap();
    assert!(!download.transfer.wait_on(Instant::from_micros(1_009_000), download.now + ms(1000)), "it is not late yet");
    assert!(download.transfer.wait_on(download.now, download.now + ms(1000)));
    assert_eq!(download.drain(), NONE);
    assert_eq!(download.wait(ms(49)), NONE);
    assert_eq!(download.wait(ms(1)), [1, 2, 3, 4], "the timer is left as it was");
}
