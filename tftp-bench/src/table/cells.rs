//! What is measured.

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Short, for `--cells`.
    pub(super) name: &'static str,
    pub(super) block_size: u32,
    pub(super) window: u32,
    pub(super) clients: u32,
    pub(super) kind: Kind,
    /// Whether the clients receive with GRO.
    pub(super) offload: bool,
    /// Server and clients share one processor: what is measured is then what a packet costs, not how far the two
    /// processors are apart.
    pub(super) one_processor: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each client downloads files of this many bytes again and again.
    Get(u64),
    /// Each client uploads files of this many bytes again and again.
    Put(u64),
    /// All clients download one file of this many bytes at once.
    Storm(u64),
    /// One client at a time downloads this many bytes while 1 % of the packets are lost each way.
    Loss(u64),
}

impl Kind {
    pub(super) const fn size(self) -> u64 {
        match self {
            Self::Get(size) | Self::Put(size) | Self::Storm(size) | Self::Loss(size) => size,
        }
    }
}

const MIB: u64 = 1 << 20;

const fn get(name: &'static str, block_size: u32, window: u32, clients: u32, size: u64) -> Cell {
    Cell { name, block_size, window, clients, kind: Kind::Get(size), offload: true, one_processor: clients == 1 }
}

const fn put(name: &'static str, block_size: u32, window: u32, size: u64) -> Cell {
    Cell { kind: Kind::Put(size), ..get(name, block_size, window, 1, size) }
}

const fn storm(name: &'static str, block_size: u32, window: u32, clients: u32) -> Cell {
    Cell { kind: Kind::Storm(MIB), ..get(name, block_size, window, clients, MIB) }
}

/// The table, in its order.
pub(super) const CELLS: &[Cell] = &[
    get("512/1", 512, 1, 1, 4 * MIB),
    get("1428/1", 1428, 1, 1, 8 * MIB),
    get("8192/1", 8192, 1, 1, 32 * MIB),
    get("65464/1", 65_464, 1, 1, 64 * MIB),
    get("512/1x16", 512, 1, 16, 2 * MIB),
    get("1428/1x16", 1428, 1, 16, 4 * MIB),
    get("8192/1x16", 8192, 1, 16, 16 * MIB),
    get("65464/1x16", 65_464, 1, 16, 16 * MIB),
    get("1428/16", 1428, 16, 1, 16 * MIB),
    get("1428/16x16", 1428, 16, 16, 16 * MIB),
    get("1428/64", 1428, 64, 1, 16 * MIB),
    get("1428/64x16", 1428, 64, 16, 16 * MIB),
    Cell { offload: false, ..get("1428/16-nogro", 1428, 16, 1, 16 * MIB) },
    Cell { offload: false, ..get("1428/64-nogro", 1428, 64, 1, 16 * MIB) },
    get("65464/16", 65_464, 16, 1, 64 * MIB),
    put("put-1428/1", 1428, 1, 8 * MIB),
    put("put-1428/16", 1428, 16, 32 * MIB),
    put("put-65464/1", 65_464, 1, 64 * MIB),
    storm("storm-1000", 1428, 1, 1000),
    storm("storm-5000", 1428, 1, 5000),
    storm("storm-10000", 1428, 1, 10_000),
    storm("storm-1000w16", 1428, 16, 1000),
    storm("storm-5000w16", 1428, 16, 5000),
    Cell { kind: Kind::Loss(4 * MIB), ..get("loss-1428/1", 1428, 1, 1, 4 * MIB) },
    Cell { kind: Kind::Loss(4 * MIB), ..get("loss-1428/16", 1428, 16, 1, 4 * MIB) },
];
