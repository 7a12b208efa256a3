//! Gets a file to standard output, or puts one from standard input.
//!
//! `cargo run -p tftp-smol --example smol_client -- get 127.0.0.1:6969 hello.txt`
//! `echo Hi | cargo run -p tftp-smol --example smol_client -- put 127.0.0.1:6969 hi.txt`

use std::env;
use std::error::Error;
use std::io::{Read, Write, stdin, stdout};

use smol::io::AsyncReadExt;
use tftp_smol::Client;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [verb, server, name] = &args[..] else { return Err("usage: get|put HOST[:PORT] NAME".into()) };
    let client = Client::builder().block_size(1428).window_size(16).build();
    let report = match verb.as_str() {
        "get" => {
            let mut download = client.get(server, name).await?;
            let total = download.size();
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = download.read(&mut buffer).await?;
                if count == 0 {
                    break;
                }
                stdout().write_all(&buffer[..count])?;
                eprint!("\r{} of {total:?} bytes", download.transferred());
            }
            // The server may not have got the last acknowledgement.
            download.finish().await?
        }
        "put" => {
            let mut data = Vec::new();
            stdin().read_to_end(&mut data)?;
            let size = data.len() as u64;
            let put = client.put(server, name, &data[..], Some(size));
            put.progress(|done, total| eprint!("\r{done} of {total:?} bytes")).await?
        }
        _ => return Err("neither get nor put".into()),
    };
    eprintln!("\n{} bytes in {:?}", report.bytes, report.duration);
    Ok(())
}
