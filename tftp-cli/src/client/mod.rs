//! The client.

mod failure;
mod get;
mod outcome;
mod progress;
mod put;
mod regular;
mod settings;
mod source;
mod target;
mod unchanged;

pub(crate) use get::get;
pub(crate) use put::put;
pub(crate) use target::{local, show};

use crate::args::ClientArgs;
use crate::exit::Failure;
use crate::remote::Remote;
use outcome::{Ending, Facts};

/// A failure, and how far it came.
struct Failed {
    failure: Failure,
    facts: Option<Facts>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, facts: None }
    }
}

/// What a command knows about itself when it ends.
struct Story<'a> {
    command: &'static str,
    args: &'a ClientArgs,
    remote: &'a Remote,
    local: Option<String>,
    file_goes_to_stdout: bool,
}

impl Story<'_> {
    /// Says how it ended. `summary` is the line for people.
    fn end(self, result: Result<Facts, Failed>, summary: impl FnOnce(&Facts) -> String) -> Result<(), Failure> {
        let (result, facts) = match result {
            Ok(facts) => (Ok(()), Some(facts)),
            Err(failed) => (Err(failed.failure), failed.facts),
        };
        if !self.args.json {
            if let (Ok(()), Some(facts), false) = (&result, &facts, self.args.output.quiet) {
                say(&summary(facts));
            }
            return result;
        }
        let ending = Ending {
            command: self.command,
            server: self.remote.server(),
            path: String::from_utf8_lossy(&self.remote.path).into_owned(),
            local: self.local,
            facts,
            result,
        };
        let printed = ending.print_json(self.file_goes_to_stdout);
        match ending.result {
            Err(failure) => Err(Failure { reported: self.file_goes_to_stdout, ..failure }),
            Ok(()) => printed
                .map_err(|error| Failure::new(crate::exit::Exit::LocalIo, format!("cannot write the result: {error}"))),
        }
    }
}

/// A line for people.
fn say(line: &str) {
    use std::io::Write as _;
    // Nobody is there to read it if this fails.
    let _ = writeln!(std::io::stderr(), "{line}");
}
