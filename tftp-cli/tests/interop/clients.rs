//! Each client: down and up, the sizes at the edges, every way to answer, memory and disk.

use tempfile::tempdir;

use crate::support::{Client, Ports, Serve, content, same};

/// Around one block of 512, and far beyond.
const SIZES: [usize; 6] = [0, 1, 511, 512, 513, 1 << 20];

fn round_trips_on_disk(client: Client, ports: Ports) {
    let Some(client) = client.installed() else { return };
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Serve::directory(ports, root.path(), &[]);
    for size in SIZES {
        let (name, bytes) = (format!("down-{size}"), content(size as u64, size));
        std::fs::write(root.path().join(&name), &bytes).unwrap();
        let local = here.path().join(&name);
        client.download(server.address(), &name, &local);
        same(&local, &bytes).unwrap();

        let (name, bytes) = (format!("up-{size}"), content(!(size as u64), size));
        let local = here.path().join(&name);
        std::fs::write(&local, &bytes).unwrap();
        client.upload(server.address(), &local, &name);
        same(&root.path().join(&name), &bytes).unwrap();
    }
    server.assert_drains();
}

fn round_trips_in_memory(client: Client) {
    let Some(client) = client.installed() else { return };
    let here = tempdir().unwrap();
    let server = Serve::start(Ports::Random, &["memory:"]);
    for size in SIZES {
        let (name, bytes) = (format!("file-{size}"), content(size as u64, size));
        let (local, back) = (here.path().join(&name), here.path().join("back"));
        std::fs::write(&local, &bytes).unwrap();
        client.upload(server.address(), &local, &name);
        client.download(server.address(), &name, &back);
        same(&back, &bytes).unwrap();
    }
    server.assert_drains();
}

/// One file of more blocks than a block number can count.
fn beyond_65535_blocks(client: Client, ports: Ports) {
    let Some(client) = client.installed() else { return };
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = content(65_536, 65_536 * client.block_size() + 3);
    let (stored, local) = (root.path().join("big"), here.path().join("big"));
    std::fs::write(&stored, &bytes).unwrap();
    let server = Serve::directory(ports, root.path(), &[]);
    client.download(server.address(), "big", &local);
    same(&local, &bytes).unwrap();
    client.upload(server.address(), &local, "copy");
    same(&root.path().join("copy"), &bytes).unwrap();
    server.assert_drains();
}

macro_rules! suite {
    ($($name:ident: $client:expr, beyond $beyond:expr, through $beyond_ports:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn random_ports() {
                round_trips_on_disk($client, Ports::Random);
            }

            #[test]
            fn port_range() {
                round_trips_on_disk($client, Ports::Range);
            }

            #[test]
            fn single_port() {
                round_trips_on_disk($client, Ports::Single);
            }

            #[test]
            fn memory() {
                round_trips_in_memory($client);
            }

            #[test]
            fn more_than_65535_blocks() {
                beyond_65535_blocks($beyond, Ports::$beyond_ports);
            }
        }
    )*};
}

// Small blocks keep files of 65,536 blocks small where the client can ask for them. Busybox refuses block sizes that its
// request itself would not fit into.
suite! {
    tftp_hpa: Client::TFTP_HPA, beyond Client::TFTP_HPA, through Random;
    atftp: Client::ATFTP, beyond Client::ATFTP, through Range;
    atftp_window: Client::ATFTP_WINDOW, beyond Client::ATFTP_WINDOW.block(64), through Single;
    curl_plain: Client::CURL_PLAIN, beyond Client::CURL_PLAIN, through Single;
    curl: Client::CURL, beyond Client::CURL.block(8), through Range;
    curl_blocks: Client::CURL_BLOCKS, beyond Client::CURL_BLOCKS.block(1024), through Random;
    busybox: Client::BUSYBOX, beyond Client::BUSYBOX, through Random;
    busybox_blocks: Client::BUSYBOX_BLOCKS, beyond Client::BUSYBOX_BLOCKS.block(256), through Single;
    ours_plain: Client::OURS_PLAIN, beyond Client::OURS_PLAIN, through Range;
    ours: Client::OURS, beyond Client::OURS.block(8), through Random;
}
