//! A server with a back end of one's own: the files of a tar archive. `docs/storage.md` takes you through it.
//!
//! `tar -cf boot.tar -C /srv/tftp .`, `cargo run -p tftp-tokio --example tokio_archive boot.tar`, and then for instance
//! `curl tftp://127.0.0.1:6969/pxelinux.0`.

#[cfg(unix)]
#[path = "../../tftp-driver/examples/support/archive.rs"]
mod archive;

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("which archive? tokio_archive FILE.tar")?;
    let server = tftp_tokio::Server::builder()
        .listen("127.0.0.1:6969".parse()?)
        .storage(archive::Archive::open(path)?)
        .on_event(|event| println!("{event}"))
        .bind()?;
    Ok(server.await?)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example reads by position as Unix does");
}
