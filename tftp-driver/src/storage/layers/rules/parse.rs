//! From text to rules.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use super::ere::translated;
use super::replacement::Replacement;
use super::{Action, Applies, Operation, Repeat, Rule, Then};

/// The most memory that one expression may take compiled, in bytes.
const MAX_REGEX: usize = 1 << 20;

/// A mistake in a file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulesError {
    /// Where, from 1.
    pub line: usize,
    /// Where in the line, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for RulesError {}

pub(super) fn rules(text: &str) -> Result<Vec<Rule>, RulesError> {
    let mut rules = Vec::new();
    for (index, line) in text.lines().enumerate() {
        rules.extend(Line { number: index + 1, text: line }.rule()?);
    }
    Ok(rules)
}

/// A line, for errors.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

/// A part of a line, and where it begins, in bytes.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    at: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn rule(self) -> Result<Option<Rule>, RulesError> {
        let (words, end) = self.words();
        let mut words = words.into_iter();
        let Some(operation) = words.next() else { return Ok(None) };
        let Some(expression) = words.next() else {
            return Err(self.error(
                end,
                "the expression is missing",
                "a rule is an operation and a regular expression",
            ));
        };
        let flags = self.flags(operation)?;
        let regex = self.regex(expression, flags.ignore_case)?;
        let action = match (flags.rewrite, flags.refuse) {
            (true, _) => {
                let replacement = words.next().unwrap_or(Word { at: end, text: "" });
                let parsed = Replacement::parse(replacement.text, regex.captures_len() - 1);
                let replacement = parsed.map_err(|(offset, message)| {
                    self.error(
                        replacement.at + offset,
                        message,
                        "a replacement knows \\0 to \\9, \\i, \\x, \\U, \\L and \\E, and \\ before other characters",
                    )
                })?;
                Action::Rewrite { replacement, repeat: flags.repeat }
            }
            // All that follows is for people.
            (false, true) => {
                let reason: Vec<_> = words.by_ref().map(|word| word.text).collect();
                Action::Refuse { reason: reason.join(" ") }
            }
            (false, false) => Action::Nothing,
        };
        if let Some(word) = words.next() {
            let advice = match action {
                Action::Nothing => "only a rule with r has a replacement",
                _ => "write a space in an expression or a replacement as \"\\ \"",
            };
            return Err(self.error(word.at, "more than a rule has", advice));
        }
        let text = self.text.get(operation.at..end).unwrap_or(self.text).trim_end().to_owned();
        let Flags { inverse, applies, then, .. } = flags;
        Ok(Some(Rule { line: self.number, text, regex, inverse, applies, action, then }))
    }

    /// What stands between spaces, up to a comment; a backslash takes the meaning from either. And where that ends.
    fn words(self) -> (Vec<Word<'a>>, usize) {
        let mut words = Vec::new();
        let (mut start, mut escaped, mut end) = (None, false, self.text.len());
        for (at, char) in self.text.char_indices() {
            let ends = !escaped && (char.is_whitespace() || char == '#');
            escaped = !escaped && char == '\\';
            match (start, ends) {
                (None, false) => start = Some(at),
                (Some(from), true) => {
                    words.push(Word { at: from, text: self.text.get(from..at).unwrap_or_default() });
                    start = None;
                }
                (None, true) | (Some(_), false) => {}
            }
            if ends && char == '#' {
                end = at;
                break;
            }
        }
        if let Some(from) = start {
            words.push(Word { at: from, text: self.text.get(from..end).unwrap_or_default() });
        }
        (words, end)
    }

    fn flags(self, word: Word<'_>) -> Result<Flags, RulesError> {
        let mut flags = Flags::default();
        let mut global = 0;
        for (offset, letter) in word.text.char_indices() {
            let error = |message: &str, advice: &str| Err(self.error(word.at + offset, message, advice));
            match letter {
                'r' => flags.rewrite = true,
                'g' => global += 1,
                'i' => flags.ignore_case = true,
                'a' => flags.refuse = true,
                '~' => flags.inverse = true,
                'e' if flags.then == Then::Restart => return error("e and s exclude each other", "leave one out"),
                's' if flags.then == Then::End => return error("e and s exclude each other", "leave one out"),
                'e' => flags.then = Then::End,
                's' => flags.then = Then::Restart,
                'G' if flags.applies.operation == Some(Operation::Write) => {
                    return error("G and P exclude each other", "a rule with neither is for both");
                }
                'P' if flags.applies.operation == Some(Operation::Read) => {
                    return error("G and P exclude each other", "a rule with neither is for both");
                }
                'G' => flags.applies.operation = Some(Operation::Read),
                'P' => flags.applies.operation = Some(Operation::Write),
                '4' | '6' if flags.applies.ipv4.is_some_and(|ipv4| ipv4 != (letter == '4')) => {
                    return error("4 and 6 exclude each other", "a rule with neither is for both");
                }
                '4' => flags.applies.ipv4 = Some(true),
                '6' => flags.applies.ipv4 = Some(false),
                _ => return error("no operation has this letter", "the letters are r g e s a i ~ G P 4 6"),
            }
        }
        flags.repeat = match global {
            0 => Repeat::Once,
            1 => Repeat::All,
            _ => Repeat::Behind,
        };
        let error = |message: &str, advice: &str| Err(self.error(word.at, message, advice));
        match flags {
            Flags { rewrite: true, inverse: true, .. } => {
                error("~ and r exclude each other", "what does not match has nothing to be replaced")
            }
            Flags { rewrite: true, refuse: true, .. } => {
                error("a and r exclude each other", "a request is refused by a rule of its own")
            }
            Flags { rewrite: false, .. } if global > 0 => {
                error("g without r", "only a replacement can be repeated: rg, or rgg")
            }
            Flags { refuse: true, then: Then::End | Then::Restart, .. } => {
                error("nothing follows a", "leave e and s out")
            }
            flags => Ok(flags),
        }
    }

    fn regex(self, word: Word<'_>, ignore_case: bool) -> Result<Regex, RulesError> {
        let mut builder = RegexBuilder::new(&translated(word.text));
        // Bytes, so that no name escapes a rule by not being UTF-8.
        builder.unicode(false).dot_matches_new_line(true).case_insensitive(ignore_case).size_limit(MAX_REGEX);
        builder.build().map_err(|error| {
            let text = error.to_string();
            // The crate draws the expression over several lines; the last one says what is wrong.
            let reason = text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned();
            self.error(
                word.at,
                format!("the expression is not understood: {reason}"),
                "expressions are those of egrep, without references back; outside of brackets \\ takes away the meaning \
                 of the character behind it",
            )
        })
    }

    fn error(self, at: usize, message: impl Into<String>, advice: &str) -> RulesError {
        let column = self.text.get(..at).unwrap_or(self.text).chars().count() + 1;
        RulesError { line: self.number, column, message: message.into(), advice: advice.to_owned() }
    }
}

struct Flags {
    rewrite: bool,
    refuse: bool,
    inverse: bool,
    ignore_case: bool,
    repeat: Repeat,
    applies: Applies,
    then: Then,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            rewrite: false,
            refuse: false,
            inverse: false,
            ignore_case: false,
            repeat: Repeat::Once,
            applies: Applies::default(),
            then: Then::Next,
        }
    }
}
