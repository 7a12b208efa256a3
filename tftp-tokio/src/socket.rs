//! A UDP socket registered with tokio.

#[cfg(not(unix))]
pub use both_ways::TokioSocket;
#[cfg(unix)]
pub use reading_only::TokioSocket;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use reading_only::register;

/// Registered for reading; for writing only while it is full. Otherwise every datagram that has left would wake the
/// loop, for the system reports each time that there is room again.
#[cfg(unix)]
mod reading_only {
    use std::io;
    use std::net::UdpSocket;
    use std::os::fd::{AsFd as _, AsRawFd, OwnedFd};
    use std::task::{Context, Poll, ready};

    use tftp_driver::runtime::{AsyncSocket, SocketRef};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A UDP socket registered with tokio.
    #[derive(Debug)]
    pub struct TokioSocket {
        socket: AsyncFd<UdpSocket>,
        /// The last attempt to send found no room.
        full: bool,
        /// The same socket, watched for room.
        room: Option<AsyncFd<OwnedFd>>,
    }

    impl TokioSocket {
        pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
            Ok(Self { socket: register(socket, Interest::READABLE)?, full: false, room: None })
        }

        fn watch(&self) -> io::Result<AsyncFd<OwnedFd>> {
            // One descriptor cannot be registered twice.
            let again = self.socket.get_ref().as_fd().try_clone_to_owned()?;
            register(again, Interest::WRITABLE)
        }
    }

    #[allow(deprecated, reason = "its successor is unsafe, for the sake of types that do not own their descriptor")]
    pub(crate) fn register<T: AsRawFd + Into<OwnedFd>>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
        AsyncFd::with_interest(owner, interest)
    }

    impl AsyncSocket for TokioSocket {
        fn socket(&self) -> SocketRef<'_> {
            SocketRef::from(self.socket.get_ref())
        }

        fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.socket.poll_read_ready(cx).map_ok(drop)
        }

        fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.full {
                if self.room.is_none() {
                    self.room = self.watch().ok();
                }
                // Without a descriptor to spare nothing tells, and what is left is to try again.
                if let Some(room) = &self.room {
                    let _ = ready!(room.poll_write_ready(cx))?;
                }
                self.room = None;
                self.full = false;
            }
            Poll::Ready(Ok(()))
        }

        fn try_read<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
            self.socket.try_io(Interest::READABLE, |socket| operation(SocketRef::from(socket)))
        }

        fn try_write<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
            let result = operation(SocketRef::from(self.socket.get_ref()));
            self.full = matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            result
        }
    }

    #[cfg(test)]
    mod tests {
        use std::future::poll_fn;
        use std::io::ErrorKind;

        use super::*;

        /// What a stream's buffer does when its peer does not read, a datagram socket's does on a slow network only.
        #[tokio::test]
        async fn a_full_socket_tells_once_there_is_room() {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            let mut socket = TokioSocket::new(socket).unwrap();
            poll_fn(|cx| socket.poll_writable(cx)).await.unwrap();
            assert!(socket.room.is_none());

            let refused = socket.try_write(|_| Err::<(), _>(ErrorKind::WouldBlock.into()));
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::WouldBlock);
            // It is watched now, and has room in truth.
            poll_fn(|cx| socket.poll_writable(cx)).await.unwrap();
            assert!(socket.room.is_none() && !socket.full);
            socket.try_write(|_| Ok(())).unwrap();
        }
    }
}

/// Registered both ways.
#[cfg(not(unix))]
mod both_ways {
    use std::io;
    use std::task::{Context, Poll};

    use tftp_driver::runtime::{AsyncSocket, SocketRef};
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    /// A UDP socket registered with tokio.
    #[derive(Debug)]
    pub struct TokioSocket(UdpSocket);

    impl TokioSocket {
        pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
            UdpSocket::from_std(socket).map(Self)
        }
    }

    impl AsyncSocket for TokioSocket {
        fn socket(&self) -> SocketRef<'_> {
            SocketRef::from(&self.0)
        }

        fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_recv_ready(cx)
        }

        fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_send_ready(cx)
        }

        fn try_read<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
            self.0.try_io(Interest::READABLE, || operation(SocketRef::from(&self.0)))
        }

        fn try_write<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T> {
            self.0.try_io(Interest::WRITABLE, || operation(SocketRef::from(&self.0)))
        }
    }
}
