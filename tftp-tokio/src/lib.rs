//! See the README.

mod runtime;

pub use runtime::{Tokio, TokioSocket, TokioTimer};
