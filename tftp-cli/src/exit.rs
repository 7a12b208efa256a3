//! How a command ends when it does not succeed.

use std::fmt;
use std::process::ExitCode;

/// Whose fault it was. The numbers are documented in `--help` and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing of the below.
    Other = 1,
    /// The command line.
    Usage = 2,
    /// The server has no such file.
    NotFound = 3,
    /// The server refused, or gave up with an ERROR packet.
    Refused = 4,
    /// The server did not answer, or fell silent.
    Timeout = 5,
    /// A file of this machine could not be read or written.
    LocalIo = 6,
    /// The server broke the protocol.
    Protocol = 7,
    /// A name could not be resolved, or an address could not be used.
    Network = 8,
    /// All was sent, but the server did not confirm the end.
    Unconfirmed = 9,
    /// SIGHUP.
    HungUp = 129,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// The same table, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  success
  1  any other error
  2  usage: the command line is wrong
  3  not found: the server has no such file
  4  refused: the server answered with another error
  5  timeout: the server did not answer, or fell silent
  6  local I/O: a file of this machine could not be read or written
  7  protocol: the server broke the protocol
  8  network: a name was not resolved, or an address or port could not be used
  9  unconfirmed: everything was sent, but the server never confirmed the end
  129, 130, 143  stopped by SIGHUP, Ctrl-C (SIGINT) or SIGTERM";

/// What of it a server can end with.
pub(crate) const SERVER_EXIT_CODES: &str = "\
Exit codes:
  0  success: it was asked to stop, and every transfer has ended
  1  any other error
  2  usage: the command line is wrong
  6  local I/O: the directory cannot be served
  8  network: an address, a port or an object store cannot be used
  130, 143  a second Ctrl-C (SIGINT) or SIGTERM ended transfers";

impl Exit {
    /// The name in `--json` results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::LocalIo => "local_io",
            Self::Protocol => "protocol",
            Self::Network => "network",
            Self::Unconfirmed => "unconfirmed",
            Self::HungUp => "hung_up",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// A failure: an exit code, what happened in one line, and what could be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Already told, in another form, where it would be printed.
    pub(crate) reported: bool,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None, reported: false }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same with advice, which may have several lines.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(hint) = &self.hint {
            for line in hint.lines() {
                write!(f, "\n  {line}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_help_names_every_code() {
        let all = [
            Exit::Other,
            Exit::Usage,
            Exit::NotFound,
            Exit::Refused,
            Exit::Timeout,
            Exit::LocalIo,
            Exit::Protocol,
            Exit::Network,
            Exit::Unconfirmed,
        ];
        for (exit, line) in all.into_iter().zip(EXIT_CODES.lines().skip(2)) {
            assert!(line.trim_start().starts_with(&exit.number().to_string()), "{line}");
            let word = exit.name().split('_').next().unwrap();
            assert!(line.contains(word), "{line} does not name {word}");
        }
    }

    #[test]
    fn a_hint_is_indented_below_the_message() {
        let failure = Failure::new(Exit::Network, "no").hint("one\ntwo");
        assert_eq!(failure.to_string(), "error: no\n  one\n  two");
    }
}
