//! The protocol's types that programs meet: settings, events and reports.

/// What files are made of, as storage sees them.
pub use bytes::Bytes;
pub use tftp_proto::Stats;
pub use tftp_proto::config::{OptionPolicy, OptionSet, Timing};
pub use tftp_proto::endpoint::{
    Event, FailureKind, Limits, Outcome, RefusedReason, Report, Role, StartError, TransferId,
};
pub use tftp_proto::negotiate::{Parameters, Refusal};
pub use tftp_proto::seq::Rollover;
pub use tftp_proto::transfer::Abandoned;
pub use tftp_proto::wire::{Direction, ErrorCode, Mode, OptionKind, Options};

pub use crate::client::{ClientConfig, Error, Target};
pub use crate::server::{BindError, ServerHandle, TransferPorts, Warning};
