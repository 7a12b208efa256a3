//! What can go wrong with a client's transfer, by whose fault it is.

use std::io;

use tftp_proto::endpoint::{Outcome, RefusedReason, Report, StartError};
use tftp_proto::wire::ErrorCode;

/// Why a transfer failed.
///
/// A [`Report`] comes along where a request was made: see [`report`](Self::report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be made: the caller's fault.
    #[error(transparent)]
    Request(#[from] StartError),
    /// What was given as the server is not an address: the caller's fault.
    #[error("{address:?} is not a server's address: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server's name has no address.
    #[error("cannot resolve {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// A local socket, or the runtime.
    #[error("cannot use the network: {0}")]
    Io(#[source] io::Error),
    /// The server answered with an ERROR packet.
    #[error("the server refused: {}", refusal(*.code, .message))]
    Refused {
        /// The packet's code.
        code: ErrorCode,
        /// The packet's text, with control characters escaped; may be empty.
        message: String,
        /// The transfer.
        report: Box<Report>,
    },
    /// The server fell silent, or never answered.
    #[error("the server {}", if .0.parameters.is_some() { "fell silent" } else { "did not answer" })]
    TimedOut(Box<Report>),
    /// The server did what the protocol does not allow, or what it sent was too large. It was told.
    #[error("the transfer was given up: {reason}")]
    Protocol {
        /// What it did.
        reason: RefusedReason,
        /// The transfer.
        report: Box<Report>,
    },
    /// Everything was sent to a server that answered, but it did not confirm the last block, so it may not have kept
    /// the file.
    #[error("the server did not confirm the end of the file")]
    Unconfirmed(Box<Report>),
    /// Reading what was to be sent failed. The server was told.
    #[error("cannot read the data to send: {source}")]
    Source {
        /// The reader's error.
        source: io::Error,
        /// The transfer.
        report: Box<Report>,
    },
    /// A download was finished before the end of the file was read. The server was told.
    #[error("the download was not read to its end")]
    Unread,
    /// The transfer was ended from this side.
    #[error("the transfer was cancelled")]
    Cancelled(Box<Report>),
}

impl Error {
    /// The story of the transfer, if a request was made.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Refused { report, .. }
            | Self::TimedOut(report)
            | Self::Protocol { report, .. }
            | Self::Unconfirmed(report)
            | Self::Source { report, .. }
            | Self::Cancelled(report) => Some(report),
            Self::Request(_) | Self::Address { .. } | Self::Resolve { .. } | Self::Io(_) | Self::Unread => None,
        }
    }

    /// The kind of I/O error that comes closest.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Request(_) | Self::Address { .. } | Self::Unread => io::ErrorKind::InvalidInput,
            Self::Resolve { source, .. } | Self::Io(source) | Self::Source { source, .. } => source.kind(),
            Self::Refused { code, .. } => match code {
                ErrorCode::FileNotFound => io::ErrorKind::NotFound,
                ErrorCode::AccessViolation => io::ErrorKind::PermissionDenied,
                ErrorCode::DiskFull => io::ErrorKind::StorageFull,
                ErrorCode::FileAlreadyExists => io::ErrorKind::AlreadyExists,
                _ => io::ErrorKind::ConnectionAborted,
            },
            Self::TimedOut(_) | Self::Unconfirmed(_) => io::ErrorKind::TimedOut,
            Self::Protocol { reason: RefusedReason::TooLarge, .. } => io::ErrorKind::FileTooLarge,
            Self::Protocol { .. } => io::ErrorKind::InvalidData,
            Self::Cancelled(_) => io::ErrorKind::Interrupted,
        }
    }

    /// The end of a transfer as its owner sees it. `source` is the error of the reader that was sent from.
    pub(super) fn from_report(report: Box<Report>, source: Option<io::Error>) -> Result<Report, Self> {
        match report.outcome.clone() {
            Outcome::Completed | Outcome::SizeProbe => Ok(*report),
            Outcome::DeliveredUnconfirmed => Err(Self::Unconfirmed(report)),
            Outcome::PeerError { code, message } => Err(Self::Refused { code, message: printable(&message), report }),
            Outcome::TimedOut => Err(Self::TimedOut(report)),
            Outcome::Refused { reason, .. } => Err(Self::Protocol { reason, report }),
            Outcome::StorageFailed { detail, .. } => {
                Err(Self::Source { source: source.unwrap_or_else(|| io::Error::other(String::from(detail))), report })
            }
            // Outcomes to come are none of a success.
            _ => Err(Self::Cancelled(report)),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

fn refusal(code: ErrorCode, message: &str) -> String {
    match message {
        "" => format!("{code} (code {})", code.to_wire()),
        _ => format!("{message} (code {}: {code})", code.to_wire()),
    }
}

/// A peer's text, fit for a terminal or a log.
fn printable(text: &[u8]) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        match character.is_control() {
            true => printable.extend(character.escape_default()),
            false => printable.push(character),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_cannot_steer_a_terminal() {
        assert_eq!(printable(b"no \x1b[2J\r\n\xff\xc3\xa9"), "no \\u{1b}[2J\\r\\n\u{fffd}é");
    }

    #[test]
    fn a_refusal_without_text_names_the_code() {
        assert_eq!(refusal(ErrorCode::FileNotFound, ""), "file not found (code 1)");
        assert_eq!(refusal(ErrorCode::NotDefined, "oops"), "oops (code 0: not defined)");
    }
}
