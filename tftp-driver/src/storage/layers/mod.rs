//! Layers over any storage, each of which does one thing. They compose: a layer is a [`Storage`](super::Storage).
//!
//! * [`ReadOnly`]: no uploads.
//! * [`Fallback`]: a second place to look for what the first does not have.
//! * [`Split`]: uploads in a place of their own.
//!
//! ```
//! use tftp_driver::storage::layers::{Fallback, ReadOnly};
//! use tftp_driver::storage::{BoxStorage, Memory};
//!
//! let (local, shared) = (Memory::new(), Memory::new());
//! let storage = Fallback::new(local, ReadOnly::new(shared));
//! let storage = BoxStorage::new(storage); // only where the layers are chosen at run time
//! # let _ = storage;
//! ```

mod either;
mod fallback;
mod read_only;
mod split;

pub use either::Either;
pub use fallback::Fallback;
pub use read_only::ReadOnly;
pub use split::Split;
