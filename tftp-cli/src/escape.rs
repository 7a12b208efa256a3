//! Text that came from the network, made safe for a log and a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes everything that could end a line, move a cursor, hide text or end a quoted field.
///
/// What is left is one line of printable characters. Backslash and `"` are escaped, so nothing is lost: bytes that
/// are not UTF-8 become `\xNN`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\'' => out.push('\''),
                char if char.is_ascii_control() && !matches!(char, '\t' | '\n' | '\r' | '\0') => {
                    push_byte(&mut out, char as u8);
                }
                // Knows what is printable in Unicode: direction marks, separators and the like are not.
                char => out.extend(char.escape_debug()),
            }
        }
        for &byte in chunk.invalid() {
            push_byte(&mut out, byte);
        }
    }
    out
}

/// [`escape`], cut to `limit` characters, with a mark if something was cut.
pub(crate) fn escape_short(bytes: &[u8], limit: usize) -> String {
    // Escaped text is never shorter than a quarter of its bytes' number in characters.
    let mut text = escape(bytes.get(..limit.saturating_mul(4)).unwrap_or(bytes));
    if let Some((cut, _)) = text.char_indices().nth(limit) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// Escapes what a JSON text may hold as it is but a terminal should not: controls beyond ASCII, direction marks and the like.
/// They can stand in strings only, where they mean the same.
pub(crate) fn escape_json(json: &str) -> Cow<'_, str> {
    let hides = |char: char| char == '\x7f' || (!char.is_ascii() && char.escape_debug().len() > 1);
    if json.is_ascii() && !json.contains('\x7f') {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        if hides(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}

fn push_byte(out: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_readable() {
        assert_eq!(escape(b"boot/pxelinux.0"), "boot/pxelinux.0");
        assert_eq!(escape("Köln/größe – 東京.bin".as_bytes()), "Köln/größe – 東京.bin");
        assert_eq!(escape(b"it's 100% a..b %n%s%x"), "it's 100% a..b %n%s%x");
    }

    #[test]
    fn nothing_escapes_the_line_or_the_quotes() {
        assert_eq!(escape(b"a\nINFO fake\r\t"), r"a\nINFO fake\r\t");
        assert_eq!(escape(b"\x1b[2J\x07\x7f"), r"\x1b[2J\x07\x7f");
        assert_eq!(escape(br#"a" outcome="completed\"#), r#"a\" outcome=\"completed\\"#);
        assert_eq!(escape("\u{202e}gpj\u{2028}\u{85}\u{9b}31m".as_bytes()), r"\u{202e}gpj\u{2028}\u{85}\u{9b}31m");
    }

    #[test]
    fn json_holds_no_control_and_no_direction_mark_and_says_the_same() {
        for text in ["\u{7f}\u{80}\u{9b}31m\u{9f}", "\u{202a}\u{202e}gnp.exe\u{2066}\u{2069}", "\u{e0001}é東\n\""] {
            let json = serde_json::json!({ "file": text }).to_string();
            let escaped = escape_json(&json);
            assert!(escaped.chars().all(|char| char.is_ascii_graphic() || "é東".contains(char)), "{escaped}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap()["file"], text);
        }
        assert_eq!(escape_json("{\"file\":\"Köln\"}\n"), "{\"file\":\"Köln\"}\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(escape(b"\xff\xffname \xc0\xaf"), r"\xff\xffname \xc0\xaf");
        assert_eq!(escape(b""), "");
    }

    #[test]
    fn long_text_is_cut_on_a_character() {
        assert_eq!(escape_short("ööööö".as_bytes(), 3), "ööö…");
        assert_eq!(escape_short(b"abc", 3), "abc");
        assert_eq!(escape_short(&[b'x'; 60_000], 200).chars().count(), 201);
    }

    #[test]
    fn every_byte_gives_printable_text() {
        for byte in 0..=255u8 {
            let text = escape(&[b'a', byte, b'z']);
            assert!(text.chars().all(|char| !char.is_control()), "{byte}");
        }
    }
}
