//! The command line.

mod layers;
mod serve;
#[cfg(feature = "object-store")]
mod stores;
mod transfer;

pub(crate) use layers::{NameArgs, PeerDirs};
pub(crate) use serve::{DirectoryArgs, Links, PolicyArgs, ServeArgs, TimingArgs};
#[cfg(feature = "object-store")]
pub(crate) use stores::StoreArgs;
pub(crate) use transfer::{ClientArgs, GetArgs, PutArgs};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tftp_tokio::OptionKind;

use crate::bench::BenchArgs;
use crate::exit::EXIT_CODES;

const EXAMPLES: &str = "\
Examples:
  tftp-cli serve /srv/tftp                     serve a directory, read-only, on port 69
  tftp-cli serve --listen 127.0.0.1:6969       an empty server in memory that takes uploads
  tftp-cli get tftp://192.0.2.1/pxelinux.0     download into the current directory
  tftp-cli put running.cfg 192.0.2.1 backup/   upload to backup/running.cfg

Every command explains its options, with examples: tftp-cli serve --help";

const COMPLETIONS: &str = "\
Where it belongs:
  bash  tftp-cli completions bash > ~/.local/share/bash-completion/completions/tftp-cli
  fish  tftp-cli completions fish > ~/.config/fish/completions/tftp-cli.fish
  zsh   tftp-cli completions zsh > DIRECTORY/_tftp-cli, with a directory of $fpath";

/// A TFTP server and client (RFC 1350, 2347, 2348, 2349, 7440).
#[derive(Debug, Parser)]
#[command(
    name = "tftp-cli",
    version,
    after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    max_term_width = 100,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The same as in the command's own arguments: on which side of its name they stood does not matter.
    #[command(flatten)]
    output: OutputArgs,
}

impl Cli {
    /// The arguments of this process; exits with a message if they are wrong.
    pub(crate) fn from_environment() -> Self {
        let matches = Self::definition().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let (Command::Serve(args), Some((_, matches))) = (&mut cli.command, matches.subcommand()) {
            let from_environment = |id| matches.value_source(id) == Some(ValueSource::EnvVariable);
            for (id, list) in [("sources", &mut args.sources), ("for_network", &mut args.peers.for_network)] {
                if from_environment(id) {
                    serve::split_at_commas(list);
                }
            }
        }
        // clap looks for conflicts on each side of the command's name alone.
        if cli.output.quiet && cli.output.verbose > 0 {
            Self::definition().error(ErrorKind::ArgumentConflict, "--quiet contradicts --verbose").exit();
        }
        cli
    }

    /// The definition with a help that names the rule for environment variables once, not at every option.
    pub(crate) fn definition() -> clap::Command {
        Self::command().mut_subcommands(|command| command.mut_args(|arg| arg.hide_env(true)))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<ServeArgs>),
    Get(Box<GetArgs>),
    Put(Box<PutArgs>),
    Bench(Box<BenchArgs>),
    Completions(CompletionsArgs),
}

/// Print a script that completes commands and options in a shell
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// What every command has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Say more; twice for even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say less: only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

/// The name of an option on the wire.
fn option_kind() -> impl TypedValueParser<Value = OptionKind> {
    PossibleValuesParser::new(OptionKind::ALL.map(OptionKind::name))
        // The names are those of `ALL`, so the fallback is never taken.
        .map(|name| OptionKind::from_name(name.as_bytes()).unwrap_or(OptionKind::BlockSize))
}

/// Flags can come from the environment as 1/0, true/false, yes/no, on/off.
pub(crate) fn flag() -> clap::builder::BoolishValueParser {
    clap::builder::BoolishValueParser::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::definition().debug_assert();
    }

    #[test]
    fn verbose_and_quiet_stand_before_or_behind_the_command() {
        let output = |args: &[&str]| {
            let Command::Get(args) = Cli::try_parse_from(args).unwrap().command else { panic!("not get") };
            (args.client.output.verbose, args.client.output.quiet)
        };
        assert_eq!(output(&["tftp-cli", "-vv", "get", "h", "a"]), (2, false));
        assert_eq!(output(&["tftp-cli", "get", "h", "a", "-vv"]), (2, false));
        assert_eq!(output(&["tftp-cli", "-q", "get", "h", "a"]), (0, true));
        assert_eq!(output(&["tftp-cli", "get", "-q", "h", "a"]), (0, true));
        let cli = Cli::try_parse_from(["tftp-cli", "-q", "get", "h", "a", "-v"]).unwrap();
        assert_eq!((cli.output.verbose, cli.output.quiet), (1, true), "a conflict must show in one place");
    }

    #[test]
    fn every_setting_has_an_environment_variable_of_its_name() {
        let mut command = Cli::definition();
        command.build();
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let own = ["help", "version", "verbose", "quiet", "output"];
                if !own.contains(&long) {
                    let expected = format!("TFTP_{}", long.to_uppercase().replace('-', "_"));
                    let found = arg.get_env().and_then(std::ffi::OsStr::to_str);
                    assert_eq!(found, Some(expected.as_str()), "{} --{long}", sub.get_name());
                }
            }
        }
    }
}
