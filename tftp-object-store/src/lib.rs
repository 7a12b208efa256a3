//! Object stores as storage of a TFTP server: S3, Google Cloud Storage, Azure Blob Storage, and HTTP origins.
//!
//! [`ObjectStorage`] is a [`Storage`](tftp_driver::storage::Storage) like any other and works under any async runtime:
//! requests run on a small tokio runtime of its own. `tftp-tokio` and `tftp-smol` re-export it with their feature
//! `object-store`.

mod chunks;
mod disk;
mod executor;
mod failure;
mod heads;
mod keys;
mod leftovers;
mod location;
mod object;
mod probe;
mod reader;
mod run;
mod s3;
mod shared;
mod stats;
mod storage;
mod stores;
mod writer;

pub use disk::DiskCache;
pub use leftovers::Leftovers;
pub use location::{SCHEMES, StoreUrl};
pub use object_store;
pub use reader::ObjectReader;
pub use stats::Stats;
pub use storage::{ObjectStorage, ObjectStorageBuilder, OpenError};
pub use writer::ObjectWriter;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
