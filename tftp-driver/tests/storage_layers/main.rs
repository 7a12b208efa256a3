//! Layers over storage: the rules of every storage, and what each layer adds to them.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not tests to clippy.

mod fallback;
mod support;
