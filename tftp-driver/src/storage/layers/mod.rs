//! Layers over any storage, each of which does one thing. They compose: a layer is a [`Storage`](super::Storage).
//!
//! | layer | does | feature |
//! |---|---|---|
//! | [`ReadOnly`], [`WriteOnly`] | take no uploads, give no downloads | |
//! | [`Fallback`] | has a second place to look for what the first does not have | |
//! | [`Split`] | puts uploads in a place of their own | |
//! | [`Quota`] | limits the bytes and files that are kept | |
//! | [`Renamed`] | opens other names than clients ask for: by a closure, by [`TrimJunk`], by rules | |
//! | `NameRules` | are such rules, from a file: rewrite, refuse | `name-rules` |
//! | [`ClientDirs`] | gives each client a directory of its own | |
//! | `ByNetwork` | serves other files to other networks | `networks` |
//! | `UniqueNames` | puts the time into an upload's name | `unique-names` |
//! | `Templates` | makes content from templates | `templates` |
//!
//! The order matters, as the outer layer sees a request first: trim, rewrite, choose a client's directory, and then
//! look in one place after the other. What a layer makes of a name is a client's name to the one below, and the back
//! end's own rules have the last word: none of them can lead out of a root.
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

#[cfg(feature = "networks")]
mod by_network;
mod client_dirs;
mod either;
mod fallback;
mod quota;
mod read_only;
mod renamed;
#[cfg(feature = "name-rules")]
mod rules;
mod split;
#[cfg(feature = "templates")]
mod templates;
mod trim;
#[cfg(feature = "unique-names")]
mod unique_names;
mod write_only;

#[cfg(feature = "networks")]
pub use by_network::ByNetwork;
pub use client_dirs::{ClientDirs, client_dir};
pub use either::Either;
pub use fallback::Fallback;
#[cfg(feature = "networks")]
pub use ipnet::IpNet;
pub use quota::{Quota, QuotaWriter};
pub use read_only::ReadOnly;
pub use renamed::{Exchangeable, NameMapping, NameRequest, Operation, Renamed};
#[cfg(feature = "name-rules")]
pub use rules::{NameRules, RuleEffect, RuleStep, RulesError};
pub use split::Split;
#[cfg(feature = "templates")]
pub use templates::Templates;
pub use trim::TrimJunk;
#[cfg(feature = "unique-names")]
pub use unique_names::{UniqueNames, unique_name};
pub use write_only::WriteOnly;
