//! The server.

mod activation;
mod chain;
mod content;
#[cfg(feature = "object-store")]
mod instance;
mod listen;
mod names;
mod owner;
mod places;
mod quota;
mod refused;
mod source;
#[cfg(feature = "object-store")]
mod store;
mod story;
mod system;
mod threads;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
#[cfg(feature = "object-store")]
use std::sync::Arc;
use std::time::Duration;

pub(crate) use listen::Listen;
pub(crate) use owner::Owner;

use crate::args::{ServeArgs, TimingArgs};
use crate::exit::{Exit, Failure};
use crate::logging;
use crate::signals::Signals;
use crate::units::count;
use activation::{Phase, notify};
use content::{Content, Ready};
use story::{Story, Totals};
use tftp_tokio::{Limits, OptionPolicy, Server, ServerHandle, Timing, TransferPorts};
use threads::Threads;
#[cfg(feature = "object-store")]
use tokio::task::JoinSet;

/// Retransmissions to a client that has never answered: its address may be forged.
const UNPROVED_RETRIES: u32 = 4;

/// How often a server that drains says what it waits for.
const DRAIN_REPORT: Duration = Duration::from_secs(5);

/// Serves until it is told to stop.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    if !args.names.map_test.is_empty() {
        return names::test(args);
    }
    let content = Content::of(args)?;
    let passed = activation::sockets()?;
    let log = logging::init_server(&args.output, args.json);
    let _log = log.map_err(|error| Failure::new(Exit::Other, format!("cannot start the log: {error}")))?;
    // Before the first line is out: whoever reads it may stop us.
    let mut signals =
        Signals::new().map_err(|error| Failure::new(Exit::Other, format!("cannot watch for signals: {error}")))?;
    let raised = system::raise_file_limit();
    system::survive_file_size_limit();

    let story = Story::new(args.json, &args.policy, content.log_lines());
    let totals = story.totals();
    let Some(ready) = open(&content, args, &mut signals).await? else { return Ok(()) };
    let Ready { storage, leftovers, .. } = ready;
    let mut builder = Server::builder()
        .storage(storage)
        .transfer_ports(transfer_ports(args))
        .options(option_policy(args))
        .timing(timing(&args.timing))
        .limits(limits(args))
        .answer_broadcasts(args.network.answer_broadcasts)
        // Nothing else on the thread is in a hurry.
        .wait_in_place(true)
        .on_event(move |event| story.tell(event));
    if let Some(bytes) = args.policy.max_upload {
        builder = builder.max_upload(bytes);
    }
    let has_ipv6 = listen::host_has_ipv6();
    for address in args.network.listen.iter().flat_map(|listen| listen.addresses(has_ipv6)) {
        builder = builder.listen(address);
    }
    let activated = passed.len() as u64;
    builder = passed.into_iter().fold(builder, tftp_tokio::ServerBuilder::listen_on);
    let threads = NonZeroUsize::new(args.network.threads).unwrap_or(NonZeroUsize::MIN);
    let (first, others) = builder.bind_many(threads).map_err(|error| refused::explain(&error))?;
    let (handle, addresses, warnings) = (first.handle(), first.local_addrs().to_vec(), first.warnings().to_vec());
    let threads = Threads::start(first, others).await.map_err(|error| refused::explain(&error))?;
    announce(args, &content, &addresses);
    notify(Phase::Ready);
    if let Some((from, to)) = raised {
        tracing::debug!(from, to, "raised the limit of open files");
    }
    if activated > 0 {
        tracing::info!(sockets = activated, "using {} of the service manager", count(activated, "socket"));
    }
    if leftovers > 0 {
        tracing::info!(files = leftovers, "removed unfinished uploads of an earlier run");
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    #[cfg(feature = "object-store")]
    let watched = Arc::new(ready.watched);
    #[cfg(feature = "object-store")]
    let _watching = watch(&watched);
    let result = serve(threads, &handle, signals, &totals).await;
    #[cfg(feature = "object-store")]
    watched.iter().for_each(store::Watched::sum_up);
    result
}

/// Opens what is served, unless it is told to stop before that is done.
async fn open(content: &Content, args: &ServeArgs, signals: &mut Signals) -> Result<Option<Ready>, Failure> {
    tokio::select! {
        ready = content.open(args) => ready.map(Some),
        stop = signals.next() => {
            tracing::info!("{}: stopped before anything was served", stop.name());
            Ok(None)
        }
    }
}

/// Has the log told of object stores.
#[cfg(feature = "object-store")]
fn watch(watched: &Arc<Vec<store::Watched>>) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    for index in 0..watched.len() {
        let watched = Arc::clone(watched);
        watching.spawn(async move {
            if let Some(store) = watched.get(index) {
                store.watch().await;
            }
        });
    }
    watching
}

/// The first line: what is served, where, and who may do what.
fn announce(args: &ServeArgs, content: &Content, addresses: &[SocketAddr]) {
    let listen = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let listen = if args.json { listen } else { format!("\"{listen}\"") };
    let ports = match (&args.network.port_range, args.network.single_port) {
        (_, true) => "single".to_owned(),
        (Some(range), _) => format!("{}-{}", range.start(), range.end()),
        (None, false) => "random".to_owned(),
    };
    let what = content.describe();
    if anybody_may_write(content, addresses) {
        tracing::warn!(%listen, %ports, "serving {what}; ANYBODY who reaches these addresses can upload");
    } else {
        tracing::info!(%listen, %ports, "serving {what}");
    }
}

fn anybody_may_write(content: &Content, addresses: &[SocketAddr]) -> bool {
    content.is_writable() && addresses.iter().any(listen::is_public)
}

/// Serves; drains at the first request to stop, ends at the second.
async fn serve(threads: Threads, handle: &ServerHandle, mut signals: Signals, totals: &Totals) -> Result<(), Failure> {
    let mut server = pin!(threads.run());
    let first = tokio::select! {
        result = &mut server => return ended(result, totals),
        stop = signals.next() => stop,
    };
    handle.shutdown();
    notify(Phase::Stopping);
    let left = handle.active_transfers() as u64;
    if left == 0 {
        tracing::info!("{}: stopping", first.name());
    } else {
        tracing::info!(
            transfers = left,
            "{}: taking no new requests, waiting for {}; once more to stop at once",
            first.name(),
            count(left, "transfer")
        );
    }
    let mut report = tokio::time::interval_at(tokio::time::Instant::now() + DRAIN_REPORT, DRAIN_REPORT);
    let second = loop {
        tokio::select! {
            result = &mut server => return ended(result, totals),
            stop = signals.next() => break stop,
            _ = report.tick() => {
                let left = handle.active_transfers() as u64;
                tracing::info!(transfers = left, "still waiting for {}", count(left, "transfer"));
            }
        }
    };
    handle.stop();
    let left = handle.active_transfers() as u64;
    tracing::warn!(transfers = left, "{}: stopping at once, {} given up", second.name(), count(left, "transfer"));
    tokio::select! {
        // Clients get their ERROR, uploads are cleaned up.
        result = &mut server => ended(result, totals)?,
        // Storage that hangs must not hold us.
        third = signals.next() => tracing::warn!("{}: not waiting for storage", third.name()),
    }
    // The log has said so; standard error may be what holds us up.
    let failure = Failure::new(second.exit(), "stopped before all transfers had ended");
    Err(Failure { reported: true, ..failure })
}

fn ended(result: io::Result<()>, totals: &Totals) -> Result<(), Failure> {
    tracing::info!("stopped after {}", totals.summary());
    result.map_err(|error| Failure::new(Exit::Other, format!("the server ended: {error}")))
}

fn transfer_ports(args: &ServeArgs) -> TransferPorts {
    match (&args.network.port_range, args.network.single_port) {
        (_, true) => TransferPorts::Single,
        (Some(range), false) => TransferPorts::Range(range.clone()),
        (None, false) => TransferPorts::default(),
    }
}

fn option_policy(args: &ServeArgs) -> OptionPolicy {
    let mut policy = OptionPolicy {
        max_block_size: args.options.max_block_size,
        max_window: args.options.max_window,
        ..OptionPolicy::default()
    };
    for kind in &args.options.disable_option {
        policy.disabled.insert(*kind);
    }
    policy
}

fn timing(args: &TimingArgs) -> Timing {
    let default = Timing::default();
    Timing {
        initial_timeout: args.timeout,
        min_timeout: default.min_timeout.min(args.timeout),
        max_timeout: default.max_timeout.max(args.timeout),
        give_up_after: args.give_up_after,
        max_retries: args.retries,
        unproved_retries: args.retries.unwrap_or(UNPROVED_RETRIES).min(UNPROVED_RETRIES),
        ..default
    }
}

fn limits(args: &ServeArgs) -> Limits {
    let transfers = args.policy.max_transfers;
    let per_network = args.policy.max_per_client.unwrap_or(transfers);
    Limits { transfers, opening: transfers, per_network }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;

    fn args(extra: &[&str]) -> ServeArgs {
        let Command::Serve(args) = Cli::try_parse_from(["tftp-cli", "serve"].iter().chain(extra)).unwrap().command
        else {
            panic!("not serve")
        };
        *args
    }

    #[test]
    fn a_writable_server_that_others_reach_is_warned_of() {
        let content = |extra: &[&str]| Content::of(&args(extra)).unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let (public, private) = (addresses(&["127.0.0.1:69", "0.0.0.0:69"]), addresses(&["127.0.0.1:69", "[::1]:69"]));
        assert!(anybody_may_write(&content(&[]), &public));
        assert!(anybody_may_write(&content(&["/srv", "--create"]), &public));
        assert!(!anybody_may_write(&content(&[]), &private));
        assert!(!anybody_may_write(&content(&["/srv"]), &public));
    }

    #[test]
    fn times_and_limits_follow_the_arguments() {
        let args = args(&["--timeout", "10", "--retries", "2", "--give-up-after", "1m", "--max-transfers", "7"]);
        let timing = timing(&args.timing);
        assert_eq!(timing.initial_timeout, Duration::from_secs(10));
        assert!(timing.max_timeout >= timing.initial_timeout);
        assert_eq!((timing.max_retries, timing.unproved_retries), (Some(2), 2));
        assert_eq!(timing.give_up_after, Duration::from_secs(60));
        assert_eq!(limits(&args), Limits { transfers: 7, opening: 7, per_network: 7 });
    }

    #[test]
    fn a_client_that_never_answered_gets_few_retries_however_many_others_get() {
        assert_eq!(timing(&args(&["--retries", "100"]).timing).unproved_retries, UNPROVED_RETRIES);
    }
}
