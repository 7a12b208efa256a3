//! `--help`, word by word: `INSTA_UPDATE=always cargo test -p tftp-cli` accepts a change.

use super::support::run;

fn help(args: &[&str]) -> String {
    String::from_utf8(run(args).succeeded().stdout).unwrap()
}

#[test]
fn help_of_the_program() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn help_of_serve() {
    insta::assert_snapshot!(help(&["serve", "--help"]));
}

#[test]
fn help_of_get() {
    insta::assert_snapshot!(help(&["get", "--help"]));
}

#[test]
fn help_of_put() {
    insta::assert_snapshot!(help(&["put", "--help"]));
}

#[test]
fn a_command_without_arguments_prints_the_help_and_fails() {
    run(&[]).failed_with(2).says("Usage: tftp-cli <COMMAND>");
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = run(&["--version"]).succeeded();
    assert_eq!(ended.stdout, format!("tftp-cli {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
}
