//! The reference TFTP server and client.
fn main() {}
