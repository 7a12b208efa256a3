//! The reference TFTP server and client: `tftp-cli serve`, `get`, `put` and `bench`.

mod args;
mod bench;
mod client;
mod escape;
mod exit;
mod logging;
mod remote;
mod serve;
mod signals;
mod terminal;
mod units;

use std::io::Write as _;
use std::process::ExitCode;

use args::{Cli, Command, CompletionsArgs};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = Cli::from_environment();
    // One thread: the protocol needs no more, and files are read by the blocking pool.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::new(Exit::Other, format!("cannot start: {error}"))),
    };
    let result = runtime.block_on(async {
        match &cli.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Get(args) => client::get(args).await,
            Command::Put(args) => client::put(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::Completions(args) => completions(args),
        }
    });
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::definition(), "tftp-cli", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|error| Failure::new(Exit::LocalIo, format!("cannot write the script: {error}")))
}

fn fail(failure: &Failure) -> ExitCode {
    if !failure.reported {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr(), "{failure}");
    }
    failure.exit.into()
}
