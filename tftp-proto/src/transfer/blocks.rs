//! A file cut into blocks: where its sender stands in it, and from where it can go on after going back.

use super::chunks::{Chunks, Wanted};
use crate::negotiate::Parameters;
use crate::netascii::Encoder;
use crate::wire::{DATA_HEADER, Mode, write_data_header};

/// The blocks of a file, made one after the other from the chunks that are held of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Blocks<C> {
    chunks: Chunks<C>,
    cursor: Cursor,
    /// Where encoding can begin again after going back: at or before the oldest block that is not acknowledged.
    anchor: Cursor,
    /// The block that ends the file, once it was built.
    last: Option<u64>,
}

/// A place in the file at the start of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Cursor {
    block: u64,
    offset: u64,
    encoder: Encoder,
}

/// A read from the file: nothing before `keep` will be asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) keep: u64,
}

/// The blocks that may leave: up to the end of the next train, and of the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    pub(super) train_end: u64,
    pub(super) window_end: u64,
}

impl<C: AsRef<[u8]>> Blocks<C> {
    /// At the first block. `read_size` is the length of reads in bytes; it is raised to the block size if smaller.
    pub(super) fn new(parameters: &Parameters, read_size: usize) -> Self {
        //= rfc1350#section-4
        //# block numbers are consecutive and begin with one.
        let start = Cursor { block: 1, offset: 0, encoder: Encoder::default() };
        let chunks = Chunks::new(read_size.max(usize::from(parameters.block_size)));
        Self { chunks, cursor: start, anchor: start, last: None }
    }

    /// The block that is built next.
    pub(super) const fn next(&self) -> u64 {
        self.cursor.block
    }

    /// The block that ends the file, once it was built.
    pub(super) const fn last(&self) -> Option<u64> {
        self.last
    }

    /// The bytes of the file before the oldest block that is not acknowledged (for netascii: about as many).
    pub(super) const fn acknowledged(&self) -> u64 {
        self.anchor.offset
    }

    /// Where the file ends, in bytes, once a read has shown it.
    pub(super) const fn end(&self) -> Option<u64> {
        self.chunks.end()
    }

    /// Goes back, if need be, so that `block` comes next. `base` is the oldest block that is not acknowledged.
    pub(super) fn go_on_from(&mut self, parameters: &Parameters, base: u64, block: u64) {
        if self.cursor.block > block {
            self.cursor = self.anchor;
        }
        self.advance_anchor(parameters, base);
    }

    /// Goes back as far as to the anchor. What is not to be sent again is made by [`skip_to`](Self::skip_to).
    pub(super) const fn go_back(&mut self) {
        self.cursor = self.anchor;
    }

    /// After going back: makes once more what lies before `block`, in `scratch`, as far as its bytes are here.
    pub(super) fn skip_to(&mut self, parameters: &Parameters, base: u64, block: u64, scratch: &mut [u8]) {
        let segment = usize::from(parameters.block_size) + DATA_HEADER;
        while self.cursor.block < block {
            let Some(slot) = scratch.get_mut(..segment) else { return };
            if self.build(parameters, slot).is_none() {
                return;
            }
        }
        self.advance_anchor(parameters, base);
    }

    /// Moves the anchor up to the base, as far as that can be told without reading the file again.
    fn advance_anchor(&mut self, parameters: &Parameters, base: u64) {
        if self.cursor.block == base {
            self.anchor = self.cursor;
        } else if parameters.mode != Mode::Netascii && base > 0 {
            let offset = (base - 1) * u64::from(parameters.block_size);
            self.anchor = Cursor { block: base, offset, encoder: Encoder::default() };
            if self.cursor.block < base {
                self.cursor = self.anchor;
            }
        }
    }

    /// Writes the next block as a DATA packet, and says how long its payload is. `None`: the file's bytes are not here.
    pub(super) fn build(&mut self, parameters: &Parameters, slot: &mut [u8]) -> Option<usize> {
        let block_size = usize::from(parameters.block_size);
        let (header, payload) = slot.split_first_chunk_mut::<DATA_HEADER>()?;
        let pieces = self.chunks.view(self.cursor.offset, block_size)?;
        let mut written = 0;
        let mut taken = 0;
        for piece in pieces {
            let room = payload.get_mut(written..)?;
            //= rfc1123#section-4.2.4
            //# octet and netascii MUST both work
            if parameters.mode == Mode::Netascii {
                let (used, made) = self.cursor.encoder.encode(piece, room);
                taken += used;
                written += made;
            } else {
                let count = piece.len().min(room.len());
                room.get_mut(..count)?.copy_from_slice(piece.get(..count)?);
                taken += count;
                written += count;
            }
        }
        self.pass(parameters, header, written, taken);
        Some(written)
    }

    /// Writes the header of the next block, and says how long its payload is, which stays where it is. `None`: the file's
    /// bytes are not here. Not for netascii.
    pub(super) fn build_header(&mut self, parameters: &Parameters, header: &mut [u8; DATA_HEADER]) -> Option<usize> {
        let block_size = usize::from(parameters.block_size);
        let held: usize = self.chunks.view(self.cursor.offset, block_size)?.iter().map(|piece| piece.len()).sum();
        let len = held.min(block_size);
        self.pass(parameters, header, len, len);
        Some(len)
    }

    /// Ends the block that is being built: `written` bytes long, made of `taken` bytes of the file.
    fn pass(&mut self, parameters: &Parameters, header: &mut [u8; DATA_HEADER], written: usize, taken: usize) {
        write_data_header(header, parameters.rollover.to_wire(self.cursor.block));
        //= rfc1350#section-5
        //# If it is 512 bytes long, the block is not the last block of data; if it is from zero to 511 bytes long, it
        //# signals the end of the transfer.
        //= rfc2348#blocksize-option-specification
        //# If the amount of data to be transfered is an integral multiple of the blocksize, an extra data packet
        //# containing no data is sent to end the transfer.
        if written < usize::from(parameters.block_size) {
            self.last = Some(self.cursor.block);
        }
        self.cursor.block += 1;
        self.cursor.offset += taken as u64;
    }

    /// Where the next block begins in the file, in bytes.
    pub(super) const fn offset(&self) -> u64 {
        self.cursor.offset
    }

    /// As much of these bytes of the file as is held, in up to two pieces.
    pub(super) fn slices(&self, offset: u64, len: usize) -> [&[u8]; 2] {
        self.chunks.slices(offset, len)
    }

    /// The bytes of the read that was asked for last.
    pub(super) fn insert(&mut self, chunk: C) {
        self.chunks.insert(chunk);
    }

    /// The read of bytes that the next block needs.
    pub(super) fn read_on(&mut self, parameters: &Parameters, ahead: Ahead) -> Option<Read> {
        self.read(parameters, self.cursor.offset, ahead).or_else(|| {
            // Short chunks, in netascii above all, may hold the beginning of a block and not its end.
            self.chunks.start_again();
            self.read(parameters, self.cursor.offset, ahead)
        })
    }

    /// While nothing can be sent: the read of bytes that later blocks will need. What may have to be sent again is not let
    /// go for it; but if memory is scarce, it is, and is read again if need be.
    pub(super) fn meanwhile(&mut self, parameters: &Parameters, ahead: Ahead) -> Option<Read> {
        if self.let_go() {
            return None;
        }
        self.read(parameters, self.anchor.offset, ahead)
    }

    fn read(&mut self, parameters: &Parameters, needed_from: u64, ahead: Ahead) -> Option<Read> {
        let block_size = u64::from(parameters.block_size);
        let bytes = |blocks: u64| usize::try_from(blocks.saturating_mul(block_size)).unwrap_or(usize::MAX);
        let bytes_to = |block: u64| bytes(block.saturating_sub(self.cursor.block));
        let wanted = Wanted {
            train: bytes_to(ahead.train_end),
            window: bytes_to(ahead.window_end),
            each_window: bytes(parameters.window_size.into()),
        };
        let (offset, len) = self.chunks.next_read(self.cursor.offset, needed_from, wanted)?;
        Some(Read { offset, len, keep: self.anchor.offset })
    }

    /// Lets go what was built, and more, if memory is scarce. Answers whether it is.
    pub(super) fn let_go(&mut self) -> bool {
        let scarce = self.chunks.are_scarce();
        if scarce {
            self.chunks.let_go(self.cursor.offset);
        }
        scarce
    }

    /// Bytes of the file that may be held while nothing can be sent.
    pub(super) const fn set_allowance(&mut self, bytes: usize) {
        self.chunks.set_allowance(bytes);
    }

    /// Whether two chunks are more than that.
    pub(super) const fn is_memory_scarce(&self) -> bool {
        self.chunks.are_scarce()
    }

    /// Bytes of the file that are held.
    pub(super) fn bytes_held(&self) -> usize {
        self.chunks.len()
    }
}
