//! A TFTP server and client for smol, async-std, and whatever else runs beside `async-io`.
//!
//! Both are complete in the protocol (RFC 1350, 1123, 2347, 2348, 2349, 7440) and spawn nothing: a [`Server`] is one
//! future, a [`Download`] is a reader that drives its own transfer. Any executor will do. `tftp-tokio` has the same
//! interface for tokio.
//!
//! # A server
//!
//! ```no_run
//! use tftp_smol::Server;
//! use tftp_smol::storage::Memory;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let files = Memory::new();
//! files.insert("boot/hello.txt", "hello")?;
//! let server = Server::builder()
//!     .listen("127.0.0.1:6969".parse()?)
//!     .storage(files)
//!     .on_event(|event| println!("{event}"))
//!     .bind()?;
//! let handle = server.handle(); // for `shutdown()` and `stop()`, from anywhere
//! smol::block_on(server)?; // or `smol::spawn(server)`
//! # Ok(())
//! # }
//! ```
//!
//! Files come from any [`Storage`](storage::Storage): memory, a directory, a closure, or one of your own.
//!
//! # A client
//!
//! ```no_run
//! use smol::io::AsyncReadExt;
//! use tftp_smol::Client;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().block_size(1428).window_size(16).build();
//!
//! let mut download = client.get("192.0.2.1:69", "boot/hello.txt").await?;
//! println!("{:?} bytes", download.size());
//! let mut file = Vec::new();
//! download.read_to_end(&mut file).await?;
//! let report = download.finish().await?;
//! println!("{:?} after {:?}", report.outcome, report.duration);
//!
//! let data = b"hello";
//! client.put("192.0.2.1", "up/hello.txt", &data[..], Some(5)).progress(|done, of| println!("{done}/{of:?}")).await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod runtime;
mod server;
mod timer;

pub use client::{Client, ClientBuilder, Download, Put};
pub use runtime::{Smol, SmolSocket};
pub use server::{Part, Server, ServerBuilder};
#[doc(inline)]
pub use tftp_driver::types::*;
pub use timer::SmolTimer;

pub mod storage {
    //! Files by name: the [`Storage`] trait, its errors, and the back ends.

    #[doc(inline)]
    pub use tftp_driver::storage::*;
    #[cfg(feature = "object-store")]
    #[doc(inline)]
    pub use tftp_object_store as object;
    #[cfg(feature = "object-store")]
    #[doc(inline)]
    pub use tftp_object_store::ObjectStorage;
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
