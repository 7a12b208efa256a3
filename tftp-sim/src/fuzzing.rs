//! What the fuzzers do with their input. It stands here so that the corpus can be replayed by an ordinary test.

mod endpoint;
mod negotiation;
mod netascii;
mod options;
mod parser;
mod receiver;
mod reference;
mod round_trip;
mod script;
mod sender;
mod solo;

pub use endpoint::endpoint;
pub use negotiation::negotiation;
pub use netascii::netascii;
pub use options::options;
pub use parser::parser;
pub use receiver::receiver;
pub use reference::reference;
pub use round_trip::round_trip;
pub use sender::sender;
