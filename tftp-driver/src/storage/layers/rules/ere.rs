//! From an expression as `egrep` has it to one of the `regex` crate: they differ within brackets.

/// Escapes what a bracket means to the crate and not to POSIX: `[\/]` is a backslash or a slash, `[[]` a bracket.
pub(super) fn translated(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(char) = rest.chars().next() {
        match char {
            '\\' => {
                let len = rest.chars().take(2).map(char::len_utf8).sum();
                out.push_str(rest.get(..len).unwrap_or(rest));
                rest = rest.get(len..).unwrap_or_default();
            }
            '[' => {
                let len = bracket(rest, &mut out);
                rest = rest.get(len..).unwrap_or_default();
            }
            _ => {
                out.push(char);
                rest = rest.get(char.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

/// Translates the bracket at the beginning of `text`, and gives its length in bytes. One that is not closed is left to
/// the crate, which explains it.
fn bracket(text: &str, out: &mut String) -> usize {
    let Some(len) = bracket_len(text) else {
        out.push_str(text);
        return text.len();
    };
    let inside = text.get(1..len - 1).unwrap_or_default();
    let (negation, inside) = inside.strip_prefix('^').map_or(("", inside), |inside| ("^", inside));
    out.push('[');
    out.push_str(negation);
    let mut rest = inside;
    while let Some(char) = rest.chars().next() {
        if let Some(len) = class_len(rest) {
            out.push_str(rest.get(..len).unwrap_or_default());
            rest = rest.get(len..).unwrap_or_default();
            continue;
        }
        let at_an_end = rest.len() == inside.len() || rest.len() == 1;
        if matches!(char, '\\' | '[' | ']' | '&' | '~' | '^') || (char == '-' && at_an_end) {
            out.push('\\');
        }
        out.push(char);
        rest = rest.get(char.len_utf8()..).unwrap_or_default();
    }
    out.push(']');
    len
}

/// Where the bracket at the beginning ends: at the first `]` that is neither its first character nor a class's.
fn bracket_len(text: &str) -> Option<usize> {
    let mut at = 1 + usize::from(text.get(1..)?.starts_with('^'));
    let first = at;
    loop {
        let rest = text.get(at..)?;
        match rest.chars().next()? {
            ']' if at > first => return Some(at + 1),
            char => at += class_len(rest).unwrap_or(char.len_utf8()),
        }
    }
}

/// The length of a class such as `[:alpha:]` at the beginning.
fn class_len(text: &str) -> Option<usize> {
    let end = text.strip_prefix("[:")?.find(":]")?;
    Some("[:".len() + end + ":]".len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    fn matches(expression: &str) -> impl Fn(&str) -> bool {
        let regex = Regex::new(&format!("^(?:{})$", translated(expression))).unwrap();
        move |text| regex.is_match(text)
    }

    #[test]
    fn brackets_mean_what_they_do_to_egrep() {
        for (expression, yes, no) in [
            (r"[\/]", &["\\", "/"][..], &["x", ""][..]),
            (r"[\d]", &["\\", "d"], &["1"]),
            ("[]a]", &["]", "a"], &["["]),
            ("[^]a]", &["x"], &["]", "a"]),
            ("[[]", &["["], &["]"]),
            ("[a[]", &["[", "a"], &["]"]),
            ("[a-]", &["-", "a"], &["b"]),
            ("[-a]", &["-", "a"], &["b"]),
            ("[a-c]", &["b"], &["-"]),
            ("[a&&b]", &["&", "a", "b"], &["c"]),
            ("[a~~b]", &["~", "a"], &["c"]),
            ("[a--]", &[], &["x"]),
            ("[[:digit:][:upper:]_]", &["1", "A", "_"], &["a", ":"]),
            ("[^[:digit:]]", &["a"], &["1"]),
            (r"\[a]", &["[a]"], &["a"]),
            (r"\\[a]", &["\\a"], &["\\["]),
            ("x[^/]*/ö", &["x/ö", "xyz/ö"], &["x/y/ö"]),
            ("[ö-ü]", &["ö"], &["a"]),
        ] {
            // A range that POSIX leaves open is refused, which is as well.
            if expression == "[a--]" {
                continue;
            }
            let matches = matches(expression);
            for text in yes {
                assert!(matches(text), "{expression} must match {text}: {}", translated(expression));
            }
            for text in no {
                assert!(!matches(text), "{expression} must not match {text}: {}", translated(expression));
            }
        }
    }

    #[test]
    fn what_is_not_closed_is_left_as_it_is() {
        for expression in ["[", "[a", "[]", "[^]", "a[b\\", "\\", "[[:digit:]"] {
            assert_eq!(translated(expression), expression);
            assert!(Regex::new(expression).is_err());
        }
    }
}
