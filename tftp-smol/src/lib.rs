//! See the README.

mod runtime;

pub use runtime::{Smol, SmolSocket, SmolTimer};
