//! The echo protocol (RFC 862) over the same event loop as TFTP, on smol.
//!
//! `cargo run -p tftp-smol --example smol_echo -- 127.0.0.1:7007`, then for instance `nc -u 127.0.0.1 7007`.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use tftp_driver::event_loop::EventLoop;
use tftp_driver::protocol::NoJobs;
use tftp_driver::udp::{BindOptions, bind};
use tftp_smol::Smol;

#[path = "../../tftp-driver/examples/support/echo.rs"]
mod echo;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let addr: SocketAddr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7007".to_owned()).parse()?;
        let socket = bind(addr, &BindOptions::default())?;
        println!("echoing on {}", socket.local_addr());
        let protocol = echo::Echo::new(Duration::from_secs(10));
        EventLoop::new(Smol, [socket], protocol, NoJobs, |event| println!("{event:?}"))?.await?;
        Ok(())
    })
}
