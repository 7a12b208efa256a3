//! Runs a loop beside the body of a test, and plays its peer.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tftp_driver::runtime::{AsyncSocket, Runtime, Timer};
use tftp_driver::udp::{BindOptions, BoundSocket, bind};

/// A test that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn socket(addr: SocketAddr) -> BoundSocket {
    bind(addr, &BindOptions { recv_buffer: Some(1 << 20), ..BindOptions::default() }).unwrap()
}

/// Polls both until the body is done, then drops the loop.
pub(crate) async fn drive<R: Runtime, T>(
    runtime: &R,
    event_loop: impl Future<Output = io::Result<()>> + Send,
    body: impl Future<Output = T>,
) -> T {
    let mut event_loop = Some(Box::pin(event_loop));
    let mut body = pin!(body);
    let mut timer = runtime.timer();
    let deadline = runtime.now() + DEADLINE;
    poll_fn(|cx| {
        if let Some(running) = &mut event_loop
            && let Poll::Ready(ended) = running.as_mut().poll(cx)
        {
            ended.unwrap();
            event_loop = None;
        }
        if let Poll::Ready(result) = body.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        assert!(timer.poll_until(cx, deadline).is_pending(), "hangs");
        Poll::Pending
    })
    .await
}

/// Lets others run so many times.
pub(crate) async fn yields(mut times: u32) {
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A plain UDP socket, which shares nothing with the loop but the runtime.
pub(crate) struct Peer<S> {
    io: S,
    socket: UdpSocket,
}

impl<S: AsyncSocket> Peer<S> {
    pub(crate) fn new<R: Runtime<Socket = S>>(runtime: &R, addr: SocketAddr) -> Self {
        let socket = UdpSocket::bind(addr).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { io: runtime.socket(socket.try_clone().unwrap()).unwrap(), socket }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) {
        assert_eq!(self.socket.send_to(bytes, to).unwrap(), bytes.len());
    }

    pub(crate) async fn recv(&mut self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (len, from) = poll_fn(|cx| {
            loop {
                ready!(self.io.poll_readable(cx)).unwrap();
                match self.io.try_read(|_| self.socket.recv_from(&mut buffer)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    received => return Poll::Ready(received.unwrap()),
                }
            }
        })
        .await;
        buffer.truncate(len);
        (buffer, from)
    }
}
