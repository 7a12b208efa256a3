//! Layers over storage: the rules of every storage, and what each layer adds to them.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not tests to clippy.

mod clients;
mod fallback;
mod names;
mod quota;
#[cfg(feature = "name-rules")]
mod rules;
mod support;
#[cfg(feature = "templates")]
mod templates;
#[cfg(feature = "unique-names")]
mod unique_names;
