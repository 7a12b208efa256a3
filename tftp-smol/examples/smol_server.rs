//! A server of files in memory, which also takes uploads.
//!
//! `cargo run -p tftp-smol --example smol_server -- 127.0.0.1:6969`, then for instance
//! `curl tftp://127.0.0.1:6969/hello.txt`. Enter ends it once the transfers in progress have ended.

use std::env;
use std::error::Error;
use std::thread;

use tftp_smol::storage::{Memory, WritePolicy};
use tftp_smol::{Event, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6969".to_owned()).parse()?;
    let files = Memory::builder().max_bytes(64 << 20).write_policy(WritePolicy::ANY).build();
    files.insert("hello.txt", "Hello!\n")?;

    let server = Server::builder()
        .listen(address)
        .storage(files)
        .on_event(|event| {
            if let Event::Finished(report) = event {
                let name = report.filename.escape_ascii();
                println!("{} {name}: {} bytes, {}", report.peer, report.bytes, report.outcome);
            }
        })
        .bind()?;
    println!("serving on {:?}", server.local_addrs());
    for warning in server.warnings() {
        eprintln!("{warning}");
    }

    let handle = server.handle();
    thread::spawn(move || {
        let _ = std::io::stdin().read_line(&mut String::new());
        handle.shutdown();
    });
    Ok(smol::block_on(server)?)
}
