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
fn help_of_bench() {
    insta::assert_snapshot!(help(&["bench", "--help"]));
}

#[test]
fn a_command_without_arguments_prints_the_help_and_fails() {
    run(&[]).failed_with(2).says("Usage: tftp-cli [OPTIONS] <COMMAND>");
}

#[test]
fn the_version_is_that_of_the_package() {
    let ended = run(&["--version"]).succeeded();
    assert_eq!(ended.stdout, format!("tftp-cli {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(help(&["completions", shell]).contains("port-range"), "{shell}");
    }
}

#[test]
fn quiet_and_verbose_contradict_each_other_wherever_they_stand() {
    for args in [&["get", "-q", "-v", "127.0.0.1", "a"][..], &["-q", "get", "-v", "127.0.0.1", "a"]] {
        run(args).failed_with(2).says("--verbose");
    }
}
