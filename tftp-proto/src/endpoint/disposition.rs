//! What became of a datagram.

use crate::wire::ParseError;

/// What an endpoint did with a datagram. Network input is never an error of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It belongs to a transfer or started one.
    Accepted,
    /// It changed nothing.
    Ignored(Ignored),
}

/// Why a datagram changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// Not a packet.
    Malformed(ParseError),
    /// From a source that cannot be answered: port 0, or not a unicast address.
    BadSource,
    /// A request to a broadcast or multicast address (RFC 1123 §4.2.3.5).
    Broadcast,
    /// No transfer belongs to it: a stray packet, or one after the end. An ERROR packet is never answered.
    Stray,
    /// From another port than the transfer's peer: answered with ERROR 5 within limits.
    UnknownTransferId,
    /// A copy of a request that is being answered.
    RepeatedRequest,
    /// A request of a peer whose uploads are being committed on every port that it could be served from.
    Committing,
    /// A request on a socket that takes none.
    UnexpectedRequest,
    /// A limit was reached.
    Saturated,
    /// A request while shutting down.
    ShuttingDown,
    /// A request that was refused with an ERROR at once.
    Refused,
    /// A packet of a transfer that brought nothing new.
    NothingNew,
}
