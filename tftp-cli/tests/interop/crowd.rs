//! Many real clients at once, each with a file of its own.

use std::path::PathBuf;

use tempfile::tempdir;

use crate::support::{Client, Ports, Running, Serve, content, same};

/// Transfers at the same time; half of them up, half down.
const CROWD: usize = 200;

/// A transfer under way, and where its bytes must arrive.
struct Transfer {
    client: Client,
    process: Running,
    target: PathBuf,
    bytes: Vec<u8>,
}

fn crowd(ports: Ports) {
    let clients: Vec<Client> = Client::ALL.into_iter().filter_map(Client::installed).collect();
    // Busybox lets the system give one port to two of its processes (SO_REUSEADDR), which among many happens.
    let many: Vec<Client> = clients.iter().copied().filter(|client| !client.is_busybox()).collect();
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    // A client that waits for the processor has lost nothing, and atftp takes no second OACK.
    let server = Serve::directory(ports, root.path(), &["--timeout", "20s"]);
    // All files first, so that the clients start as close together as they can.
    let prepared: Vec<_> = (0..CROWD)
        .map(|number| {
            let name = format!("file-{number}");
            let bytes = content(number as u64, 40_000 + number * 997);
            let (stored, local) = (root.path().join(&name), here.path().join(&name));
            let down = number % 2 == 0;
            std::fs::write(if down { &stored } else { &local }, &bytes).unwrap();
            // Both directions for every client: the pairs 0-1, 2-3, … share one.
            let pair = number / 2;
            let client = clients.get(pair).copied().unwrap_or_else(|| many[pair % many.len()]);
            (client, down, name, stored, local, bytes)
        })
        .collect();
    let transfers: Vec<Transfer> = prepared
        .into_iter()
        .map(|(client, down, name, stored, local, bytes)| {
            let (mut command, target) = if down {
                (client.get(server.address(), &name, &local), local)
            } else {
                (client.put(server.address(), &local, &name), stored)
            };
            Transfer { client, process: Running::start(&mut command), target, bytes }
        })
        .collect();
    for Transfer { client, process, target, bytes } in transfers {
        let finished = process.finish();
        assert!(finished.status.success(), "{client:?} {finished:?}\n{}", server.log());
        same(&target, &bytes).unwrap_or_else(|error| panic!("{client:?}: {error}\n{}", server.log()));
    }
    server.assert_drains();
}

#[test]
fn two_hundred_transfers_on_random_ports() {
    crowd(Ports::Random);
}

#[test]
fn two_hundred_transfers_on_a_port_range() {
    crowd(Ports::Range);
}

#[test]
fn two_hundred_transfers_on_a_single_port() {
    crowd(Ports::Single);
}
