//! Files by client.

use std::net::SocketAddr;

use futures_lite::future::block_on;
#[cfg(feature = "networks")]
use tftp_driver::storage::layers::ByNetwork;
use tftp_driver::storage::layers::ClientDirs;
use tftp_driver::storage::{Context, Memory, StorageError, conformance};

use crate::support::{get_as, memory, put_as};

fn client(address: &str) -> SocketAddr {
    (address.parse::<std::net::IpAddr>().unwrap(), 2000).into()
}

#[test]
fn layers_by_client_conform() {
    let cx = Context::inline();
    let own = |policy| ClientDirs::new(Memory::builder().write_policy(policy).build());
    block_on(conformance::writable(own, &cx)).unwrap();
    let shared = |policy| ClientDirs::new(Memory::builder().write_policy(policy).build()).or_shared();
    block_on(conformance::writable(shared, &cx)).unwrap();
    #[cfg(feature = "networks")]
    {
        let by_network = |policy| {
            let network = "127.0.0.0/8".parse().unwrap();
            ByNetwork::new(Memory::new()).network(network, Memory::builder().write_policy(policy).build())
        };
        block_on(conformance::writable(by_network, &cx)).unwrap();
    }
}

#[test]
fn each_client_has_its_own_directory_and_then_what_all_have() {
    let files = memory(&[("192.0.2.1/boot", "one"), ("2001:db8::1/boot", "six"), ("boot", "all"), ("only", "all")]);
    let strict = ClientDirs::new(files.clone());
    let shared = strict.clone().or_shared();
    let (one, mapped, two, six) =
        (client("192.0.2.1"), client("::ffff:192.0.2.1"), client("192.0.2.2"), client("2001:db8::1"));
    for (client, own) in [(one, Some("one")), (mapped, Some("one")), (two, None), (six, Some("six"))] {
        assert_eq!(get_as(&strict, "/boot", client).ok().as_deref(), own, "{client}");
        assert_eq!(get_as(&shared, "/boot", client).unwrap(), own.unwrap_or("all"), "{client}");
        assert!(matches!(get_as(&strict, "only", client), Err(StorageError::NotFound)));
        assert_eq!(get_as(&shared, "\\only", client).unwrap(), "all");
    }
}

#[test]
fn uploads_go_to_a_clients_own_directory() {
    let files = memory(&[("boot", "all")]);
    let shared = ClientDirs::new(files.clone()).or_shared();
    put_as(&shared, "boot", "mine", client("192.0.2.7")).unwrap();
    assert_eq!(files.get("192.0.2.7/boot").unwrap(), "mine");
    assert_eq!(get_as(&shared, "boot", client("192.0.2.7")).unwrap(), "mine");
    assert_eq!(get_as(&shared, "boot", client("192.0.2.8")).unwrap(), "all");
}

#[test]
fn a_client_cannot_reach_anothers_directory() {
    let files = memory(&[("192.0.2.1/secret", "one's"), ("2001:db8::1/secret", "six's"), ("::1/secret", "local")]);
    for files in [ClientDirs::new(files.clone()), ClientDirs::new(files.clone()).or_shared()] {
        for name in [
            "192.0.2.1/secret",
            "/192.0.2.1/secret",
            "../192.0.2.1/secret",
            "..\\192.0.2.1\\secret",
            "./192.0.2.1//secret",
            "x/../../192.0.2.1/secret",
            "2001:db8::1/secret",
            "2001:DB8:0::1/secret",
            "::1/secret",
            "..",
            ".",
            "",
        ] {
            let other = client("192.0.2.2");
            assert!(get_as(&files, name, other).is_err(), "{name}");
            if name.contains("..") || name.len() < 2 {
                assert!(put_as(&files, name, "changed", other).is_err(), "{name}");
            }
        }
    }
    assert_eq!(files.get("192.0.2.1/secret").unwrap(), "one's");
}

#[cfg(feature = "networks")]
#[test]
fn the_smallest_network_that_a_client_is_in_counts() {
    let place = |name: &'static str| memory(&[("where", name)]);
    let files = ByNetwork::new(place("others"))
        .network("10.0.0.0/8".parse().unwrap(), place("ten"))
        .network("10.1.2.0/24".parse().unwrap(), place("rack"))
        .network("10.1.2.3/32".parse().unwrap(), place("host"))
        .network("10.1.0.0/16".parse().unwrap(), place("row"))
        .network("2001:db8::/32".parse().unwrap(), place("six"));
    for (address, expected) in [
        ("10.1.2.3", "host"),
        ("::ffff:10.1.2.3", "host"),
        ("10.1.2.4", "rack"),
        ("10.1.3.1", "row"),
        ("10.2.0.1", "ten"),
        ("11.0.0.1", "others"),
        ("2001:db8::7", "six"),
        ("2001:db9::7", "others"),
    ] {
        assert_eq!(get_as(&files, "where", client(address)).unwrap(), expected, "{address}");
        put_as(&files, "where", "changed", client(address)).unwrap();
        assert_eq!(get_as(&files, "where", client(address)).unwrap(), "changed", "{address}");
        put_as(&files, "where", expected, client(address)).unwrap();
    }
}
