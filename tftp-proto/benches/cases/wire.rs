//! Packets, read and written.

use std::hint::black_box;

use tftp_proto::wire::{Direction, Mode, Options, Packet, Repr};

use crate::{Case, Operation, keep};

pub(crate) const CASES: &[Case] = &[
    ("wire: parse ACK", || parse(Repr::Ack { block: 7 })),
    ("wire: parse DATA of 1428 bytes", || parse(Repr::Data { block: 7, payload: &[1; 1428] })),
    ("wire: parse RRQ with five options, and the options", || parse(request())),
    ("wire: emit ACK", || emit(Repr::Ack { block: 7 })),
    ("wire: emit OACK of five options", || emit(Repr::Oack(OPTIONS))),
    ("wire: emit RRQ with five options", || emit(request())),
];

const OPTIONS: Options = Options {
    block_size: Some(1428),
    timeout: Some(5),
    transfer_size: Some(123_456_789),
    window_size: Some(16),
    rollover: Some(tftp_proto::seq::Rollover::Zero),
    ..Options::NONE
};

const fn request() -> Repr<'static> {
    Repr::Request {
        direction: Direction::Read,
        filename: b"pxelinux.cfg/01-00-11-22-33-44-55",
        mode: Mode::Octet,
        options: OPTIONS,
    }
}

fn parse(repr: Repr<'_>) -> Operation {
    let mut bytes = vec![0; 2000];
    let len = repr.emit(&mut bytes).unwrap();
    bytes.truncate(len);
    Box::new(move || match Packet::parse(black_box(&bytes)).unwrap() {
        Packet::Request(request) => keep(request.options.parse()),
        packet => keep(packet),
    })
}

fn emit(repr: Repr<'static>) -> Operation {
    let mut bytes = vec![0; 2000];
    Box::new(move || keep(black_box(repr).emit(black_box(&mut bytes))))
}
