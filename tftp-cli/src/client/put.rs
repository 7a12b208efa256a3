//! `put`.

use super::failure::explain;
use super::outcome::Facts;
use super::progress::Progress;
use super::source::{Source, name};
use super::{Failed, Story, settings};
use crate::args::PutArgs;
use crate::escape::escape;
use crate::exit::{Exit, Failure};
use crate::logging;
use crate::remote::Remote;
use crate::signals::Signals;
use tftp_tokio::Direction;

/// Uploads a file.
pub(crate) async fn put(args: &PutArgs) -> Result<(), Failure> {
    logging::init_client(&args.client.output);
    let mut remote = Remote::parse(&args.server, args.path.as_deref())?;
    remote.complete_name(name(&args.file))?;
    let story = Story {
        command: "put",
        args: &args.client,
        remote: &remote,
        local: Some(args.file.to_string_lossy().into_owned()),
        file_goes_to_stdout: false,
    };
    let source = match Source::open(&args.file) {
        Ok(source) => source,
        Err(failure) => return story.end(Err(failure.into()), |_| String::new()),
    };
    let shown = source.display.clone();
    let result = run(args, &remote, source).await;
    story.end(result, |facts| format!("{shown} -> {remote}: {}", facts.describe()))
}

async fn run(args: &PutArgs, remote: &Remote, source: Source) -> Result<Facts, Failed> {
    let signals = Signals::new().map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
    tokio::select! {
        biased;
        result = transfer(args, remote, source) => result,
        Ok(stop) = signals.watch() => {
            Err(Failure::new(stop.exit(), format!("stopped by {}; {remote} was not uploaded", stop.name())).into())
        }
    }
}

async fn transfer(args: &PutArgs, remote: &Remote, source: Source) -> Result<Facts, Failed> {
    let client = settings::client(&args.client, remote)?.build();
    let addresses = settings::resolve(&args.client, remote).await?;
    let wanted = !args.client.output.quiet && !args.client.no_progress;
    let progress = Progress::new(wanted, &escape(&remote.path));
    progress.started(source.size);
    let put = client
        .put(addresses.clone(), &remote.path, source.reader, source.size)
        .progress(|transferred, _| progress.set(transferred));
    let report = put.await.map_err(|error| explain(&error, Direction::Write, remote, &args.client, &addresses))?;
    Ok(Facts::of(&report))
}
