//! The library's errors as exit codes, messages and advice.

use std::net::SocketAddr;

use super::Failed;
use super::outcome::Facts;
use crate::args::ClientArgs;
use crate::escape::escape_short;
use crate::exit::{Exit, Failure};
use crate::remote::Remote;
use crate::units::{show_seconds, show_size};
use tftp_tokio::{Direction, Error as ClientError, ErrorCode, Outcome, RefusedReason, Report};

/// Sorts an error by whose fault it was. `asked` are the addresses that got the request.
pub(crate) fn explain(
    error: &ClientError,
    direction: Direction,
    remote: &Remote,
    args: &ClientArgs,
    asked: &[SocketAddr],
) -> Failed {
    let report = error.report();
    let failure = match error {
        ClientError::Request(_) | ClientError::Address { .. } => Failure::usage(format!("{remote}: {error}")),
        ClientError::Resolve { .. } | ClientError::Io(_) => Failure::new(Exit::Network, format!("{remote}: {error}")),
        ClientError::Refused { code, report, .. } => refused(*code, report, direction, remote, args),
        ClientError::TimedOut(report) => timed_out(report, remote, asked),
        ClientError::Protocol { reason: RefusedReason::TooLarge, report } if announces_nonsense(report) => {
            Failure::new(Exit::Protocol, format!("{remote}: the server announced more bytes than a file can have"))
        }
        ClientError::Protocol { reason: RefusedReason::TooLarge, .. } => {
            Failure::new(Exit::Other, format!("{remote}: the file is larger than --max-size allows"))
        }
        ClientError::Protocol { .. } => Failure::new(Exit::Protocol, format!("{remote}: {error}")),
        ClientError::Unconfirmed(_) => Failure::new(
            Exit::Unconfirmed,
            format!("{remote}: everything was sent, but the server never confirmed the last block"),
        )
        .hint("it may have kept the file or not; get it back and compare, or put it again"),
        ClientError::Source { source, .. } => {
            Failure::new(Exit::LocalIo, format!("cannot read what is to be sent: {source}"))
        }
        _ => Failure::new(Exit::Other, format!("{remote}: {error}")),
    };
    Failed { failure, facts: report.map(Facts::of) }
}

/// Whether a size was announced that no file has, whatever --max-size allows.
fn announces_nonsense(report: &Report) -> bool {
    let announced = report.parameters.and_then(|parameters| parameters.transfer_size);
    announced.is_some_and(|size| i64::try_from(size).is_err())
}

fn refused(code: ErrorCode, report: &Report, direction: Direction, remote: &Remote, args: &ClientArgs) -> Failure {
    let text = match &report.outcome {
        Outcome::PeerError { message, .. } => escape_short(message, 200),
        _ => String::new(),
    };
    let said = match (text.as_str(), code) {
        ("", ErrorCode::Other(number)) => format!("ERROR {number}"),
        ("", code) => format!("ERROR {}, {code}", code.to_wire()),
        (text, code) => format!("ERROR {}: {text}", code.to_wire()),
    };
    if code == ErrorCode::FileNotFound && direction == Direction::Write {
        return Failure::new(Exit::NotFound, format!("{remote}: the server finds no place for it ({said})"))
            .hint("its directory must exist on the server, and some servers take only names that exist already");
    }
    if code == ErrorCode::FileNotFound {
        return Failure::new(Exit::NotFound, format!("{remote}: no such file ({said})"));
    }
    let when = if report.bytes > 0 { format!(" after {}", show_size(report.bytes)) } else { String::new() };
    let failure = Failure::new(Exit::Refused, format!("{remote}: the server refused{when} ({said})"));
    match (code, direction) {
        (ErrorCode::AccessViolation, Direction::Write) => {
            failure.hint("many servers take no uploads, or only of names that exist, or only of new ones")
        }
        (ErrorCode::FileAlreadyExists, _) => failure.hint("the server keeps what it has; use another name"),
        (ErrorCode::OptionNegotiation, _) => failure.hint("--no-options asks for none"),
        // Servers that know no options should ignore them. Some take the request for a broken one.
        (ErrorCode::NotDefined | ErrorCode::IllegalOperation, _) if report.parameters.is_none() && !args.no_options => {
            failure.hint("some old servers refuse requests with options; --no-options asks for none")
        }
        _ => failure,
    }
}

fn timed_out(report: &Report, remote: &Remote, asked: &[SocketAddr]) -> Failure {
    let time = show_seconds(report.duration);
    if report.stats.datagrams_received > 0 || report.parameters.is_some() {
        let bytes = show_size(report.bytes);
        return Failure::new(
            Exit::Timeout,
            format!("{remote}: the server fell silent after {bytes}, gave up after {time}"),
        );
    }
    let addresses = asked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Failure::new(Exit::Timeout, format!("{remote}: no answer from {addresses} within {time}")).hint(
        "is a TFTP server running there? Firewalls must let UDP in and out, and most servers answer\n\
         from another port than the one that was asked. One that answers from another address needs\n\
         --any-source.",
    )
}
