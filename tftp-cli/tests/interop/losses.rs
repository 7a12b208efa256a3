//! The three losses that TFTPs get wrong: of the OACK, of the first ACK, of the last ACK. Each one in both directions,
//! by our server with every client, and by our client with every server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::support::{Client, Foreign, Ports, Program, Relay, Running, Serve, Side, content, same, same_soon};

/// Blocks in a file; the last one is short.
const BLOCKS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Get,
    Put,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The first packet that the server sends: the OACK, or DATA 1 or ACK 0 where there is none.
    FirstAnswer,
    /// The first ACK, whoever sends it and whatever it acknowledges.
    FirstAck,
    /// The ACK of the last block.
    FinalAck,
    /// Both ACKs.
    FirstAndFinalAck,
}

impl Loss {
    /// Drops the one datagram that is meant.
    fn rule(self, way: Way) -> impl FnMut(Side, &[u8]) -> bool + Send + 'static {
        let acks = if way == Way::Get { Side::ToServer } else { Side::ToClient };
        let last = (BLOCKS as u16).to_be_bytes();
        let mut left = self.count();
        move |side, bytes| {
            let is_final = matches!(bytes, [0, 4, a, b] if [*a, *b] == last);
            let meant = match self {
                Self::FirstAnswer => side == Side::ToClient,
                Self::FirstAck => side == acks && matches!(bytes, [0, 4, ..]),
                Self::FinalAck => side == acks && is_final,
                Self::FirstAndFinalAck => side == acks && matches!(bytes, [0, 4, ..]) && (left == 2 || is_final),
            };
            let lost = meant && left > 0;
            left -= usize::from(lost);
            !lost
        }
    }

    /// Datagrams lost.
    const fn count(self) -> usize {
        match self {
            Self::FirstAnswer | Self::FirstAck | Self::FinalAck => 1,
            Self::FirstAndFinalAck => 2,
        }
    }
}

fn file(client: Client) -> Vec<u8> {
    content(BLOCKS as u64, (BLOCKS - 1) * client.block_size() + 7)
}

/// One transfer through a relay that loses one datagram. Returns what must be in the server's directory afterwards.
fn transfer(client: Client, server: SocketAddr, root: &Path, way: Way, loss: Loss) -> (PathBuf, Vec<u8>) {
    let here = tempdir().unwrap();
    let bytes = file(client);
    let name = format!("{way:?}-{loss:?}");
    let (stored, local) = (root.join(&name), here.path().join(&name));
    let relay = Relay::start(server, loss.rule(way));
    match way {
        Way::Get => {
            std::fs::write(&stored, &bytes).unwrap();
            client.download(relay.address(), &name, &local);
            same(&local, &bytes).unwrap();
        }
        Way::Put => {
            std::fs::write(&local, &bytes).unwrap();
            client.upload(relay.address(), &local, &name);
        }
    }
    assert_eq!(relay.dropped(), loss.count(), "{client:?} {way:?} {loss:?}");
    (stored, bytes)
}

/// What no server could help: with tftpd-hpa, both do the same.
fn client_cannot(client: Client, way: Way, loss: Loss) -> bool {
    match (way, loss) {
        // atftp aborts ("unexpected OACK") when an OACK is repeated, and nothing else can be done about a lost ACK 0.
        (Way::Get, Loss::FirstAck) => client == Client::ATFTP_WINDOW,
        // curl does not repeat the last block. `curl_without_the_last_ack` looks at what is left.
        (Way::Put, Loss::FinalAck) => client == Client::CURL || client == Client::CURL_PLAIN,
        _ => false,
    }
}

fn our_server(client: Client, way: Way) {
    let Some(client) = client.installed() else { return };
    let root = tempdir().unwrap();
    // Real clients do not wait for a repeated last block: the server must come to its end without them.
    let server = Serve::directory(Ports::Random, root.path(), &["--give-up-after", "5s"]);
    for loss in [Loss::FirstAnswer, Loss::FirstAck, Loss::FinalAck] {
        if !client_cannot(client, way, loss) {
            let (stored, bytes) = transfer(client, server.address(), root.path(), way, loss);
            same(&stored, &bytes).unwrap();
        }
    }
    server.assert_drains();
}

fn our_client(program: Program, losses: &[(Way, Loss)]) {
    let root = tempdir().unwrap();
    let Some(server) = Foreign::start(program, root.path()) else { return };
    for client in [Client::OURS, Client::OURS_PLAIN] {
        for (way, loss) in losses {
            let (stored, bytes) = transfer(client, server.address(), root.path(), *way, *loss);
            same_soon(&stored, &bytes);
            std::fs::remove_file(stored).unwrap();
        }
    }
}

macro_rules! losses {
    ($($name:ident: $client:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn get() {
                our_server($client, Way::Get);
            }

            #[test]
            fn put() {
                our_server($client, Way::Put);
            }
        }
    )*};
}

losses! {
    tftp_hpa: Client::TFTP_HPA;
    atftp: Client::ATFTP;
    atftp_window: Client::ATFTP_WINDOW;
    curl_plain: Client::CURL_PLAIN;
    curl: Client::CURL;
    busybox: Client::BUSYBOX;
    busybox_blocks: Client::BUSYBOX_BLOCKS;
    ours_plain: Client::OURS_PLAIN;
    ours: Client::OURS;
}

const GETS: [(Way, Loss); 3] = [(Way::Get, Loss::FirstAnswer), (Way::Get, Loss::FirstAck), (Way::Get, Loss::FinalAck)];

const PUTS: [(Way, Loss); 3] = [(Way::Put, Loss::FirstAnswer), (Way::Put, Loss::FirstAck), (Way::Put, Loss::FinalAck)];

#[test]
fn our_client_with_tftpd_hpa() {
    our_client(Program::TftpdHpa, &[GETS, PUTS].concat());
}

#[test]
fn our_client_with_atftpd() {
    our_client(Program::Atftpd, &[&GETS[..], &PUTS[..2]].concat());
}

#[test]
fn our_client_with_dnsmasq() {
    our_client(Program::Dnsmasq, &GETS);
}

/// atftpd does not dally: nobody repeats its last ACK. The file is there, and our client says that it does not know:
/// "unconfirmed" if only the last block lacks its ACK, a timeout if a window does.
#[test]
fn our_client_without_the_last_ack_of_atftpd() {
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let Some(server) = Foreign::start(Program::Atftpd, root.path()) else { return };
    for (client, code) in [(Client::OURS_PLAIN, 9), (Client::OURS, 5)] {
        let (name, bytes) = (format!("file-{code}"), file(client));
        let local = here.path().join(&name);
        std::fs::write(&local, &bytes).unwrap();
        let relay = Relay::start(server.address(), Loss::FinalAck.rule(Way::Put));
        let mut command = client.put(relay.address(), &local, &name);
        let finished = Running::start(command.args(["--give-up-after", "2s"])).finish();
        assert_eq!(finished.status.code(), Some(code), "{}", finished.stderr);
        same_soon(&root.path().join(&name), &bytes);
    }
}

/// Where something was lost, a client of ours stays until the server has its last ACK, so the server knows that the file
/// arrived.
#[test]
fn our_client_answers_a_repeated_last_block() {
    let root = tempdir().unwrap();
    let mut server = Serve::directory(Ports::Random, root.path(), &[]);
    transfer(Client::OURS, server.address(), root.path(), Way::Get, Loss::FirstAndFinalAck);
    server.wait_for_log(&["Get-FirstAndFinalAck", "outcome=completed"]);
    server.assert_drains();
}

/// curl waits for the last ACK, and never asks for it. The file arrived all the same.
#[test]
fn curl_without_the_last_ack() {
    let Some(client) = Client::CURL.installed() else { return };
    let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Serve::directory(Ports::Random, root.path(), &[]);
    let (bytes, local) = (file(client), here.path().join("file"));
    std::fs::write(&local, &bytes).unwrap();
    let relay = Relay::start(server.address(), Loss::FinalAck.rule(Way::Put));
    // It calls that a success when its time is over.
    Running::start(client.put(relay.address(), &local, "file").args(["--max-time", "3"])).finish();
    assert_eq!(relay.dropped(), 1);
    same(&root.path().join("file"), &bytes).unwrap();
    server.assert_drains();
}

/// Every eighth datagram of either direction is lost, whatever it is.
#[test]
fn steady_loss_both_ways() {
    for ports in [Ports::Random, Ports::Single] {
        let (root, here) = (tempdir().unwrap(), tempdir().unwrap());
        let server = Serve::directory(ports, root.path(), &["--timeout", "100ms"]);
        let bytes = content(8, 60_000);
        let local = here.path().join("file");
        for client in [Client::OURS, Client::OURS_PLAIN] {
            let mut count = 0;
            let relay = Relay::start(server.address(), move |_, _| {
                count += 1;
                count % 8 != 0
            });
            std::fs::write(&local, &bytes).unwrap();
            client.upload(relay.address(), &local, "file");
            same(&root.path().join("file"), &bytes).unwrap();
            client.download(relay.address(), "file", &local);
            same(&local, &bytes).unwrap();
            assert!(relay.dropped() > 5, "{} lost", relay.dropped());
            std::fs::remove_file(root.path().join("file")).unwrap();
        }
        server.assert_drains();
    }
}
