//! A server with storage of one's own: here a layer that gives each client its own files.
//!
//! `cargo run -p tftp-tokio --example tokio_custom_storage`, then for instance
//! `curl tftp://127.0.0.1:6969/boot.cfg` and `curl --interface 127.0.0.2 tftp://127.0.0.1:6969/boot.cfg`.

use std::error::Error;

use tftp_tokio::Server;
use tftp_tokio::storage::{Memory, WritePolicy};

#[path = "../../tftp-driver/examples/support/per_client.rs"]
mod per_client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let files = Memory::builder().write_policy(WritePolicy::CREATE).build();
    files.insert("all/boot.cfg", "role = any\n")?;
    files.insert("127.0.0.2/boot.cfg", "role = second\n")?;
    let server = Server::builder()
        .listen("127.0.0.1:6969".parse()?)
        .storage(per_client::PerClient(files))
        .on_event(|event| println!("{event}"))
        .bind()?;
    Ok(server.await?)
}
