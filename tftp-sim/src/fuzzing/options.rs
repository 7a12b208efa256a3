use tftp_proto::seq::Rollover;
use tftp_proto::wire::{Options, Packet, ParsedOptions};

/// Reads the bytes as the options of an OACK and of a request; both must say what a second, plain reading says.
///
/// # Panics
///
/// If they differ.
pub fn options(input: &[u8]) {
    let (expected, count) = read_plainly(input);
    let oack = [b"\0\x06", input].concat();
    let Ok(Packet::Oack(raw)) = Packet::parse(&oack) else { unreachable!("any bytes may follow") };
    assert_eq!((described(raw.parse()), raw.count()), (expected, count), "{}", input.escape_ascii());
    let request = [b"\0\x02name\0octet\0", input].concat();
    let Ok(Packet::Request(request)) = Packet::parse(&request) else { unreachable!("any bytes may follow") };
    assert_eq!(described(request.options.parse()), expected, "{}", input.escape_ascii());
    assert_eq!(request.filename, b"name");
}

/// Options, and how many pairs were unknown, invalid and repeated.
type Described = (Options, usize, usize, usize);

fn described(parsed: ParsedOptions) -> Described {
    (parsed.options, parsed.unknown.into(), parsed.invalid.into(), parsed.repeated.into())
}

/// A second reading of the rules: fields end with a NUL, an empty name is skipped, the first of a name counts, digits
/// only, sizes that are too large become the largest.
fn read_plainly(input: &[u8]) -> (Described, usize) {
    let mut fields: Vec<&[u8]> = input.split(|byte| *byte == 0).collect();
    // What no NUL ends is not a field.
    fields.pop();
    let mut fields = fields.into_iter();
    let mut pairs = Vec::new();
    while let Some(name) = fields.find(|field| !field.is_empty()) {
        let Some(value) = fields.next() else { break };
        pairs.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
    }
    let mut options = Options::NONE;
    let mut seen: Vec<&str> = Vec::new();
    let (mut unknown, mut invalid, mut repeated) = (0, 0, 0);
    for (name, value) in &pairs {
        let known = ["blksize", "blksize2", "timeout", "utimeout", "tsize", "windowsize", "rollover"];
        if !known.contains(&name.as_str()) {
            unknown += 1;
        } else if seen.contains(&name.as_str()) {
            repeated += 1;
        } else {
            seen.push(name);
            let fits = read_number(value).is_some_and(|number| set(&mut options, name, number));
            invalid += usize::from(!fits);
        }
    }
    ((options, unknown, invalid, repeated), pairs.len())
}

/// A plain decimal number; one beyond all bounds is as large as there are.
fn read_number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Sets what can be used of a value, and says whether it was in its range.
fn set(options: &mut Options, name: &str, number: u64) -> bool {
    let size = |least: u64, most: u64| u16::try_from(number.min(most)).ok().filter(|_| number >= least);
    match name {
        "blksize" => {
            options.block_size = size(8, 65_464);
            (8..=65_464).contains(&number)
        }
        "blksize2" => {
            let power = number == u64::MAX || number.count_ones() == 1;
            options.block_size2 = size(8, 32_768).filter(|_| power);
            power && (8..=32_768).contains(&number)
        }
        "timeout" => {
            options.timeout = u8::try_from(number).ok().filter(|seconds| *seconds != 0);
            (1..=255).contains(&number)
        }
        "utimeout" => {
            options.micro_timeout = u32::try_from(number).ok().filter(|micros| *micros != 0);
            (1..=u64::from(u32::MAX)).contains(&number)
        }
        "tsize" => {
            options.transfer_size = Some(number);
            true
        }
        "windowsize" => {
            options.window_size = size(1, 65_535);
            (1..=65_535).contains(&number)
        }
        _ => {
            options.rollover = [Rollover::Zero, Rollover::One].into_iter().find(|rollover| rollover.value() == number);
            number < 2
        }
    }
}
