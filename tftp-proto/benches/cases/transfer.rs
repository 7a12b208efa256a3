//! Two transfers that feed each other, without addresses. The file does not end.

use std::time::Duration;

use tftp_proto::Instant;
use tftp_proto::client::Asking;
use tftp_proto::config::{OptionPolicy, Timing};
use tftp_proto::negotiate::grant;
use tftp_proto::transfer::{Progress, Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet};

use crate::{Case, Operation, keep};

pub(crate) const CASES: &[Case] = &[
    ("transfer: a block of 1428 and its ACK, both sides", || pair(1428, 1, Mode::Octet)),
    ("transfer: a window of 16 x 1428 and its ACK, both sides", || pair(1428, 16, Mode::Octet)),
    ("transfer: a window of 64 x 1428 and its ACK, both sides", || pair(1428, 64, Mode::Octet)),
    ("transfer: a block of 1428 in netascii, both sides", || pair(1428, 1, Mode::Netascii)),
];

const READ: usize = 64 << 10;
static FILE: [u8; READ] = [b'x'; READ];

type Half = Transfer<&'static [u8]>;

struct Pair {
    now: Instant,
    client: Half,
    server: Half,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
}

fn pair(block_size: u16, window_size: u16, mode: Mode) -> Operation {
    let now = Instant::ZERO;
    let options = Options { block_size: Some(block_size), window_size: Some(window_size), ..Options::NONE };
    let (direction, timing) = (Direction::Read, Timing::default());
    let asking = Asking { direction, mode, options, fall_back: true, timing };
    let mut client = Half::ask(now, asking, 0, 1);
    let mut to_server = vec![0; 65_536];
    assert!(matches!(client.poll(now, &mut to_server), TransferAction::Request(_)));
    let granted = grant(&options, direction, mode, &OptionPolicy::default(), None);
    let server = Half::serve_read(now, granted, timing, READ, 2);
    let mut pair = Pair { now, client, server, to_client: vec![0; 65_536], to_server };
    // The OACK, and the windows that are sent more carefully.
    for _ in 0..100 {
        pair.round();
    }
    Box::new(move || pair.round())
}

impl Pair {
    /// Until the client has acknowledged something.
    fn round(&mut self) {
        self.now = self.now + Duration::from_micros(10);
        loop {
            match self.server.poll(self.now, &mut self.to_client) {
                TransferAction::Read { len, .. } => self.server.handle_chunk(&FILE[..len]),
                TransferAction::Transmit { len, segment_size, .. } => {
                    for datagram in self.to_client[..len].chunks(segment_size.unwrap_or(len)) {
                        let packet = Packet::parse(datagram).unwrap();
                        if let Progress::Data { payload, .. } = self.client.handle_packet(self.now, &packet) {
                            keep(payload);
                        }
                        if let TransferAction::Transmit { len, .. } = self.client.poll(self.now, &mut self.to_server) {
                            let packet = Packet::parse(&self.to_server[..len]).unwrap();
                            self.server.handle_packet(self.now, &packet);
                            return;
                        }
                    }
                }
                // A pause between trains.
                TransferAction::Wait(Some(deadline)) => {
                    self.now = deadline;
                    self.server.handle_timeout(self.now);
                }
                action => panic!("{action:?}"),
            }
        }
    }
}
