//! Our client with other people's servers.

use tempfile::tempdir;

use crate::support::{Client, Foreign, Program, content, same, same_soon};

const SIZES: [usize; 8] = [0, 1, 511, 512, 513, 1428, 22_848, 1 << 20];

/// As it comes, without options, with options at their ends, and lock-step in large blocks.
const SETTINGS: [Client; 5] = [
    Client::OURS,
    Client::OURS_PLAIN,
    Client::OURS.block(8).window(64),
    Client::OURS.block(65_464).window(1),
    Client::OURS.block(512).window(64),
];

fn downloads(program: Program) {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let Some(server) = Foreign::start(program, root.path()) else { return };
    for (number, client) in SETTINGS.into_iter().enumerate() {
        for size in SIZES {
            let (name, bytes) = (format!("file-{number}-{size}"), content(size as u64, size));
            std::fs::write(root.path().join(&name), &bytes).unwrap();
            let local = here.path().join(&name);
            client.download(server.address(), &name, &local);
            same(&local, &bytes).unwrap();
        }
    }
}

fn uploads(program: Program) {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let Some(server) = Foreign::start(program, root.path()) else { return };
    for (number, client) in SETTINGS.into_iter().enumerate() {
        for size in SIZES {
            let (name, bytes) = (format!("file-{number}-{size}"), content(size as u64, size));
            let local = here.path().join(&name);
            std::fs::write(&local, &bytes).unwrap();
            client.upload(server.address(), &local, &name);
            same_soon(&root.path().join(&name), &bytes);
        }
    }
}

fn beyond_65535_blocks(program: Program, client: Client, up: bool) {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let Some(server) = Foreign::start(program, root.path()) else { return };
    let bytes = content(65_536, 65_536 * client.block_size() + 3);
    let (stored, local) = (root.path().join("big"), here.path().join("big"));
    if up {
        std::fs::write(&local, &bytes).unwrap();
        client.upload(server.address(), &local, "big");
        same_soon(&stored, &bytes);
    } else {
        std::fs::write(&stored, &bytes).unwrap();
        client.download(server.address(), "big", &local);
        same(&local, &bytes).unwrap();
    }
}

#[test]
fn get_from_tftpd_hpa() {
    downloads(Program::TftpdHpa);
}

#[test]
fn put_to_tftpd_hpa() {
    uploads(Program::TftpdHpa);
}

#[test]
fn get_more_than_65535_blocks_from_tftpd_hpa() {
    beyond_65535_blocks(Program::TftpdHpa, Client::OURS.block(16), false);
}

#[test]
fn put_more_than_65535_blocks_to_tftpd_hpa() {
    beyond_65535_blocks(Program::TftpdHpa, Client::OURS_PLAIN, true);
}

#[test]
fn get_from_atftpd() {
    downloads(Program::Atftpd);
}

#[test]
fn put_to_atftpd() {
    uploads(Program::Atftpd);
}

#[test]
fn get_more_than_65535_blocks_from_atftpd() {
    beyond_65535_blocks(Program::Atftpd, Client::OURS_PLAIN, false);
}

#[test]
fn put_more_than_65535_blocks_to_atftpd() {
    beyond_65535_blocks(Program::Atftpd, Client::OURS.block(32), true);
}

// dnsmasq is read-only.
#[test]
fn get_from_dnsmasq() {
    downloads(Program::Dnsmasq);
}

#[test]
fn get_more_than_65535_blocks_from_dnsmasq() {
    beyond_65535_blocks(Program::Dnsmasq, Client::OURS.block(512), false);
}
