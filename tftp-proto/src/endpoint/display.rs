//! Events for people: one line each, in which nothing that a peer sent can steer a terminal or end the line.

use core::fmt;

use super::event::{Event, Outcome, RefusedReason, Report, Role};
use crate::transfer::Abandoned;
use crate::wire::Direction;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Established { id, parameters } => {
                let (block, window) = (parameters.block_size, parameters.window_size);
                write!(f, "transfer {} begins, with blocks of {block} bytes in windows of {window}", id.generation)
            }
            Self::Finished(report) => report.fmt(f),
            Self::Saturated { dropped } => write!(f, "{dropped} requests dropped, for a limit was reached"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, other) = match (self.direction, self.role) {
            (Direction::Read, Role::Server) => ("download", "by"),
            (Direction::Read, Role::Client) => ("download", "from"),
            (Direction::Write, Role::Server) => ("upload", "by"),
            (Direction::Write, Role::Client) => ("upload", "to"),
        };
        let Self { id, peer, bytes, duration, outcome, .. } = self;
        let name = self.filename.escape_ascii();
        write!(f, "transfer {}, {what} of {name} {other} {peer}: {outcome}, ", id.generation)?;
        write!(f, "{bytes} bytes in {:.3} s", duration.as_secs_f64())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("completed"),
            Self::DeliveredUnconfirmed => f.write_str("delivered, but the last block was not confirmed"),
            Self::SizeProbe => f.write_str("only the size was asked"),
            Self::PeerError { code, message } => {
                write!(f, "the peer ended it with error {} ({code}): {}", code.to_wire(), message.escape_ascii())
            }
            Self::TimedOut => f.write_str("the peer fell silent"),
            Self::Evicted => f.write_str("it never answered, and its place was needed"),
            Self::Refused { code, reason } => write!(f, "refused with error {}: {reason}", code.to_wire()),
            Self::StorageFailed { code, detail, .. } => {
                write!(f, "storage failed, error {}: {}", code.to_wire(), detail.escape_debug())
            }
            Self::Cancelled => f.write_str("cancelled"),
            Self::ShutDown => f.write_str("ended by a shutdown"),
            Self::Replaced => f.write_str("replaced by a new request"),
            Self::Yielded => f.write_str("given up for another writer"),
        }
    }
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MailMode => f.write_str("mail mode is obsolete"),
            Self::EmptyName => f.write_str("no file name"),
            Self::TooLarge => f.write_str("the file is larger than allowed"),
            Self::Illegal(Abandoned::BlockTooLong) => f.write_str("block longer than the block size"),
            Self::Oack(refusal) => refusal.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::string::ToString;
    use core::time::Duration;

    use super::*;
    use crate::Stats;
    use crate::endpoint::TransferId;
    use crate::wire::{ErrorCode, Options};

    #[test]
    fn an_event_is_one_line_whatever_the_peer_sent() {
        let report = Report {
            id: TransferId { index: 0, generation: 1 },
            role: Role::Server,
            direction: Direction::Read,
            peer: ([192, 0, 2, 7], 1069).into(),
            filename: b"a\n\x1b[2J\xff".to_vec(),
            parameters: None,
            options: Options::NONE,
            bytes: 5,
            duration: Duration::from_millis(1500),
            commit_time: None,
            stats: Stats::default(),
            outcome: Outcome::PeerError { code: ErrorCode::DiskFull, message: b"no\r\nroom".to_vec() },
        };
        assert_eq!(
            Event::Finished(Box::new(report)).to_string(),
            "transfer 1, download of a\\n\\x1b[2J\\xff by 192.0.2.7:1069: the peer ended it with error 3 \
             (disk full or allocation exceeded): no\\r\\nroom, 5 bytes in 1.500 s"
        );
    }
}
