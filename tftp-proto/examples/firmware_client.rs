//! A client as firmware has it: one transfer, fixed buffers, no allocator. A socket of std stands in for the network.
//!
//! ```sh
//! cargo run -p tftp-proto --no-default-features --example firmware_client 127.0.0.1:6969 boot.img > boot.img
//! ```

use std::error::Error;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant as Clock};

use tftp_proto::Instant;
use tftp_proto::client::Asking;
use tftp_proto::config::Timing;
use tftp_proto::transfer::{Ending, Progress, Receiver, Transfer, TransferAction};
use tftp_proto::wire::{Direction, Mode, Options, Packet, Repr};

/// A full block and its header, and at least 512 bytes for everything else.
const BUFFER: usize = 1428 + 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(server), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: firmware_client ADDRESS:PORT NAME > FILE".into());
    };
    let server: SocketAddr = server.parse()?;
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any)?;
    let ending = get(&socket, server, name.as_bytes(), &mut io::stdout().lock())?;
    match ending {
        Ending::Completed => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Fetches a file and writes it to what stands for the flash.
fn get(
    socket: &UdpSocket,
    server: SocketAddr,
    filename: &[u8],
    flash: &mut impl io::Write,
) -> Result<Ending, Box<dyn Error>> {
    let start = Clock::now();
    // A counter of the hardware does as well; it has to run on, that is all.
    let now = || Instant::from_micros(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    let (direction, mode, timing) = (Direction::Read, Mode::Octet, Timing::default());
    let options = Options { block_size: Some(1428), ..Options::NONE };
    let asking = Asking { direction, mode, options, fall_back: true, timing };
    // The seed spreads retries of many devices: give each its own, such as its serial number.
    let seed = u64::from(std::process::id());
    let mut transfer = Transfer::<&[u8]>::ask(now(), asking, 0, seed);
    let (mut out, mut input) = ([0; BUFFER], [0; BUFFER + 1]);
    // The port of the server's answers, once it has answered.
    let mut peer = None;
    let mut is_whole = false;
    loop {
        let deadline = match transfer.poll(now(), &mut out) {
            TransferAction::Request(options) => {
                let len = Repr::Request { direction, filename, mode, options }.emit(&mut out)?;
                socket.send_to(&out[..len], server)?;
                continue;
            }
            TransferAction::Transmit { len, .. } => {
                socket.send_to(&out[..len], peer.unwrap_or(server))?;
                continue;
            }
            TransferAction::Ended(ending) => return Ok(ending),
            TransferAction::Wait(deadline) => deadline,
            TransferAction::Read { .. } => return Err("a download reads nothing".into()),
        };
        // What matters is done. To wait for `Ended` takes 12 s, for a server that may not have got the last ACK.
        let enough = transfer.receiver().and_then(Receiver::dally).map(|dally| dally.enough());
        if is_whole && enough.is_some_and(|enough| enough <= now()) {
            return Ok(Ending::Completed);
        }
        let until = [deadline, enough].into_iter().flatten().min();
        let wait = until.map(|until| until.saturating_since(now()).max(Duration::from_millis(1)));
        socket.set_read_timeout(wait)?;
        match socket.recv_from(&mut input) {
            Ok((len, from)) => {
                // Any port of the server while it is asked; then the one that it has answered from.
                let fits = match peer {
                    Some(peer) => from == peer,
                    None => from.ip() == server.ip(),
                };
                if let (true, Ok(packet)) = (fits, Packet::parse(&input[..len])) {
                    let progress = transfer.handle_packet(now(), &packet);
                    peer = if transfer.is_asking() { None } else { Some(peer.unwrap_or(from)) };
                    if let Progress::Data { payload, last } = progress {
                        flash.write_all(payload)?;
                        if last {
                            flash.flush()?;
                            is_whole = true;
                            transfer.committed(now());
                        }
                    }
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            // Some systems tell what comes back from a port that nobody has; the next attempt may be luckier.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => return Err(error.into()),
        }
        transfer.handle_timeout(now());
    }
}
