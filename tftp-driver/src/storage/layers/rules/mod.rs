//! Rules that rewrite and refuse names.
//!
//! The format is that of the map file of `tftpd-hpa`; the [`NameRules`] say what differs.

mod ere;
mod parse;
mod replacement;

use std::fmt;

use regex::bytes::Regex;

use super::{NameMapping, NameRequest, Operation};
use crate::storage::StorageError;
pub use parse::RulesError;
use replacement::Replacement;

/// How many rules are looked at for one name, repetitions included.
const MAX_STEPS: usize = 1024;

/// The longest name that rules may make, in bytes.
const MAX_NAME: usize = 4096;

/// Rules that turn the names clients ask for into those of files, or refuse them, read from a file.
///
/// Each line is an operation, a regular expression and, to rewrite, a replacement; spaces stand between them, and `#` begins a
/// comment. The rules are gone through from the first to the last. An operation is made of letters:
///
/// | letter | the rule |
/// |---|---|
/// | `r` | puts the replacement in the place of what matched |
/// | `g` | is repeated until it does not match any more; with `gg`, each time behind what it has put there (with `r`) |
/// | `e` | is the last one, if it matches |
/// | `s` | starts again from the first, if it matches |
/// | `a` | refuses the request, if it matches; what stands behind the expression goes to the log |
/// | `i` | matches in any case (ASCII) |
/// | `~` | means names that do *not* match (not with `r`) |
/// | `G`, `P` | is for downloads, for uploads only |
/// | `4`, `6` | is for IPv4, for IPv6 clients only |
///
/// In a replacement `\0` is what matched, `\1` to `\9` are its groups, `\i` is the client's address and `\x` the same in
/// hexadecimal (`C00002A9`); `\U` and `\L` turn the letters of what follows to upper or lower case, up to `\E`. A backslash
/// before a space, `#` or another backslash stands for that character.
///
/// ```
/// use tftp_driver::storage::layers::{NameRequest, NameRules, Operation};
///
/// let rules = NameRules::parse(r"
///     rg  \\             /             # Windows' boot manager
///     r   ^/?boot/(.*)   images/\L\1
///     aP  ^images/       # nobody uploads there
/// ").unwrap();
/// let asked = NameRequest::new(b"boot\\PXELINUX.0", [192, 0, 2, 7].into(), Operation::Read);
/// assert_eq!(rules.run(&asked).unwrap(), b"images/pxelinux.0");
/// ```
///
/// **What differs from `tftpd-hpa`.** Expressions are matched in linear time by the `regex` crate: of alternatives the first
/// that matches counts, not the longest, and an expression cannot refer back to a group. They match bytes, so that no byte in
/// a name keeps a rule from matching it. Every loop ends: after 1024 steps, or when a name grows above 4096 bytes, the
/// request is refused. Whatever comes out is a client's name to the storage: it is beneath the root, also with a `/` before
/// it, and cannot lead out. The text of an `a` rule goes to the log, not to the client.
#[derive(Debug, Clone)]
pub struct NameRules {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    line: usize,
    /// The line without spaces around it, and without a comment.
    text: String,
    regex: Regex,
    inverse: bool,
    applies: Applies,
    action: Action,
    then: Then,
}

/// Which requests a rule is for; `None` is all.
#[derive(Debug, Clone, Copy, Default)]
struct Applies {
    operation: Option<Operation>,
    ipv4: Option<bool>,
}

#[derive(Debug, Clone)]
enum Action {
    Nothing,
    Refuse { reason: String },
    Rewrite { replacement: Replacement, repeat: Repeat },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Once,
    /// On all of the name.
    All,
    /// On what follows the last replacement.
    Behind,
}

/// What comes after a rule that has matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Next,
    End,
    Restart,
}

/// A rule that matched, as [`NameRules::trace`] tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStep {
    /// The line of the rule in its file, from 1.
    pub line: usize,
    /// The rule as it stands there.
    pub rule: String,
    /// What it did.
    pub effect: RuleEffect,
}

/// What a rule that matched did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleEffect {
    /// It made this name.
    Rewritten(Vec<u8>),
    /// It refused the request.
    Refused,
    /// It ended the rules with the name as it was.
    Ended,
    /// It started them again with the name as it was.
    Restarted,
    /// Nothing: it matched, and that was all.
    Nothing,
}

impl NameRules {
    /// Reads rules.
    ///
    /// # Errors
    ///
    /// The first mistake, with its line and column.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        parse::rules(text).map(|rules| Self { rules })
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What the rules make of a name.
    ///
    /// # Errors
    ///
    /// [`StorageError::AccessDenied`] by a rule `a`, and where the rules come to no end.
    pub fn run(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
        self.go_through(request, |_| {})
    }

    /// The same with every rule that matched, in the order they did.
    pub fn trace(&self, request: &NameRequest<'_>) -> (Vec<RuleStep>, Result<Vec<u8>, StorageError>) {
        let mut steps = Vec::new();
        let result = self.go_through(request, |step| steps.push(step));
        (steps, result)
    }

    fn go_through(&self, request: &NameRequest<'_>, mut tell: impl FnMut(RuleStep)) -> Result<Vec<u8>, StorageError> {
        let mut name = request.name.to_vec();
        let mut steps_left = MAX_STEPS;
        let mut next = 0;
        while let Some(rule) = self.rules.get(next) {
            next += 1;
            steps_left = steps_left.checked_sub(1).ok_or_else(|| endless(rule))?;
            if !rule.applies.to(request) || rule.regex.is_match(&name) == rule.inverse {
                continue;
            }
            let mut step = |effect| tell(RuleStep { line: rule.line, rule: rule.text.clone(), effect });
            let mut rewritten = false;
            match &rule.action {
                Action::Nothing => {}
                Action::Refuse { reason } => {
                    step(RuleEffect::Refused);
                    let reason = if reason.is_empty() { rule.text.clone() } else { reason.clone() };
                    return Err(StorageError::AccessDenied(
                        format!("by the rule in line {}: {reason}", rule.line).into(),
                    ));
                }
                Action::Rewrite { replacement, repeat } => {
                    rewritten = true;
                    let mut from = 0;
                    while let Some((new, behind)) = rule.rewrite(&name, from, replacement, request) {
                        steps_left = steps_left.checked_sub(1).ok_or_else(|| endless(rule))?;
                        if new.len() > MAX_NAME {
                            return Err(too_long(rule));
                        }
                        name = new;
                        step(RuleEffect::Rewritten(name.clone()));
                        match repeat {
                            Repeat::Once => break,
                            Repeat::All => {}
                            Repeat::Behind => from = behind,
                        }
                    }
                }
            }
            match rule.then {
                Then::Next if !rewritten => step(RuleEffect::Nothing),
                Then::Next => {}
                Then::End => {
                    if !rewritten {
                        step(RuleEffect::Ended);
                    }
                    break;
                }
                Then::Restart => {
                    if !rewritten {
                        step(RuleEffect::Restarted);
                    }
                    next = 0;
                }
            }
        }
        Ok(name)
    }
}

impl NameMapping for NameRules {
    fn map(&self, request: &NameRequest<'_>) -> Result<Vec<u8>, StorageError> {
        self.run(request)
    }
}

impl Applies {
    fn to(self, request: &NameRequest<'_>) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation)
            && self.ipv4.is_none_or(|ipv4| ipv4 == request.client.is_ipv4())
    }
}

impl Rule {
    /// The name with the first match at or behind `from` replaced, and where what follows the replacement begins.
    fn rewrite(
        &self,
        name: &[u8],
        from: usize,
        replacement: &Replacement,
        request: &NameRequest<'_>,
    ) -> Option<(Vec<u8>, usize)> {
        let groups = if from > name.len() { None } else { self.regex.captures_at(name, from) }?;
        let matched = groups.get(0)?;
        let mut new = name.get(..matched.start())?.to_vec();
        replacement.expand(&groups, request.client, &mut new);
        // Behind an empty match is where the next one would be found again.
        let behind = new.len() + usize::from(matched.is_empty());
        new.extend_from_slice(name.get(matched.end()..)?);
        Some((new, behind))
    }
}

impl fmt::Display for RuleEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rewritten(name) => write!(f, "{}", name.escape_ascii()),
            Self::Refused => f.write_str("refused"),
            Self::Ended => f.write_str("the last rule"),
            Self::Restarted => f.write_str("from the first rule again"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

fn endless(rule: &Rule) -> StorageError {
    StorageError::AccessDenied(
        format!("the rules come to no end: {MAX_STEPS} steps, the last by line {}", rule.line).into(),
    )
}

fn too_long(rule: &Rule) -> StorageError {
    StorageError::AccessDenied(
        format!("the rules make a name of more than {MAX_NAME} bytes, the last by line {}", rule.line).into(),
    )
}
