//! Settings of a client.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use tftp_proto::config::{MAX_WINDOW, Timing};
use tftp_proto::wire::{MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, Mode, Options};

/// Settings of a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The options to ask for. Of `transfer_size` only matters whether it is there: the number is filled in. Default:
    /// blocks of 1428 bytes, which no usual network splits, windows of 16 blocks, and the size.
    pub options: Options,
    /// Octet (the default) or netascii.
    pub mode: Mode,
    /// When to send again and when to give up. `unproved_retries` counts the repeats of the request at each address of
    /// the server.
    pub timing: Timing,
    /// Whether to ask again without options after ERROR 8 (RFC 2347). Default: yes.
    pub fall_back: bool,
    /// Whether answers from another IP address than the one asked are accepted. Default: no.
    pub accept_any_source: bool,
    /// The address to send from. Port 0 lets the system choose. Default: all is the system's choice.
    pub local_addr: Option<SocketAddr>,
    /// The largest file accepted by a get, in bytes. Default 2⁶³−1.
    pub max_size: u64,
    /// The bytes of a download that are handed on at once, at least, but for the last; of one that fails, those that were
    /// gathered so far are lost. Default 1: everything that has come is there to be read. More is less work where a file
    /// is written.
    pub chunk_size: usize,
    /// Receive buffer to ask the system for, in bytes. Default 4 MiB; systems grant less.
    pub receive_buffer: usize,
    /// Whether blocks larger than the path's MTU leave in IP fragments. Default: yes.
    pub fragmentation: bool,
    /// Seed of everything random, for runs that can be repeated. Default: a random one.
    pub seed: Option<u64>,
    /// Whether the thread waits, past the runtime, for a server that answers within a millisecond (Linux and Android): a
    /// third of the system calls less, but nothing else runs on the thread for a millisecond at a time, and for two
    /// ticks of the system's clock (8 ms at 250 Hz, 20 at 100) whenever the server falls silent. Default: no.
    pub wait_in_place: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            options: Options { block_size: Some(1428), window_size: Some(16), transfer_size: Some(0), ..Options::NONE },
            mode: Mode::Octet,
            timing: Timing::default(),
            fall_back: true,
            accept_any_source: false,
            local_addr: None,
            max_size: i64::MAX as u64,
            chunk_size: 1,
            receive_buffer: 4 << 20,
            fragmentation: true,
            seed: None,
            wait_in_place: false,
        }
    }
}

/// Builds a client `C` from its settings.
#[must_use = "nothing happens before `build`"]
pub struct ClientBuilder<C> {
    config: ClientConfig,
    client: PhantomData<fn() -> C>,
}

impl<C: From<ClientConfig>> ClientBuilder<C> {
    /// The client.
    #[must_use]
    pub fn build(self) -> C {
        C::from(self.config)
    }
}

impl<C> ClientBuilder<C> {
    /// Asks for blocks of this many bytes, 8 to 65,464 (RFC 2348). What is outside becomes the nearest of these.
    pub fn block_size(mut self, bytes: u16) -> Self {
        self.config.options.block_size = Some(bytes.clamp(MIN_BLOCK_SIZE, MAX_BLOCK_SIZE));
        self
    }

    /// Asks for windows of this many blocks, 1 to 32,767 (RFC 7440). What is outside becomes the nearest of these.
    pub fn window_size(mut self, blocks: u16) -> Self {
        self.config.options.window_size = Some(blocks.clamp(1, MAX_WINDOW));
        self
    }

    /// Asks the server to use this retransmission timeout, in seconds, 1 to 255 (RFC 2349). 0 does not ask.
    ///
    /// It is not a deadline. For how long silence is borne see [`timing`](Self::timing); for all of a transfer use your
    /// runtime's own timeout around it.
    pub fn timeout(mut self, seconds: u8) -> Self {
        self.config.options.timeout = (seconds > 0).then_some(seconds);
        self
    }

    /// Asks for exactly these options; [`Options::NONE`] is plain RFC 1350. See [`ClientConfig::options`].
    pub fn options(mut self, options: Options) -> Self {
        self.config.options = options;
        self
    }

    /// Octet or netascii. See [`ClientConfig::mode`].
    pub fn mode(mut self, mode: Mode) -> Self {
        self.config.mode = mode;
        self
    }

    /// When to send again and when to give up. See [`ClientConfig::timing`].
    pub fn timing(mut self, timing: Timing) -> Self {
        self.config.timing = timing;
        self
    }

    /// Whether to ask again without options. See [`ClientConfig::fall_back`].
    pub fn fall_back(mut self, fall_back: bool) -> Self {
        self.config.fall_back = fall_back;
        self
    }

    /// Whether any address may answer. See [`ClientConfig::accept_any_source`].
    pub fn accept_any_source(mut self, accept: bool) -> Self {
        self.config.accept_any_source = accept;
        self
    }

    /// The address to send from. See [`ClientConfig::local_addr`].
    pub fn local_addr(mut self, address: SocketAddr) -> Self {
        self.config.local_addr = Some(address);
        self
    }

    /// The largest file accepted, in bytes. See [`ClientConfig::max_size`].
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.config.max_size = bytes;
        self
    }

    /// Hands downloads on in chunks of this many bytes or more. See [`ClientConfig::chunk_size`].
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.config.chunk_size = bytes;
        self
    }

    /// Receive buffer to ask for, in bytes. See [`ClientConfig::receive_buffer`].
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.config.receive_buffer = bytes;
        self
    }

    /// Whether large blocks leave in fragments. See [`ClientConfig::fragmentation`].
    pub fn fragmentation(mut self, allow: bool) -> Self {
        self.config.fragmentation = allow;
        self
    }

    /// Waits on the thread. See [`ClientConfig::wait_in_place`].
    pub fn wait_in_place(mut self, wait: bool) -> Self {
        self.config.wait_in_place = wait;
        self
    }

    /// Seed of everything random. See [`ClientConfig::seed`].
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }
}

impl<C> Default for ClientBuilder<C> {
    fn default() -> Self {
        Self { config: ClientConfig::default(), client: PhantomData }
    }
}

impl<C> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish()
    }
}
