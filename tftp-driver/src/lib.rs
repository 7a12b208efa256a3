//! See the README.

pub mod storage;
