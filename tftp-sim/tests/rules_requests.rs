//! Requests and admission, wrong transfer identifiers: what a server does before there is a transfer, and beside one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tftp_proto::endpoint::{Admission, Disposition, Event, Ignored, Limits, Outcome, Shutdown};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, address, server_config};
use tftp_sim::content;
use tftp_sim::node::Node;
use tftp_sim::packet::{ack, data, error, error_code, oack, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];

fn file() -> Vec<u8> {
    content::bytes(1, 2000)
}

fn server() -> Bench {
    let mut bench = Bench::server();
    bench.store().insert("f", file());
    bench.store().insert("g", b"other".to_vec());
    bench
}

#[test]
fn a_repeated_request_is_ignored_while_its_file_is_being_opened() {
    let mut bench = server();
    bench.store().script(JobKind::OpenRead, 0, Fate::After(Duration::from_millis(500)));
    assert_eq!(bench.say(PEER, SERVER, rrq("f", "octet", &[])), NONE);
    // PXELINUX repeats after 110 ms.
    bench.world.run_for(Duration::from_millis(110));
    assert_eq!(
        bench.deliver(PEER, SERVER, rrq("f", "octet", &[])),
        Some(Disposition::Ignored(Ignored::RepeatedRequest))
    );
    let answers = bench.wait(PEER, Duration::from_millis(500));
    assert_eq!(answers.len(), 1, "one answer");
    assert_eq!(bench.store().count(JobKind::OpenRead), 1);
    assert_eq!(bench.active(), 1);
}

#[test]
fn a_repeated_request_repeats_the_first_answer_from_the_same_port() {
    for (packet, expected) in [
        (rrq("f", "octet", &[("blksize", "1024")]), oack(&[("blksize", "1024")])),
        (rrq("f", "octet", &[]), data(1, &file()[..512])),
        (wrq("new", "octet", &[("blksize", "1024")]), oack(&[("blksize", "1024")])),
        (wrq("new", "octet", &[]), ack(0)),
    ] {
        let mut bench = server();
        let (tid, answer) = bench.request(PEER, packet.clone());
        assert_eq!(answer, expected);
        bench.world.run_for(Duration::from_millis(200));
        let (again, answer) = bench.request(PEER, packet.clone());
        assert_eq!((again, answer), (tid, expected));
        assert_eq!(bench.store().opens().count(), 1);
        assert_eq!(bench.active(), 1);
    }
}

#[test]
fn a_repeated_request_during_a_lively_transfer_is_ignored() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    bench.world.run_for(Duration::from_millis(999));
    bench.heard(PEER);
    // A request that was duplicated on its way.
    assert_eq!(bench.say(PEER, SERVER, rrq("f", "octet", &[])), NONE);
    assert_eq!(bench.say(PEER, tid, ack(2)), [data(3, &file()[1024..1536])]);
    assert_eq!(bench.store().opens().count(), 1);
}

#[test]
fn a_repeated_request_replaces_a_transfer_that_fell_silent() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    bench.world.run_for(Duration::from_secs(1));
    bench.heard(PEER);
    // U-Boot uses its source port again after a reset.
    let (again, answer) = bench.request(PEER, rrq("f", "octet", &[]));
    assert_eq!(answer, data(1, &file()[..512]));
    assert_ne!(again, tid, "another port, so that packets of the old transfer do not disturb the new one");
    assert_eq!(bench.outcomes(), [Outcome::Replaced]);
    assert_eq!(bench.active(), 1);
    assert_eq!(bench.say(PEER, again, ack(1)), [data(2, &file()[512..1024])]);
}

#[test]
fn a_different_request_replaces_at_once_on_another_socket() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    let (again, answer) = bench.request(PEER, rrq("g", "octet", &[]));
    assert_eq!(answer, data(1, b"other"));
    assert_ne!(again, tid);
    assert_eq!(bench.outcomes(), [Outcome::Replaced]);
    // Also when the first one was never answered, and with other options only.
    let (third, _) = bench.request(PEER, rrq("g", "octet", &[("blksize", "600")]));
    assert_ne!(third, again);
    assert_eq!(bench.outcomes(), [Outcome::Replaced, Outcome::Replaced]);
    bench.say(PEER, third, ack(0));
    bench.say(PEER, third, ack(1));
    bench.rest();
}

#[test]
fn a_different_request_takes_over_the_old_writers_claim() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[("blksize", "1024")]));
    bench.say(PEER, tid, data(1, &[1; 1024]));
    let (again, answer) = bench.request(PEER, wrq("up", "octet", &[]));
    assert_eq!(answer, ack(0), "not refused because of its own old transfer");
    assert_eq!(bench.say(PEER, again, data(1, b"new")), [ack(1)]);
    bench.rest();
    assert_eq!(bench.store().file("up"), Some(&b"new"[..]));
    assert_eq!(bench.outcomes().len(), 2);
    assert!(bench.outcomes().contains(&Outcome::Replaced) && bench.outcomes().contains(&Outcome::Completed));
}

#[test]
fn a_request_replaces_one_that_is_still_being_opened() {
    let mut bench = server();
    bench.store().script(JobKind::OpenRead, 0, Fate::After(Duration::from_secs(2)));
    assert_eq!(bench.say(PEER, SERVER, rrq("f", "octet", &[])), NONE);
    let (tid, answer) = bench.request(PEER, rrq("g", "octet", &[]));
    assert_eq!(answer, data(1, b"other"));
    bench.say(PEER, tid, ack(1));
    bench.rest();
    assert_eq!(bench.heard(PEER), NONE, "the late open is closed in silence");
    assert_eq!(bench.outcomes().len(), 2);
}

#[test]
fn two_clients_of_one_host_do_not_disturb_each_other() {
    let mut bench = server();
    let second = address([10, 0, 0, 2], 1025);
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    let (second_tid, _) = bench.request(second, rrq("f", "octet", &[]));
    assert_eq!(bench.say(PEER, tid, ack(1)), [data(2, &file()[512..1024])]);
    assert_eq!(bench.say(second, second_tid, ack(1)), [data(2, &file()[512..1024])]);
    assert_eq!(bench.heard(PEER), NONE);
}

//= rfc1350#section-7
//= type=test
//# If a request can not be granted, or some error occurs during the transfer, then an ERROR packet (opcode 5) is sent.
#[test]
fn at_a_limit_a_request_is_dropped_in_silence_and_counted() {
    let mut bench = Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { transfers: 2, ..Limits::default() }));
    });
    bench.store().insert("f", file());
    for host in 2..4 {
        let peer = address([10, 0, 0, host], 1024);
        let (tid, _) = bench.request(peer, rrq("f", "octet", &[]));
        bench.say(peer, tid, ack(1));
    }
    for host in 4..10 {
        let peer = address([10, 0, 0, host], 1024);
        assert_eq!(bench.deliver(peer, SERVER, rrq("f", "octet", &[])), Some(Disposition::Ignored(Ignored::Saturated)));
        assert_eq!(bench.heard(peer), NONE);
    }
    assert_eq!(bench.active(), 2);
    bench.world.run_for(Duration::from_secs(2));
    let told: u64 =
        bench.events().iter().map(|event| if let Event::Saturated { dropped } = event { *dropped } else { 0 }).sum();
    assert_eq!(told, 6);
    let summaries = bench.events().iter().filter(|event| matches!(event, Event::Saturated { .. })).count();
    assert!(summaries <= 2, "in summary, not one by one: {summaries}");
    // The ones that were admitted go on, and when they have ended others are served.
    bench.rest();
    bench.request(address([10, 0, 0, 9], 1024), rrq("f", "octet", &[]));
}

#[test]
fn unproved_transfers_are_evicted_oldest_first() {
    let mut bench = Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { transfers: 3, ..Limits::default() }));
    });
    bench.store().insert("f", file());
    let (honest_tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, honest_tid, ack(1));
    let forged = |port| address([198, 51, 100, 1], port);
    for port in 1000..1050 {
        bench.say(forged(port), SERVER, rrq("f", "octet", &[]));
    }
    assert!(bench.active() <= 3);
    assert_eq!(bench.say(PEER, honest_tid, ack(2)), [data(3, &file()[1024..1536])], "a proved one stays");
    let (tid, answer) = bench.request(OTHER, rrq("f", "octet", &[]));
    assert_eq!(answer, data(1, &file()[..512]), "a newcomer is served");
    assert_eq!(bench.say(OTHER, tid, ack(1)), [data(2, &file()[512..1024])]);
    bench.rest();
    assert_eq!(bench.reports().len(), bench.store().opens().count());
}

#[test]
fn forged_requests_do_not_lock_the_address_out_that_they_carry() {
    let same_host = |port| address([198, 51, 100, 1], port);
    let same_prefix = |port: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 1, 0, 0, 0, port], 2000));
    for forged in [&same_host as &dyn Fn(u16) -> SocketAddr, &same_prefix] {
        let mut bench = Bench::server_with(|config| {
            let limits = Limits { transfers: 200, per_network: 100, ..Limits::default() };
            config.admission = Arc::new(Admission::new(limits));
        });
        bench.store().insert("f", file());
        let (stranger_tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
        let mut ports = 1000..;
        let flood = |bench: &mut Bench, ports: &mut std::ops::RangeFrom<u16>| {
            for port in ports.take(1000) {
                bench.say(forged(port), SERVER, rrq("f", "octet", &[("timeout", "255")]));
            }
        };
        flood(&mut bench, &mut ports);
        assert_eq!(bench.active(), 101, "its own share, and no more");
        let honest = forged(9);
        let (tid, answer) = bench.request(honest, rrq("f", "octet", &[]));
        assert_eq!(answer, data(1, &file()[..512]));
        assert_eq!(bench.say(honest, tid, ack(1)), [data(2, &file()[512..1024])]);
        flood(&mut bench, &mut ports);
        assert_eq!(bench.say(honest, tid, ack(2)), [data(3, &file()[1024..1536])], "a proved one stays");
        let of_another = data(2, &file()[512..1024]);
        assert_eq!(
            bench.say(PEER, stranger_tid, ack(1)),
            [of_another],
            "unproved as it was, for it is of another network"
        );
        bench.rest();
        assert_eq!(bench.reports().len(), bench.store().opens().count());
    }
}

#[test]
fn where_a_network_has_its_share_the_oldest_of_its_own_gives_way() {
    let mut bench = Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { per_network: 20, ..Limits::default() }));
    });
    bench.store().insert("f", file());
    let peer = |port| address([198, 51, 100, 1], port);
    let request = |bench: &mut Bench, port| {
        let (tid, _) = bench.request(peer(port), rrq("f", "octet", &[]));
        bench.world.run_for(Duration::from_millis(1));
        tid
    };
    let tids: Vec<_> = (1..=20).map(|port| request(&mut bench, port)).collect();
    request(&mut bench, 21);
    let ended = bench.reports().iter().map(|report| (report.peer, report.outcome.clone())).collect::<Vec<_>>();
    assert_eq!(ended, [(peer(1), Outcome::Evicted)]);
    // Its answer was on the way. It asks again if it hears nothing; an ERROR could end it.
    assert_eq!(bench.say(peer(1), tids[0], ack(1)), NONE);
    bench.world.run_for(Duration::from_secs(5));
    assert_eq!(error_code(&bench.say(peer(1), tids[0], ack(1))[0]), Some(5));
}

#[test]
fn opens_in_flight_are_bounded_in_all_and_by_prefix() {
    let mut bench = Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { opening: 5, ..Limits::default() }));
    });
    for _ in 0..100 {
        bench.store().script(JobKind::OpenRead, 0, Fate::After(Duration::from_secs(1)));
    }
    for port in 1000..1100 {
        bench.say(address([10, 0, 0, 2], port), SERVER, rrq("f", "octet", &[]));
    }
    assert_eq!(bench.store().opens().count(), 5);
    bench.rest();

    let mut bench = Bench::server_with(|config| {
        config.admission = Arc::new(Admission::new(Limits { per_network: 5, ..Limits::default() }));
    });
    for _ in 0..100 {
        bench.store().script(JobKind::OpenRead, 0, Fate::After(Duration::from_secs(1)));
    }
    for port in 1000..1050 {
        bench.say(address([10, 0, 0, 2], port), SERVER, rrq("f", "octet", &[]));
    }
    assert_eq!(bench.store().opens().count(), 5, "of one network");
    bench.say(OTHER, SERVER, rrq("f", "octet", &[]));
    assert_eq!(bench.store().opens().count(), 6, "others are served");
    bench.rest();
}

#[test]
fn the_default_limits_admit_a_storm_of_ten_thousand() {
    let mut bench = server();
    for number in 0..10_000u16 {
        let [high, low] = number.to_be_bytes();
        let peer = address([10, 1, high, low], 2000);
        bench.world.deliver(&tftp_sim::network::Datagram { from: peer, to: SERVER, bytes: rrq("f", "octet", &[]) });
    }
    bench.world.settle();
    assert_eq!(bench.active(), 10_000);
    for number in 0..10_000u16 {
        let [high, low] = number.to_be_bytes();
        assert_eq!(bench.heard(address([10, 1, high, low], 2000)).len(), 1);
    }
}

#[test]
fn limits_are_shared_by_the_endpoints_of_one_server() {
    let admission = Arc::new(Admission::new(Limits { transfers: 3, ..Limits::default() }));
    let mut benches = [0, 1].map(|_| {
        let shared = Arc::clone(&admission);
        let mut bench = Bench::server_with(|config| config.admission = shared);
        bench.store().insert("f", file());
        bench
    });
    for host in 2..10 {
        let peer = address([10, 0, 0, host], 1024);
        let bench = &mut benches[usize::from(host % 2)];
        let mut answers = bench.world.take(peer);
        bench.world.send(peer, SERVER, rrq("f", "octet", &[]));
        bench.world.settle();
        answers.extend(bench.world.take(peer));
        if let Some(answer) = answers.first() {
            bench.say(peer, answer.from, ack(1));
        }
    }
    assert_eq!(admission.transfers(), 3);
    for mut bench in benches {
        bench.rest();
    }
    assert_eq!(admission.transfers(), 0, "everything was given back");
}

//= rfc1350#section-4
//= type=test
//# An error packet should be sent to the source of the incorrect packet, while not disturbing the transfer.
#[test]
fn a_wrong_tid_gets_error_5_once_a_second_only() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    let stranger = address([10, 0, 0, 2], 7777);
    let mut errors = 0;
    for _ in 0..100 {
        errors += bench.say(stranger, tid, ack(1)).len();
        bench.world.run_for(Duration::from_millis(10));
    }
    assert_eq!(errors, 1);
    assert_eq!(error_code(&bench.say(stranger, tid, ack(1))[0]), Some(5));
}

#[test]
fn strays_get_no_answer_from_a_server() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    let neighbour = address([10, 0, 0, 2], 7777);
    for packet in [data(1, b"x"), ack(1), oack(&[("blksize", "8")]), error(5, "")] {
        assert_eq!(bench.say(OTHER, tid, packet.clone()), NONE, "from a host without a transfer");
        assert_eq!(bench.say(OTHER, SERVER, packet.clone()), NONE, "on the listening port");
        assert_eq!(bench.say(neighbour, SERVER, packet.clone()), NONE, "on the listening port");
        assert_eq!(bench.say(PEER, SERVER, packet.clone()), NONE, "on the listening port, by a live peer");
    }
    for packet in [oack(&[("blksize", "8")]), error(5, ""), rrq("g", "octet", &[])] {
        assert_eq!(bench.say(neighbour, tid, packet), NONE, "only DATA and ACK are told");
    }
    assert_eq!(bench.say(PEER, tid, ack(1)), [data(2, &file()[512..1024])], "and the transfer goes on");
}

//= rfc1350#section-4
//= type=test
//# An error packet should be sent to the source of the incorrect packet, while not disturbing the transfer.
#[test]
fn a_single_port_server_serves_and_never_sends_error_5() {
    let mut bench = Bench::single_port_server();
    bench.store().insert("f", file());
    let (tid, answer) = bench.request(PEER, rrq("f", "octet", &[]));
    assert_eq!(tid, SERVER);
    assert_eq!(answer, data(1, &file()[..512]));
    let neighbour = address([10, 0, 0, 2], 7777);
    for packet in [data(1, b"x"), ack(1)] {
        assert_eq!(bench.say(neighbour, SERVER, packet), NONE);
    }
    let (tid, answer) = bench.request(neighbour, wrq("up", "octet", &[]));
    assert_eq!((tid, answer), (SERVER, ack(0)));
    assert_eq!(bench.say(neighbour, SERVER, data(1, b"up")), [ack(1)]);
    for block in 1..4u16 {
        let start = usize::from(block) * 512;
        assert_eq!(bench.say(PEER, SERVER, ack(block)), [data(block + 1, &file()[start..2000.min(start + 512)])]);
    }
    bench.say(PEER, SERVER, ack(4));
    assert_eq!(bench.outcomes(), [Outcome::Completed, Outcome::Completed]);
    bench.rest();
}

//= rfc1350#section-4
//= type=test
//# The TID's chosen for a connection should be randomly chosen, so that the probability that the same number is chosen
//# twice in immediate succession is very low.
#[test]
fn successive_transfers_of_one_peer_never_share_a_socket() {
    let mut bench = server();
    let mut last = SERVER;
    for _ in 0..50 {
        let (tid, _) = bench.request(PEER, rrq("g", "octet", &[]));
        assert_ne!(tid, last);
        last = tid;
        bench.say(PEER, tid, ack(1));
    }
    assert_eq!(bench.outcomes().len(), 50);
}

#[test]
fn not_even_when_there_are_two_and_others_take_their_turn_between() {
    // However the transfers end: a copy of the last packet may come late.
    let ends: [fn() -> Vec<u8>; 3] = [|| ack(1), || error(0, "aborted"), || error(8, "User aborted the transfer")];
    for end in ends {
        let (config, addresses) = server_config(Ipv4Addr::new(10, 0, 0, 1), 2);
        let mut bench = Bench::of(Node::new(config, addresses, 1));
        bench.store().insert("g", b"x".to_vec());
        let mut last = SERVER;
        for round in 0..50 {
            let (tid, _) = bench.request(PEER, rrq("g", "octet", &[]));
            assert_ne!(tid, last, "round {round}");
            last = tid;
            bench.say(PEER, tid, end());
            // None, one or two others, each of them a stranger.
            for other in 0..round % 3 {
                let other = address([10, 0, 1, round], 1024 + u16::from(other));
                let (tid, _) = bench.request(other, rrq("g", "octet", &[]));
                bench.say(other, tid, ack(1));
            }
        }
        bench.rest();
    }
}

#[test]
fn answers_leave_from_the_address_that_was_asked() {
    let mut bench = server();
    bench.world.send(PEER, SERVER, rrq("f", "octet", &[]));
    bench.world.settle();
    assert_eq!(bench.world.take(PEER)[0].from.ip(), SERVER.ip());
    assert_eq!(bench.store().opens().next().unwrap().local_ip, Some(SERVER.ip()));
}

//= rfc1350#section-3
//= type=test
//# The transfer identifiers (TID's) used by TFTP are passed to the Datagram layer to be used as ports; therefore they
//# must be between 0 and 65,535.
#[test]
fn nothing_is_sent_to_port_0_nor_to_a_source_that_is_no_unicast_address() {
    for source in [
        address([10, 0, 0, 2], 0),
        address([255, 255, 255, 255], 1024),
        address([224, 0, 0, 1], 1024),
        address([0, 0, 0, 0], 1024),
    ] {
        let mut bench = server();
        for packet in
            [rrq("f", "octet", &[]), rrq("absent", "octet", &[]), wrq("new", "octet", &[]), rrq("f", "mail", &[])]
        {
            let disposition = bench.deliver(source, SERVER, packet);
            assert_eq!(disposition, Some(Disposition::Ignored(Ignored::BadSource)), "{source}");
        }
        assert_eq!(bench.world.bytes_sent(), 0);
        assert_eq!(bench.active(), 0);
    }
}

#[test]
fn a_graceful_shutdown_ends_transfers_takes_no_new_ones_and_finishes() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.world.shutdown(0, Shutdown::Graceful);
    assert_eq!(bench.say(OTHER, SERVER, rrq("f", "octet", &[])), NONE);
    for block in 1..=4 {
        bench.say(PEER, tid, ack(block));
    }
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    bench.rest();
    assert!(bench.node().is_finished());
}

#[test]
fn a_graceful_shutdown_waits_one_interval_at_most_for_those_who_dally() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"x"));
    bench.world.shutdown(0, Shutdown::Graceful);
    let start = bench.now();
    bench.rest();
    assert!(bench.node().is_finished());
    assert!(bench.now() - start <= Duration::from_secs(3), "{:?}", bench.now() - start);
}

#[test]
fn an_idle_endpoint_shuts_down_at_once() {
    for how in [Shutdown::Graceful, Shutdown::Immediate] {
        let mut bench = server();
        bench.world.shutdown(0, how);
        bench.world.settle();
        assert!(bench.node().is_finished());
    }
}

#[test]
fn an_immediate_shutdown_tells_peers_and_leaves_no_partial_file() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    let (up, _) = bench.request(OTHER, wrq("up", "octet", &[]));
    bench.say(OTHER, up, data(1, &[1; 512]));
    bench.world.shutdown(0, Shutdown::Immediate);
    bench.rest();
    assert!(error_code(&bench.heard(PEER)[0]).is_some());
    assert!(error_code(&bench.heard(OTHER)[0]).is_some());
    assert_eq!(bench.outcomes(), [Outcome::ShutDown, Outcome::ShutDown]);
    assert_eq!(bench.store().file("up"), None);
    assert!(bench.node().is_finished());
}

#[test]
fn a_shutdown_is_never_taken_back() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"x"));
    bench.world.shutdown(0, Shutdown::Immediate);
    bench.world.settle();
    assert!(bench.node().is_finished());
    // The world would not bear that it waits again.
    bench.world.shutdown(0, Shutdown::Graceful);
    bench.world.settle();

    let mut bench = server();
    let (tid, _) = bench.request(PEER, wrq("up", "octet", &[]));
    bench.say(PEER, tid, data(1, b"x"));
    for _ in 0..40 {
        bench.world.shutdown(0, Shutdown::Graceful);
        bench.world.run_for(Duration::from_millis(100));
    }
    assert!(bench.node().is_finished(), "however often it is said");
}

#[test]
fn a_cancelled_transfer_tells_its_peer_error_0() {
    let mut bench = server();
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    let id = bench.store().log()[0].id;
    bench.world.cancel(0, id);
    bench.world.settle();
    assert_eq!(error_code(&bench.heard(PEER)[0]), Some(0));
    assert_eq!(bench.outcomes(), [Outcome::Cancelled]);
    // Again, and with an identifier of the past: nothing.
    bench.world.cancel(0, id);
    bench.rest();
    assert_eq!(bench.heard(PEER), NONE);
}
