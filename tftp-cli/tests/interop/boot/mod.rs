//! Machines that boot, in QEMU.

mod cable;
mod machine;
mod uboot;
