//! See the README.

pub mod event_loop;
pub mod protocol;
pub mod runtime;
pub mod storage;
pub mod udp;
