//! `get`.

use std::future::poll_fn;
use std::path::Path;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::failure::explain;
use super::outcome::Facts;
use super::progress::Progress;
use super::regular::Regular;
use super::settings;
use super::target::Target;
use super::{Failed, Story, say};
use crate::args::GetArgs;
use crate::exit::{Exit, Failure};
use crate::logging;
use crate::remote::Remote;
use crate::signals::Signals;
use crate::units::show_size;
use tftp_tokio::{Direction, Download, Error as ClientError};

/// Bytes written at once, at least: a system call for every small block would be much of the work.
const ENOUGH: usize = 32 << 10;

/// The same where each write is a hop to the blocking pool, which costs more.
const ENOUGH_FOR_A_HOP: usize = 192 << 10;

/// Downloads a file.
pub(crate) async fn get(args: &GetArgs) -> Result<(), Failure> {
    logging::init_client(&args.client.output);
    let mut remote = Remote::parse(&args.server, args.path.as_deref())?;
    remote.complete_name(None)?;
    let mut story = Story {
        command: "get",
        args: &args.client,
        remote: &remote,
        local: None,
        file_goes_to_stdout: args.output.as_deref() == Some(Path::new("-")),
    };
    let target = match Target::open(args.output.as_deref(), &remote) {
        Ok(target) => target,
        Err(failure) => return story.end(Err(failure.into()), |_| String::new()),
    };
    story.local = Some(target.json());
    let shown = target.display();
    let result = run(args, &remote, target).await;
    story.end(result, |facts| format!("{remote} -> {shown}: {}", facts.describe()))
}

async fn run(args: &GetArgs, remote: &Remote, target: Target) -> Result<Facts, Failed> {
    let signals = Signals::new().map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
    let mut download = tokio::select! {
        biased;
        download = transfer(args, remote, &target) => download?,
        Ok(stop) = signals.watch() => {
            let message = format!("stopped by {}; {} was not written", stop.name(), target.display());
            return Err(Failure::new(stop.exit(), message).into());
        }
    };
    // From here on the file is complete. It gets its name while we see to it that the server knows.
    let commit = tokio::task::spawn_blocking(move || target.commit());
    let facts = download.report().map(Facts::of);
    let facts = facts.ok_or_else(|| Failure::new(Exit::Other, format!("{remote}: the transfer has no end")))?;
    // What may go wrong while we dally is not the file's problem.
    let (committed, _) = tokio::join!(commit, download.finish());
    committed.map_err(|error| Failure::new(Exit::Other, error.to_string()))??;
    if let Some(announced) = facts.size_mismatch() {
        say(&format!(
            "warning: the server announced {announced} bytes but sent {}; the file may not be what you expect",
            facts.bytes
        ));
    }
    Ok(facts)
}

/// Everything up to the end of the file, written and flushed.
async fn transfer(args: &GetArgs, remote: &Remote, target: &Target) -> Result<Download, Failed> {
    let enough = if target.is_regular() { ENOUGH } else { ENOUGH_FOR_A_HOP };
    let mut builder = settings::client(&args.client, remote)?.chunk_size(enough);
    if let Some(bytes) = args.max_size {
        builder = builder.max_size(bytes);
    }
    let client = builder.build();
    let addresses = settings::resolve(&args.client, remote).await?;
    let explain = |error: &ClientError| explain(error, Direction::Read, remote, &args.client, &addresses);
    let name = String::from_utf8_lossy(&remote.path);
    let wanted = !args.client.output.quiet && !args.client.no_progress && !target.is_terminal();
    let progress = Progress::new(wanted, &crate::escape::escape(name.as_bytes()));

    let download = client.get(addresses.clone(), &remote.path).await;
    let mut download = download.map_err(|error| explain(&error))?;
    tracing::debug!(parameters = ?download.parameters(), "the server answered");
    progress.started(download.size());

    let mut writer: Box<dyn AsyncWrite + Send + Unpin> = match target.writer()? {
        Some(file) if target.is_regular() => Box::new(Regular(file)),
        Some(file) => Box::new(tokio::fs::File::from_std(file)),
        None => Box::new(tokio::io::stdout()),
    };
    loop {
        let chunk = poll_fn(|cx| {
            let chunk = download.poll_chunk(cx);
            progress.set(download.transferred());
            chunk
        });
        let Some(chunk) = chunk.await.map_err(|error| explain(&error))? else { break };
        writer.write_all(&chunk).await.map_err(|error| stuck(target, &error, &download))?;
    }
    writer.flush().await.map_err(|error| stuck(target, &error, &download))?;
    Ok(download)
}

/// The target takes no more.
fn stuck(target: &Target, error: &std::io::Error, download: &Download) -> Failed {
    let mut failure = target.failure(error);
    failure.message += &format!(" (after {})", show_size(download.transferred()));
    failure.into()
}
