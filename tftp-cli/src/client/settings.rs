//! A client from its arguments, and the addresses of its server.

use std::net::{IpAddr, SocketAddr};

use crate::args::ClientArgs;
use crate::exit::{Exit, Failure};
use crate::remote::{Remote, TransferMode};
use tftp_tokio::{Client, ClientBuilder, Mode, Options, Timing};

/// Repeats of a request when nothing else is asked.
const REQUEST_RETRIES: u32 = 4;

/// The client that the arguments describe.
pub(crate) fn client(args: &ClientArgs, remote: &Remote) -> Result<ClientBuilder, Failure> {
    let mut builder = Client::builder()
        .options(options(args))
        .mode(mode(args, remote)?)
        .timing(timing(args))
        // One transfer, and nothing else on the thread but a signal that may come.
        .wait_in_place(true)
        .accept_any_source(args.any_source);
    if let Some(ip) = args.local_address {
        builder = builder.local_addr(SocketAddr::new(ip, 0));
    }
    Ok(builder)
}

fn mode(args: &ClientArgs, remote: &Remote) -> Result<Mode, Failure> {
    let asked = match (args.mode, remote.mode) {
        (Some(option), Some(url)) if option != url => {
            return Err(Failure::usage("--mode contradicts the ;mode= of the URL"));
        }
        (option, url) => option.or(url),
    };
    Ok(match asked {
        None | Some(TransferMode::Octet) => Mode::Octet,
        Some(TransferMode::Netascii) => Mode::Netascii,
    })
}

fn options(args: &ClientArgs) -> Options {
    if args.no_options {
        return Options::NONE;
    }
    // A block size of 512 is asked for, too, though it goes without saying: a server that names it in its OACK unasked
    // would have to be refused.
    let options = Options {
        block_size: Some(args.block_size),
        window_size: (args.window_size > 1).then_some(args.window_size),
        timeout: args.server_timeout,
        // The number is filled in where it is known.
        transfer_size: Some(0),
        ..Options::NONE
    };
    args.disable_option.iter().fold(options, |options, kind| options.without(*kind))
}

fn timing(args: &ClientArgs) -> Timing {
    let default = Timing::default();
    Timing {
        initial_timeout: args.timeout,
        min_timeout: default.min_timeout.min(args.timeout),
        max_timeout: default.max_timeout.max(args.timeout),
        give_up_after: args.give_up_after,
        max_retries: args.retries,
        unproved_retries: args.retries.unwrap_or(REQUEST_RETRIES),
        ..default
    }
}

/// The addresses of a server that the arguments allow.
pub(crate) async fn resolve(args: &ClientArgs, remote: &Remote) -> Result<Vec<SocketAddr>, Failure> {
    let server = remote.server();
    let found = tokio::net::lookup_host((remote.host.as_str(), remote.port)).await.map_err(|error| {
        Failure::new(Exit::Network, format!("cannot resolve {server}: {error}"))
            .hint("check the name, or use an IP address")
    })?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    // Systems name an address once for each kind of socket.
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Failure::new(Exit::Network, format!("{server} has no address")));
    }
    addresses.retain(|address| wanted(args, address.ip()));
    if addresses.is_empty() {
        return Err(Failure::new(Exit::Network, format!("{server} has no address of the kind that was asked for"))
            .hint("-4, -6 and --local-address choose between IPv4 and IPv6"));
    }
    Ok(addresses)
}

fn wanted(args: &ClientArgs, ip: IpAddr) -> bool {
    let v6 = ip.is_ipv6();
    let by_flag = if v6 { !args.ipv4 } else { !args.ipv6 };
    by_flag && args.local_address.is_none_or(|local| local.is_ipv6() == v6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser as _;
    use std::time::Duration;

    fn args(extra: &[&str]) -> ClientArgs {
        let all = ["tftp-cli", "get", "192.0.2.1", "a"].iter().chain(extra);
        let Command::Get(args) = Cli::try_parse_from(all).unwrap().command else { panic!() };
        args.client
    }

    #[test]
    fn the_defaults_are_moderate_and_ask_for_the_size() {
        let expected =
            Options { block_size: Some(1428), window_size: Some(16), transfer_size: Some(0), ..Options::NONE };
        assert_eq!(options(&args(&[])), expected);
    }

    #[test]
    fn options_can_be_left_out_one_by_one_or_all() {
        assert_eq!(options(&args(&["--no-options"])), Options::NONE);
        let some = options(&args(&["--disable-option", "tsize", "--disable-option", "WINDOWSIZE"]));
        assert_eq!(some, Options { block_size: Some(1428), ..Options::NONE });
        let plain = options(&args(&["-b", "512", "-w", "1", "--disable-option", "tsize", "--server-timeout", "3"]));
        assert_eq!(plain, Options { block_size: Some(512), timeout: Some(3), ..Options::NONE });
    }

    #[test]
    fn times_follow_the_arguments() {
        let timing = timing(&args(&["--timeout", "10s", "--retries", "0"]));
        assert_eq!(timing.initial_timeout, Duration::from_secs(10));
        assert!(timing.max_timeout >= timing.initial_timeout);
        assert_eq!((timing.unproved_retries, timing.max_retries), (0, Some(0)));
    }

    #[test]
    fn a_mode_must_not_contradict_the_url() {
        let url = Remote::parse("tftp://h/a;mode=netascii", None).unwrap();
        let plain = Remote::parse("h", Some("a")).unwrap();
        assert_eq!(mode(&args(&[]), &plain), Ok(Mode::Octet));
        assert_eq!(mode(&args(&[]), &url), Ok(Mode::Netascii));
        assert_eq!(mode(&args(&["-m", "netascii"]), &plain), Ok(Mode::Netascii));
        assert!(mode(&args(&["-m", "octet"]), &url).is_err());
    }

    #[test]
    fn families_can_be_chosen() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        for (extra, four, six) in [
            (&[][..], true, true),
            (&["-4"], true, false),
            (&["-6"], false, true),
            (&["--local-address", "::1"], false, true),
        ] {
            let args = args(extra);
            assert_eq!((wanted(&args, v4), wanted(&args, v6)), (four, six), "{extra:?}");
        }
    }
}
