//! The echo protocol (RFC 862) over the same event loop as TFTP, on tokio.
//!
//! `cargo run -p tftp-tokio --example tokio_echo -- 127.0.0.1:7007`, then for instance `nc -u 127.0.0.1 7007`.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use tftp_driver::event_loop::EventLoop;
use tftp_driver::protocol::NoJobs;
use tftp_driver::udp::{BindOptions, bind};
use tftp_tokio::Tokio;

#[path = "../../tftp-driver/examples/support/echo.rs"]
mod echo;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let addr: SocketAddr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7007".to_owned()).parse()?;
    let socket = bind(addr, &BindOptions::default())?;
    println!("echoing on {}", socket.local_addr());
    let protocol = echo::Echo::new(Duration::from_secs(10));
    EventLoop::new(Tokio, [socket], protocol, NoJobs, |event| println!("{event:?}"))?.await?;
    Ok(())
}
