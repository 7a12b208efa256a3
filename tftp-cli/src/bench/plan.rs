//! What to do, shared by all threads.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tftp_proto::client::Asking;
use tftp_proto::config::Timing;
use tftp_proto::wire::{Direction, Mode, Options};

use super::args::BenchArgs;

/// Uploads repeat this many bytes.
const PERIOD: usize = 1 << 20;
/// The longest read of an upload, in bytes: a block may be that long.
const MAX_READ: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) server: SocketAddr,
    pub(super) local: SocketAddr,
    name: Vec<u8>,
    pub(super) asking: Asking,
    pub(super) clients: u32,
    pub(super) threads: usize,
    pub(super) upload: Option<Upload>,
    pub(super) loss: f64,
    pub(super) offload: bool,
    pub(super) verify: bool,
    pub(super) spread: Duration,
    requests: Option<u64>,
    duration: Option<Duration>,
    next: AtomicU64,
    stop: AtomicBool,
}

/// What is uploaded: the same to each name.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) size: u64,
    content: Bytes,
}

impl Upload {
    fn new(size: u64) -> Self {
        let mut content = vec![0; PERIOD + MAX_READ];
        let (period, rest) = content.split_at_mut(PERIOD);
        // Any seed will do, but each run sends the same.
        fastrand::Rng::with_seed(69).fill(period);
        rest.copy_from_slice(period.get(..MAX_READ).unwrap_or_default());
        Self { size, content: content.into() }
    }

    /// The bytes at `offset`, as many as asked unless the end comes first. `len` is at most 65,536.
    pub(super) fn read(&self, offset: u64, len: usize) -> Bytes {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let start = (offset % PERIOD as u64) as usize;
        self.content.slice(start..start + len.min(left).min(MAX_READ))
    }
}

impl Plan {
    pub(super) fn new(args: &BenchArgs, server: SocketAddr, name: Vec<u8>) -> Self {
        let window_size = (args.window_size > 1).then_some(args.window_size);
        let default = Timing::default();
        let timing = Timing {
            initial_timeout: args.timeout,
            min_timeout: if args.fixed_timeout { args.timeout } else { default.min_timeout.min(args.timeout) },
            max_timeout: default.max_timeout.max(args.timeout),
            give_up_after: args.give_up_after,
            unproved_retries: args.retries,
            ..default
        };
        let options = Options {
            // 512 is what a server does anyway.
            block_size: (args.block_size != 512).then_some(args.block_size),
            window_size,
            transfer_size: args.put,
            ..Options::NONE
        };
        let direction = if args.put.is_some() { Direction::Write } else { Direction::Read };
        let any = SocketAddr::new(if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = args.threads.unwrap_or(processors.div_ceil(2));
        let clients = args
            .requests
            .map_or(args.clients, |most| u32::try_from(most).map_or(args.clients, |most| most.min(args.clients)))
            .max(1);
        Self {
            server,
            local: args.local_address.unwrap_or(any),
            name: if args.put.is_some() { unique(name) } else { name },
            asking: Asking { direction, mode: Mode::Octet, options, fall_back: true, timing },
            clients,
            threads: threads.min(clients as usize).max(1),
            upload: args.put.map(Upload::new),
            loss: args.loss,
            offload: !args.no_offload,
            verify: args.verify.is_some(),
            spread: args.spread.unwrap_or_default(),
            requests: match (args.requests, args.duration) {
                (None, None) => Some(args.clients.into()),
                (requests, _) => requests,
            },
            duration: args.duration,
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// The name on the server for a transfer.
    pub(super) fn name(&self, client: u32, transfer: u64) -> Vec<u8> {
        let name = replace(&self.name, b"{client}", client.into());
        replace(&name, b"{transfer}", transfer)
    }

    /// The number of the next transfer, if there is to be another one. `elapsed` is the time since the start.
    pub(super) fn next(&self, elapsed: Duration) -> Option<u64> {
        if self.is_stopped() || self.duration.is_some_and(|duration| elapsed >= duration) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.requests.is_none_or(|requests| number < requests).then_some(number)
    }

    /// What there will be in all, if that is known.
    pub(super) const fn requests(&self) -> Option<u64> {
        self.requests
    }

    /// Ends everything, transfers under way too.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Bytes that a window may hold, headers and all.
    pub(super) fn window_bytes(&self) -> usize {
        let block = usize::from(self.asking.options.block_size.unwrap_or(512)) + 4;
        block * usize::from(self.asking.options.window_size.unwrap_or(1))
    }
}

/// A server takes one writer per name.
fn unique(mut name: Vec<u8>) -> Vec<u8> {
    let has = |pattern: &[u8]| name.windows(pattern.len()).any(|part| part == pattern);
    if !has(b"{transfer}") && !has(b"{client}") {
        name.extend_from_slice(b"{transfer}");
    }
    name
}

fn replace(name: &[u8], pattern: &[u8], number: u64) -> Vec<u8> {
    let mut made = Vec::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some(first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(pattern) {
            made.extend_from_slice(number.to_string().as_bytes());
            rest = behind;
        } else {
            made.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_the_numbers_of_client_and_transfer() {
        assert_eq!(replace(b"a{transfer}b{transfer}", b"{transfer}", 12), b"a12b12");
        assert_eq!(replace(b"{", b"{transfer}", 1), b"{");
        assert_eq!(unique(b"up".to_vec()), b"up{transfer}");
        assert_eq!(unique(b"up{client}".to_vec()), b"up{client}");
    }

    #[test]
    fn an_upload_is_the_same_however_it_is_read() {
        let upload = Upload::new((PERIOD + 1000) as u64);
        assert_eq!(upload.read(0, 100), upload.read(PERIOD as u64, 100));
        assert_eq!(upload.read(PERIOD as u64 - 5, 10).slice(5..), upload.read(PERIOD as u64, 5));
        assert_eq!(upload.read(upload.size - 3, 100).len(), 3);
        assert!(upload.read(upload.size, 100).is_empty());
        assert_eq!(upload.read(0, 65_464).len(), 65_464);
    }
}
