//! Server and client under async-std's executor and in its traits, which are those of smol.
//!
//! `cargo run -p tftp-smol --example async_std`

use std::error::Error;

use async_std::io::{ReadExt, copy};
use async_std::task;
use tftp_smol::storage::{Memory, WritePolicy};
use tftp_smol::{Client, Server};

fn main() -> Result<(), Box<dyn Error>> {
    task::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let files = Memory::builder().write_policy(WritePolicy::CREATE).build();
    let server = Server::builder().listen("127.0.0.1:0".parse()?).storage(files).bind()?;
    let address = server.local_addrs().to_vec();
    let handle = server.handle();
    let serving = task::spawn(server);

    let client = Client::new();
    let text = "Hello, async-std!\n".repeat(10_000);
    let reader = async_std::io::Cursor::new(text.as_bytes().to_vec());
    let report = client.put(&address[..], "hello.txt", reader, None).await?;
    println!("put {} bytes in {:?}", report.bytes, report.duration);

    let mut download = client.get(&address[..], "hello.txt").await?;
    let mut head = vec![0; 18];
    download.read_exact(&mut head).await?;
    print!("got {}", String::from_utf8_lossy(&head));
    let rest = copy(&mut download, &mut async_std::io::sink()).await?;
    download.finish().await?;
    println!("and {rest} bytes more");

    handle.shutdown();
    Ok(serving.await?)
}
