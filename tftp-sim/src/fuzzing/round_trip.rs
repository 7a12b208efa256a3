use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Direction, EmitError, ErrorCode, Mode, Options, Packet, Repr};

use super::script::Script;

/// Writes any packet there can be; its bytes must be those of the RFCs, a buffer too small must be told, and parsing must
/// give the packet back.
///
/// # Panics
///
/// If they are not, it is not, or it does not.
pub fn round_trip(input: &[u8]) {
    let mut script = Script::new(input);
    match script.byte() % 5 {
        0 => {
            let direction = if script.flag() { Direction::Write } else { Direction::Read };
            let mode = script.pick(&[Mode::Octet, Mode::Netascii, Mode::Mail]);
            let options = any_options(&mut script);
            request(direction, mode, options, script.rest());
        }
        1 => {
            let (block, payload) = (script.word(), script.rest());
            let [high, low] = block.to_be_bytes();
            let bytes = write(Repr::Data { block, payload }, &[&[0, 3, high, low], payload].concat());
            assert_eq!(Packet::parse(&bytes), Ok(Packet::Data { block, payload }));
        }
        2 => {
            let block = script.word();
            let [high, low] = block.to_be_bytes();
            let bytes = write(Repr::Ack { block }, &[0, 4, high, low]);
            assert_eq!(Packet::parse(&bytes), Ok(Packet::Ack { block }));
        }
        3 => {
            let number = script.word();
            let code = ErrorCode::from_wire(number);
            assert_eq!(code.to_wire(), number);
            let message = String::from_utf8_lossy(script.rest()).replace('\0', " ");
            let [high, low] = number.to_be_bytes();
            let expected = [&[0, 5, high, low], message.as_bytes(), &[0]].concat();
            let bytes = write(Repr::Error { code, message: &message }, &expected);
            assert_eq!(Packet::parse(&bytes), Ok(Packet::Error { code, message: message.as_bytes() }));
        }
        _ => {
            let options = any_options(&mut script);
            let bytes = write(Repr::Oack(options), &[&[0, 6], text_of(&options).as_bytes()].concat());
            let Ok(Packet::Oack(again)) = Packet::parse(&bytes) else { unreachable!("an OACK stays one") };
            let again = again.parse();
            assert_eq!((again.options, again.unknown, again.invalid, again.repeated), (options, 0, 0, 0));
        }
    }
}

fn request(direction: Direction, mode: Mode, options: Options, filename: &[u8]) {
    let filename = &filename[..filename.len().min(tftp_proto::wire::MAX_FILENAME)];
    let repr = Repr::Request { direction, filename, mode, options };
    if filename.contains(&0) {
        assert_eq!(repr.emit(&mut [0; 2048]), Err(EmitError::NulInFilename));
        return;
    }
    let opcode = if direction == Direction::Read { 1 } else { 2 };
    let name = match mode {
        Mode::Octet => "octet",
        Mode::Netascii => "netascii",
        Mode::Mail => "mail",
    };
    let expected = [&[0, opcode], filename, &[0], name.as_bytes(), &[0], text_of(&options).as_bytes()].concat();
    let bytes = write(repr, &expected);
    let Ok(Packet::Request(again)) = Packet::parse(&bytes) else { unreachable!("a request stays one") };
    assert_eq!((again.direction, again.filename, again.mode), (direction, filename, mode));
    assert_eq!(again.options.parse().options, options);
}

/// Writes a packet into room that is just enough, and tries less.
fn write(repr: Repr<'_>, expected: &[u8]) -> Vec<u8> {
    let mut out = vec![0xaa; expected.len() + 1];
    assert_eq!(repr.emit(&mut out), Ok(expected.len()), "{repr:?}");
    assert_eq!(out.pop(), Some(0xaa), "written past the end: {repr:?}");
    assert_eq!(out, expected, "{repr:?}");
    for room in [0, 1, 2, 3, expected.len() / 2, expected.len() - 1] {
        if room < expected.len() {
            assert_eq!(repr.emit(&mut vec![0; room]), Err(EmitError::BufferTooSmall), "{repr:?} in {room} bytes");
        }
    }
    out
}

/// Valid options of any value.
fn any_options(script: &mut Script<'_>) -> Options {
    let chosen = script.byte();
    let is_chosen = |place: u8| chosen >> place & 1 == 1;
    Options {
        block_size: is_chosen(0).then(|| script.word().clamp(8, 65_464)),
        block_size2: is_chosen(1).then(|| 1 << (3 + script.byte() % 13)),
        timeout: is_chosen(2).then(|| script.byte().max(1)),
        micro_timeout: is_chosen(3).then(|| u32::from(script.word()) << 16 | u32::from(script.word().max(1))),
        transfer_size: is_chosen(4).then(|| script.number()),
        window_size: is_chosen(5).then(|| script.word().max(1)),
        rollover: is_chosen(6).then(|| if script.flag() { Rollover::One } else { Rollover::Zero }),
    }
}

/// The options as the RFCs write them.
fn text_of(options: &Options) -> String {
    let Options { block_size, block_size2, timeout, micro_timeout, transfer_size, window_size, rollover } = *options;
    let values = [
        ("blksize", block_size.map(u64::from)),
        ("blksize2", block_size2.map(u64::from)),
        ("timeout", timeout.map(u64::from)),
        ("utimeout", micro_timeout.map(u64::from)),
        ("tsize", transfer_size),
        ("windowsize", window_size.map(u64::from)),
        ("rollover", rollover.map(|rollover| u64::from(rollover == Rollover::One))),
    ];
    let written = values.into_iter().filter_map(|(name, value)| Some(format!("{name}\0{}\0", value?)));
    written.collect()
}
