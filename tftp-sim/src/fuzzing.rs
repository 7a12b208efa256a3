//! What the fuzzers do with their input. It stands here so that the corpus can be replayed by an ordinary test.

mod endpoint;
mod parser;

pub use endpoint::endpoint;
pub use parser::parser;
