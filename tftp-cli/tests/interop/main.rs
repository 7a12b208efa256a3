//! The real binary against real clients and servers, on loopback.
//!
//! Every test starts its own server on a free port, and all of them can run at once. A peer program that is not
//! installed skips its tests by name; with `CI=true` in the environment it fails them. On Debian the peers are
//! `tftp-hpa tftpd-hpa atftp atftpd curl busybox dnsmasq-base qemu-system-arm u-boot-qemu qemu-system-x86 ipxe-qemu ovmf
//! grub-efi-amd64-bin pxelinux syslinux-common` (the two servers exclude each other as packages: `.ci/run` unpacks them
//! side by side). The foreign servers need root.

#![cfg(target_os = "linux")]
// Helpers are not `#[test]` functions themselves, so clippy.toml's exception does not reach them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addresses;
mod boot;
mod clients;
mod crowd;
mod endings;
mod foreign;
mod kills;
mod losses;
mod netascii;
mod support;
