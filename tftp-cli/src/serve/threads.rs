//! The threads of a server: one event loop and one runtime on each.

use std::io;

use tftp_tokio::{BindError, Part, Server};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// The event loops of a server, started.
pub(super) struct Threads(JoinSet<io::Result<()>>);

impl Threads {
    /// Has the first loop run here, and starts every other on a thread of its own.
    pub(super) async fn start(first: Server, others: Vec<Part>) -> Result<Self, BindError> {
        let mut loops = JoinSet::new();
        // A task of its own: nothing else is then looked at whenever a datagram wakes the server.
        loops.spawn(first);
        for (number, part) in (2..).zip(others) {
            let ended = spawn(number, part).await?;
            loops.spawn(async { ended.await.unwrap_or_else(|_| Err(panicked())) });
        }
        Ok(Self(loops))
    }

    /// Ends when all event loops have, or when one fails.
    pub(super) async fn run(mut self) -> io::Result<()> {
        while let Some(ended) = self.0.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Returns once the thread serves. What comes later is its end.
async fn spawn(number: u32, part: Part) -> Result<oneshot::Receiver<io::Result<()>>, BindError> {
    let (tell_start, started) = oneshot::channel();
    let (tell_end, ended) = oneshot::channel();
    let work = move || {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell_start.send(Err(BindError::Runtime(error)))),
        };
        // Nobody listens any more when another thread has failed.
        runtime.block_on(async {
            match part.start() {
                Ok(server) => {
                    let _ = tell_start.send(Ok(()));
                    let _ = tell_end.send(server.await);
                }
                Err(error) => drop(tell_start.send(Err(error))),
            }
        });
        // Storage that hangs must not hold us.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name(format!("serve-{number}")).spawn(work).map_err(BindError::Runtime)?;
    started.await.unwrap_or_else(|_| Err(BindError::Runtime(panicked())))?;
    Ok(ended)
}

fn panicked() -> io::Error {
    io::Error::other("a thread of the server panicked")
}
