//! What the event loop needs of an async runtime: readiness of sockets, one timer, a clock and a thread pool.
//!
//! `tftp-tokio` and `tftp-smol` implement it; another runtime takes about a hundred lines.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod timer_fd;

use std::io;
use std::net::UdpSocket;
#[cfg(unix)]
use std::os::fd::{AsFd as AsSystem, BorrowedFd as Borrowed};
#[cfg(windows)]
use std::os::windows::io::{AsSocket as AsSystem, BorrowedSocket as Borrowed};
use std::task::{Context, Poll};
use std::time::Instant;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub use timer_fd::TimerFd;

/// A borrowed UDP socket of any runtime, for the system calls of the loop. Made with `SocketRef::from(&socket)` from
/// whatever has a file descriptor (a socket handle on Windows).
#[derive(Debug, Clone, Copy)]
pub struct SocketRef<'a>(pub(crate) Borrowed<'a>);

impl<'a, S: AsSystem> From<&'a S> for SocketRef<'a> {
    fn from(socket: &'a S) -> Self {
        #[cfg(unix)]
        return Self(socket.as_fd());
        #[cfg(windows)]
        return Self(socket.as_socket());
    }
}

/// An async runtime, or a handle to one.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A UDP socket whose readiness the runtime watches.
    type Socket: AsyncSocket;
    /// A timer of the runtime.
    type Timer: Timer;

    /// Registers a socket, which is in non-blocking mode already.
    ///
    /// # Errors
    /// Where the runtime cannot watch it, or is not running.
    fn socket(&self, socket: UdpSocket) -> io::Result<Self::Socket>;

    /// A timer, not armed yet.
    fn timer(&self) -> Self::Timer;

    /// The runtime's clock. It may differ from the system's, as tokio's does in tests with paused time.
    fn now(&self) -> Instant;

    /// Runs work that may block on a thread where it may.
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// A UDP socket whose readiness a runtime watches.
///
/// Readiness may be claimed wrongly, never denied wrongly. It is lost only when an operation returns
/// [`WouldBlock`](io::ErrorKind::WouldBlock), so the order is: ask for readiness, try until `WouldBlock`, ask again and
/// so register for the next wake-up.
pub trait AsyncSocket: Send + Unpin + 'static {
    /// The socket. A loop that waits in place receives from it past the runtime, and has it block for that time
    /// ([`EventLoop::waiting_in_place`](crate::event_loop::EventLoop::waiting_in_place)); before it comes back to
    /// [`try_read`](Self::try_read) it does not block any more.
    fn socket(&self) -> SocketRef<'_>;

    /// Whether receiving is worth a try; if not, the task is woken once it is.
    ///
    /// # Errors
    /// Only if the runtime itself has ended; this ends the loop.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Whether sending is worth a try; if not, the task is woken once it is.
    ///
    /// # Errors
    /// Only if the runtime itself has ended; this ends the loop.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Runs an operation that receives without blocking. If it returns `WouldBlock`, the socket counts as not readable
    /// until the system says otherwise.
    ///
    /// # Errors
    /// What `operation` returns. `WouldBlock` may come without it having run.
    fn try_read<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T>;

    /// Runs an operation that sends without blocking. If it returns `WouldBlock`, the socket counts as not writable
    /// until the system says otherwise.
    ///
    /// # Errors
    /// What `operation` returns. `WouldBlock` may come without it having run.
    fn try_write<T>(&mut self, operation: impl FnOnce(SocketRef<'_>) -> io::Result<T>) -> io::Result<T>;
}

/// One timer of a runtime.
pub trait Timer: Send {
    /// Ready once `deadline` has passed by the runtime's clock; before that, arranges for the task to be woken then. It may
    /// arm the timer anew each time: the loop asks after a ring, and for a deadline before the one it asked for.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()>;
}
