//! Sockets from a service manager, and what it wants to hear: socket activation and readiness as systemd has them.

use std::net::UdpSocket;

use crate::exit::Failure;

/// The sockets that were passed to this process, if any. To be called before there are threads: it clears the
/// environment variables.
#[cfg(unix)]
pub(super) fn sockets() -> Result<Vec<UdpSocket>, Failure> {
    use crate::exit::Exit;

    let mut passed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        let socket = passed.take_udp_socket(index).map_err(|error| {
            Failure::new(Exit::Network, format!("cannot use a socket that the service manager passed: {error}"))
                .hint("TFTP needs UDP sockets: ListenDatagram= in a systemd socket unit")
        })?;
        sockets.extend(socket);
    }
    Ok(sockets)
}

#[cfg(not(unix))]
pub(super) fn sockets() -> Result<Vec<UdpSocket>, Failure> {
    Ok(Vec::new())
}

/// What a service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are answered.
    Ready,
    /// No new requests are taken.
    Stopping,
}

/// Tells the service manager, if one asked to be told.
pub(super) fn notify(phase: Phase) {
    #[cfg(target_os = "linux")]
    {
        use sd_notify::NotifyState;
        let state = match phase {
            Phase::Ready => NotifyState::Ready,
            Phase::Stopping => NotifyState::Stopping,
        };
        if let Err(error) = sd_notify::notify(&[state]) {
            tracing::warn!("cannot tell the service manager: {error}");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = phase;
}
