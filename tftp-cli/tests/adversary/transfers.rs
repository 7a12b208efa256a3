//! Honest transfers in lock-step, which repeat what was lost, and which a test can hold up between any two packets.

use std::net::SocketAddr;

use crate::peer::{Peer, ack, block, data, error_code, rrq, wrq};

const BLOCK: usize = 512;

/// A download that goes on by one block at a time.
pub(crate) struct Download {
    pub(crate) peer: Peer,
    /// The server's port for it.
    pub(crate) port: SocketAddr,
    pub(crate) bytes: Vec<u8>,
    last: u16,
    /// The last block has come and was acknowledged.
    pub(crate) done: bool,
}

impl Download {
    /// Asks, and has the first block, which is not acknowledged yet.
    #[track_caller]
    pub(crate) fn start(server: SocketAddr, name: &str) -> Self {
        Self::try_start(server, name).unwrap()
    }

    /// `Err` is the code of an ERROR.
    pub(crate) fn try_start(server: SocketAddr, name: &str) -> Result<Self, u16> {
        let peer = Peer::new(server);
        let request = rrq(name.as_bytes(), &[]);
        peer.say(&request);
        let (answer, port) = peer.insist(|| peer.say(&request));
        if let Some(code) = error_code(&answer) {
            return Err(code);
        }
        let (number, payload) = block(&answer).unwrap_or_else(|| panic!("no DATA: {answer:?}"));
        assert_eq!(number, 1);
        Ok(Self { bytes: payload.to_vec(), peer, port, last: 1, done: false })
    }

    /// Acknowledges what it has and gets the next block. `Err` is the code of an ERROR.
    pub(crate) fn step(&mut self) -> Result<(), u16> {
        let reply = ack(self.last);
        self.peer.tell(self.port, &reply);
        if self.bytes.len() < usize::from(self.last) * BLOCK {
            self.done = true;
            return Ok(());
        }
        loop {
            let (answer, from) = self.peer.insist(|| self.peer.tell(self.port, &reply));
            assert_eq!(from, self.port, "an answer from another port");
            if let Some(code) = error_code(&answer) {
                return Err(code);
            }
            let (number, payload) = block(&answer).unwrap_or_else(|| panic!("no DATA: {answer:?}"));
            // One that was on its way twice.
            if number <= self.last {
                continue;
            }
            self.last += 1;
            assert_eq!(number, self.last);
            self.bytes.extend_from_slice(payload);
            return Ok(());
        }
    }

    /// So many blocks more.
    pub(crate) fn steps(mut self, count: usize) -> Self {
        for _ in 0..count {
            self.step().unwrap();
        }
        self
    }

    /// All the rest.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, u16> {
        while !self.done {
            self.step()?;
        }
        Ok(self.bytes)
    }
}

/// An upload that goes on by one block at a time.
pub(crate) struct Upload {
    pub(crate) peer: Peer,
    pub(crate) port: SocketAddr,
    bytes: Vec<u8>,
    /// The block that was acknowledged last.
    acked: u16,
}

impl Upload {
    /// Asks, and has ACK 0. `Err` is the code of an ERROR.
    pub(crate) fn start(server: SocketAddr, name: &str, bytes: &[u8]) -> Result<Self, u16> {
        let peer = Peer::new(server);
        let request = wrq(name.as_bytes(), &[]);
        peer.say(&request);
        let (answer, port) = peer.insist(|| peer.say(&request));
        match error_code(&answer) {
            Some(code) => Err(code),
            None => {
                assert_eq!(answer, ack(0));
                Ok(Self { peer, port, bytes: bytes.to_vec(), acked: 0 })
            }
        }
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> u16 {
        u16::try_from(self.bytes.len() / BLOCK + 1).expect("a file of few blocks")
    }

    /// Sends the next block, and does not wait for the answer.
    pub(crate) fn send(&self) {
        let start = usize::from(self.acked) * BLOCK;
        let end = self.bytes.len().min(start + BLOCK);
        self.peer.tell(self.port, &data(self.acked + 1, &self.bytes[start..end]));
    }

    /// Waits for the ACK of what [`Self::send`] sent.
    pub(crate) fn acknowledged(&mut self) -> Result<(), u16> {
        loop {
            let (answer, _) = self.peer.insist(|| self.send());
            if let Some(code) = error_code(&answer) {
                return Err(code);
            }
            if answer == ack(self.acked + 1) {
                self.acked += 1;
                return Ok(());
            }
            assert!((0..=self.acked).any(|old| answer == ack(old)), "neither this ACK nor an older one: {answer:?}");
        }
    }

    /// So many blocks more.
    pub(crate) fn steps(mut self, count: u16) -> Self {
        for _ in 0..count {
            self.send();
            self.acknowledged().unwrap();
        }
        self
    }

    /// All but the last block.
    pub(crate) fn all_but_the_last(self) -> Self {
        let left = self.blocks() - 1 - self.acked;
        self.steps(left)
    }

    /// All the rest.
    pub(crate) fn finish(mut self) -> Result<(), u16> {
        while self.acked < self.blocks() {
            self.send();
            self.acknowledged()?;
        }
        Ok(())
    }
}

/// A whole download.
pub(crate) fn download(server: SocketAddr, name: &str) -> Result<Vec<u8>, u16> {
    Download::try_start(server, name)?.finish()
}

/// A whole upload.
pub(crate) fn upload(server: SocketAddr, name: &str, bytes: &[u8]) -> Result<(), u16> {
    Upload::start(server, name, bytes)?.finish()
}

/// The server takes and gives files as if nothing had been. It must have a writable directory.
#[track_caller]
pub(crate) fn assert_serves(server: SocketAddr) {
    let name = format!("alive-{}", Peer::new(server).address().port());
    let bytes = crate::support::content(u64::from(server.port()), 3 * BLOCK + 7);
    upload(server, &name, &bytes).unwrap();
    assert!(download(server, &name).unwrap() == bytes);
}
