//! What is put in the place of a match.

use std::net::IpAddr;

use regex::bytes::Captures;

use crate::storage::names::hex_address;

/// A replacement, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replacement(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Group(usize),
    Address,
    HexAddress,
    Case(Case),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Upper,
    Lower,
    AsItIs,
}

impl Replacement {
    /// Understands a replacement for an expression with so many groups. An error is an offset in bytes, and a reason.
    pub(super) fn parse(text: &str, groups: usize) -> Result<Self, (usize, String)> {
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut chars = text.char_indices();
        while let Some((offset, char)) = chars.next() {
            let part = match (char, if char == '\\' { chars.next() } else { None }) {
                ('\\', Some((_, digit))) if digit.is_ascii_digit() => {
                    let group = digit.to_digit(10).map_or(0, |digit| digit as usize);
                    if group > groups {
                        return Err((offset, format!("the expression has no group {group}, only {groups}")));
                    }
                    Part::Group(group)
                }
                ('\\', Some((_, 'i'))) => Part::Address,
                ('\\', Some((_, 'x'))) => Part::HexAddress,
                ('\\', Some((_, 'U'))) => Part::Case(Case::Upper),
                ('\\', Some((_, 'L'))) => Part::Case(Case::Lower),
                ('\\', Some((_, 'E'))) => Part::Case(Case::AsItIs),
                ('\\', Some((_, letter))) if letter.is_ascii_alphabetic() => {
                    return Err((offset, format!("\\{letter} has no meaning in a replacement")));
                }
                ('\\', None) => return Err((offset, "a single \\ at the end: write \\\\ for a backslash".into())),
                (char, escaped) => {
                    let char = escaped.map_or(char, |(_, escaped)| escaped);
                    literal.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    pub(super) fn expand(&self, groups: &Captures<'_>, client: IpAddr, out: &mut Vec<u8>) {
        let mut case = Case::AsItIs;
        for part in &self.0 {
            let from = out.len();
            match part {
                Part::Literal(bytes) => out.extend_from_slice(bytes),
                Part::Group(number) => {
                    out.extend_from_slice(groups.get(*number).map_or(&[], |group| group.as_bytes()));
                }
                Part::Address => out.extend_from_slice(client.to_string().as_bytes()),
                Part::HexAddress => out.extend_from_slice(hex_address(client).as_bytes()),
                Part::Case(new) => case = *new,
            }
            let added = out.get_mut(from..).unwrap_or_default();
            match case {
                Case::Upper => added.make_ascii_uppercase(),
                Case::Lower => added.make_ascii_lowercase(),
                Case::AsItIs => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    fn expand(regex: &str, name: &[u8], replacement: &str) -> Vec<u8> {
        let regex = Regex::new(regex).unwrap();
        let mut out = Vec::new();
        let replacement = Replacement::parse(replacement, regex.captures_len() - 1).unwrap();
        replacement.expand(&regex.captures(name).unwrap(), [192, 0, 2, 169].into(), &mut out);
        out
    }

    #[test]
    fn groups_addresses_and_case() {
        let all = |replacement| String::from_utf8(expand("(a)(B)?(x)?", b"aB", replacement)).unwrap();
        assert_eq!(all(r"<\0> <\1> <\2> <\3>"), "<aB> <a> <B> <>");
        assert_eq!(all(r"\i \x"), "192.0.2.169 C00002A9");
        assert_eq!(all(r"\U\0c\Ed \L\0C\x"), "ABCd abcc00002a9");
        assert_eq!(all(r"\\\ \#\/\&"), r"\ #/&");
        assert_eq!(all(r"größe\Uö"), "größeö", "letters beyond ASCII stay as they are");
        assert_eq!(all(""), "");
        assert_eq!(hex_address("2001:db8::1".parse().unwrap()), "20010DB8000000000000000000000001");
    }

    #[test]
    fn mistakes_are_placed() {
        for (text, offset) in [(r"a\2", 1), (r"abc\q", 3), ("ab\\", 2), (r"\1ö\d", 4)] {
            assert_eq!(Replacement::parse(text, 1).unwrap_err().0, offset, "{text}");
        }
    }
}
