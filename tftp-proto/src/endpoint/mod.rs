//! Many transfers at once: placeholder while the types settle.
mod action;
mod admission;
mod command;
mod config;
mod event;
pub use action::*;
pub use admission::*;
pub use command::*;
pub use config::*;
pub use event::*;
