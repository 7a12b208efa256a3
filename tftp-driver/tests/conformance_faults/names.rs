//! From names to files, wrongly.

use tftp_driver::storage::StorageError;
use tftp_driver::storage::names::canonical;

use crate::fault::Fault;

pub(crate) fn resolve(fault: Fault, name: &[u8]) -> Result<Vec<u8>, StorageError> {
    let without = |unwanted: fn(&u8) -> bool| name.iter().copied().filter(|byte| !unwanted(byte)).collect::<Vec<_>>();
    match fault {
        Fault::UpwardsIsFollowed => {
            let name = name.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect::<Vec<_>>();
            let parts: Vec<_> = name.split(|byte| *byte == b'/').filter(|part| *part != b"..").collect();
            canonical(&parts.join(&b'/'))
        }
        Fault::ControlBytesAreDropped => canonical(&without(u8::is_ascii_control)),
        Fault::NamesEndAtNul => canonical(name.split(|byte| *byte == 0).next().unwrap()),
        Fault::PercentIsDecoded => canonical(&decoded(name)),
        Fault::OverlongIsDecoded => {
            let mut plain = Vec::new();
            let mut bytes = name.iter().copied().peekable();
            while let Some(byte) = bytes.next() {
                match (byte, bytes.peek()) {
                    (0xC0, Some(low @ 0x80..=0xBF)) => {
                        plain.push(low & 0x3F);
                        bytes.next();
                    }
                    _ => plain.push(byte),
                }
            }
            canonical(&plain)
        }
        Fault::LastSlashIsDropped => canonical(name.strip_suffix(b"/").unwrap_or(name)),
        Fault::BackslashIsKept => {
            let kept = name.iter().map(|byte| if *byte == b'\\' { b'|' } else { *byte }).collect::<Vec<_>>();
            canonical(&kept)
        }
        Fault::FirstSlashIsKept if name.first() == Some(&b'/') => canonical(name).map(|name| [b"/", &*name].concat()),
        Fault::NamesAreCut => canonical(name).map(|name| name[..name.len().min(128)].to_vec()),
        Fault::OnlyTheLastPartCounts => {
            canonical(name).map(|name| name.rsplit(|byte| *byte == b'/').next().unwrap().to_vec())
        }
        Fault::ExtensionIsDropped => canonical(name).map(|name| match name.iter().rposition(|byte| *byte == b'.') {
            Some(dot) if dot > 0 => name[..dot].to_vec(),
            _ => name,
        }),
        Fault::TwoDotsAreRefused if name.windows(2).any(|pair| pair == b"..") => {
            Err(StorageError::InvalidName("two dots".into()))
        }
        _ => canonical(name),
    }
}

fn decoded(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = name;
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(decoded) => {
                plain.push(decoded);
                rest = &behind[2..];
            }
            None => {
                plain.push(*byte);
                rest = behind;
            }
        }
    }
    plain
}
