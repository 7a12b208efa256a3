//! The client role: which addresses it asks and which answers it takes.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::endpoint::{ClientRequest, Event, Outcome, Role, Shutdown, SocketRole, StartError};
use tftp_proto::wire::{Direction, ErrorCode, Options};
use tftp_sim::bench::{Bench, OTHER, SERVER, TID, US, address, ask};
use tftp_sim::content;
use tftp_sim::ms;
use tftp_sim::packet::{ack, data, error, error_code, oack, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];
const SECOND_SERVER: std::net::SocketAddr = address([10, 0, 0, 9], 69);
const SECOND_TID: std::net::SocketAddr = address([10, 0, 0, 9], 50_009);

fn two_servers(direction: Direction) -> ClientRequest {
    let mut request = ask(0, SERVER, direction, "f");
    request.servers.push((1, SECOND_SERVER));
    request.timing.unproved_retries = 1;
    request
}

#[test]
fn the_next_address_is_tried_after_unanswered_requests() {
    let mut bench = Bench::client();
    let id = bench.start(two_servers(Direction::Read), None);
    bench.world.run_for(Duration::from_secs(4));
    assert_eq!(bench.heard(SERVER).len(), 2);
    let asked = bench.world.take(SECOND_SERVER);
    assert_eq!(asked[0].bytes, rrq("f", "octet", &[]));
    let us = asked[0].from;
    assert_eq!(us, address([10, 0, 0, 2], 40_001), "from the socket that goes with it");
    assert_eq!(bench.say(SECOND_TID, us, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"x"[..]));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert_eq!(bench.reports()[0].peer.ip(), SECOND_SERVER.ip());
    bench.rest();
}

#[test]
fn when_no_address_answers_it_is_one_timeout() {
    let mut bench = Bench::client();
    bench.start(two_servers(Direction::Write), Some(b"x".to_vec()));
    bench.rest();
    assert_eq!(bench.heard(SERVER).len(), 2);
    assert_eq!(bench.heard(SECOND_SERVER).len(), 2);
    assert_eq!(bench.outcomes(), [Outcome::TimedOut]);
}

#[test]
fn an_error_is_an_answer_and_the_next_address_is_not_tried() {
    let mut bench = Bench::client();
    bench.start(two_servers(Direction::Read), None);
    bench.say(TID, US, error(1, "no such file"));
    bench.rest();
    assert_eq!(bench.heard(SECOND_SERVER), NONE);
    assert!(matches!(bench.outcomes()[..], [Outcome::PeerError { code: ErrorCode::FileNotFound, .. }]));
}

//= rfc1350#section-4
//= type=test
//# If a source TID does not match, the packet should be discarded as erroneously sent from somewhere else.
#[test]
fn answers_come_from_any_port_of_the_asked_address_only() {
    let mut bench = Bench::client();
    let id = bench.start(ask(0, SERVER, Direction::Read, "f"), None);
    let forged = address([10, 0, 0, 66], 69);
    let answers = bench.say(forged, US, data(1, b"evil"));
    assert!(answers.iter().all(|answer| error_code(answer) == Some(5)), "told, or not at all: {answers:?}");
    assert_eq!(bench.say(forged, US, error(1, "no such file")), NONE);
    assert_eq!(bench.outcomes(), [], "and it ends nothing");
    assert_eq!(bench.say(TID, US, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"x"[..]));
}

#[test]
fn answers_from_another_address_are_taken_if_told_so() {
    let mut bench = Bench::client();
    let id = bench.start(ClientRequest { accept_any_source: true, ..ask(0, SERVER, Direction::Read, "f") }, None);
    let elsewhere = address([10, 0, 0, 66], 5000);
    assert_eq!(bench.say(elsewhere, US, data(1, &[1; 512])), [ack(1)]);
    assert_eq!(error_code(&bench.say(TID, US, data(2, b"evil"))[0]), Some(5), "then only from there");
    assert_eq!(bench.say(elsewhere, US, data(2, b"x")), [ack(2)]);
    assert_eq!(bench.store().received(id).map(<[u8]>::len), Some(513));
}

#[test]
fn error_5_to_strangers_is_rate_limited() {
    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    bench.say(TID, US, data(1, &[1; 512]));
    let mut errors = 0;
    for port in 0..100 {
        let stranger = address([10, 0, 0, 1], 3000 + port);
        for packet in [data(2, b"evil"), ack(1), oack(&[])] {
            errors += bench.say(stranger, US, packet).len();
        }
        bench.world.run_for(Duration::from_millis(5));
    }
    bench.heard(TID);
    assert!((1..=10).contains(&errors), "{errors} errors in half a second");
    assert_eq!(bench.say(TID, US, data(2, b"x")), [ack(2)]);
}

#[test]
fn strangers_get_nothing_for_error_and_requests() {
    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    bench.say(TID, US, data(1, &[1; 512]));
    for packet in [error(5, "unknown"), rrq("f", "octet", &[]), wrq("f", "octet", &[])] {
        assert_eq!(bench.say(OTHER, US, packet.clone()), NONE);
        assert_eq!(bench.say(address([10, 0, 0, 1], 7777), US, packet), NONE);
    }
    assert_eq!(bench.say(TID, US, data(2, b"x")), [ack(2)]);
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
}

//= rfc1350#section-4
//= type=test
//# The two chosen TID's are then used for the remainder of the transfer.
//= rfc1350#section-4
//= type=test
//# When the second response to the request arrives, it should be rejected, but there is no reason to terminate the
//# first connection.
#[test]
fn the_first_answer_fixes_the_servers_port() {
    // The request was duplicated on its way, and two transfers answer.
    let mut bench = Bench::client();
    let id = bench.get("f", Options { block_size: Some(1024), ..Options::NONE });
    let twin = address([10, 0, 0, 1], 50_002);
    assert_eq!(bench.say(TID, US, oack(&[("blksize", "1024")])), [ack(0)]);
    assert_eq!(error_code(&bench.say(twin, US, oack(&[("blksize", "1024")]))[0]), Some(5));
    assert_eq!(bench.say(TID, US, data(1, b"x")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"x"[..]));
}

#[test]
fn a_repeated_oack_is_answered_again_until_data_comes() {
    let mut bench = Bench::client();
    bench.get("f", Options { block_size: Some(1024), ..Options::NONE });
    let answer = oack(&[("blksize", "1024")]);
    assert_eq!(bench.say(TID, US, answer.clone()), [ack(0)]);
    assert_eq!(bench.say(TID, US, answer.clone()), [ack(0)], "the first was lost");
    assert_eq!(bench.say(TID, US, data(1, &[1; 1024])), [ack(1)]);
    assert_eq!(bench.say(TID, US, answer), NONE, "a late copy");
}

#[test]
fn a_put_ignores_a_repeated_oack() {
    let mut bench = Bench::client();
    bench.put("f", Options { block_size: Some(1024), ..Options::NONE }, content::bytes(1, 5000));
    let answer = oack(&[("blksize", "1024")]);
    assert_eq!(bench.say(TID, US, answer.clone()).len(), 1);
    assert_eq!(bench.say(TID, US, answer), NONE);
    assert_eq!(bench.say(TID, US, ack(1)).len(), 1);
}

#[test]
fn a_request_needs_a_free_client_socket() {
    let mut bench = Bench::client();
    bench.start(ask(0, SERVER, Direction::Read, "f"), None);
    let now = bench.now();
    let endpoint = &mut bench.node().endpoint;
    assert_eq!(endpoint.start(now, ask(0, SERVER, Direction::Read, "g")), Err(StartError::NoServer), "in use");
    assert_eq!(endpoint.start(now, ask(99, SERVER, Direction::Read, "g")), Err(StartError::NoServer), "none such");
    let none = ClientRequest { servers: Vec::new(), ..ask(0, SERVER, Direction::Read, "g") };
    assert_eq!(endpoint.start(now, none), Err(StartError::NoServer));
    let mut server = Bench::server();
    assert_eq!(server.world.nodes[0].sockets().len(), 5);
    let endpoint = &mut server.node().endpoint;
    assert_eq!(endpoint.start(now, ask(0, SERVER, Direction::Read, "g")), Err(StartError::NoServer), "a listener");
}

#[test]
fn a_socket_for_a_later_attempt_is_not_free_either() {
    let mut bench = Bench::client();
    bench.start(two_servers(Direction::Read), None);
    let now = bench.now();
    let other = bench.node().endpoint.start(now, ask(1, SERVER, Direction::Read, "g"));
    assert_eq!(other, Err(StartError::NoServer));
}

#[test]
fn transfers_on_different_sockets_run_at_once() {
    let mut bench = Bench::client();
    let ids = [0, 1, 2].map(|socket| bench.start(ask(socket, SERVER, Direction::Read, "f"), None));
    for (number, id) in (0..).zip(ids) {
        let us = address([10, 0, 0, 2], 40_000 + number);
        assert_eq!(bench.say(TID, us, data(1, &[1; 512])), [ack(1)]);
        assert_eq!(bench.node().endpoint.transferred(id), Some(512));
    }
    for number in 0..3 {
        assert_eq!(bench.say(TID, address([10, 0, 0, 2], 40_000 + number), data(2, b"x")), [ack(2)]);
    }
    assert_eq!(bench.outcomes(), vec![Outcome::Completed; 3]);
    bench.rest();
}

#[test]
fn cancelling_sends_error_0_and_aborts() {
    let mut bench = Bench::client();
    let id = bench.get("f", Options::NONE);
    bench.say(TID, US, data(1, &[1; 512]));
    bench.world.cancel(0, id);
    bench.world.settle();
    assert_eq!(error_code(&bench.heard(TID)[0]), Some(0));
    assert_eq!(bench.outcomes(), [Outcome::Cancelled]);
    assert_eq!(bench.store().received(id), None);
    bench.rest();
    // Before any answer there is nobody to tell.
    let mut bench = Bench::client();
    let id = bench.get("f", Options::NONE);
    bench.heard(SERVER);
    bench.world.cancel(0, id);
    bench.rest();
    assert_eq!(bench.heard(SERVER), NONE);
    assert_eq!(bench.outcomes(), [Outcome::Cancelled]);
}

#[test]
fn after_the_end_a_graceful_shutdown_dallies_one_interval_at_most() {
    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    bench.world.run_for(ms(20));
    bench.say(TID, US, data(1, b"x"));
    assert_eq!(bench.outcomes(), [Outcome::Completed], "the event does not wait for it");
    bench.world.shutdown(0, Shutdown::Graceful);
    bench.world.settle();
    assert_eq!(bench.say(TID, US, data(1, b"x")), [ack(1)], "a lost final ACK is repeated meanwhile");
    let start = bench.now();
    bench.rest();
    assert!(bench.node().is_finished());
    assert!(bench.now() - start <= Duration::from_secs(3));
}

#[test]
fn after_a_put_there_is_nothing_to_wait_for() {
    let mut bench = Bench::client();
    bench.put("f", Options::NONE, b"x".to_vec());
    bench.say(TID, US, ack(0));
    bench.say(TID, US, ack(1));
    bench.world.shutdown(0, Shutdown::Graceful);
    bench.world.settle();
    assert!(bench.node().is_finished());
}

#[test]
fn nothing_starts_after_a_shutdown() {
    let mut bench = Bench::client();
    let now = bench.now();
    let endpoint = &mut bench.node().endpoint;
    endpoint.shutdown(now, Shutdown::Graceful);
    assert_eq!(endpoint.start(now, ask(0, SERVER, Direction::Read, "f")), Err(StartError::ShutDown));
}

#[test]
fn the_parameters_are_told_when_the_server_has_answered() {
    let mut bench = Bench::client();
    bench.get("f", Options { transfer_size: Some(0), block_size: Some(1024), ..Options::NONE });
    assert!(bench.events().is_empty());
    bench.say(TID, US, oack(&[("tsize", "1500"), ("blksize", "1024")]));
    let [Event::Established { parameters, .. }] = bench.events() else { panic!("{:?}", bench.events()) };
    assert_eq!((parameters.transfer_size, parameters.block_size), (Some(1500), 1024));
    bench.say(TID, US, data(1, &[1; 1024]));
    bench.say(TID, US, data(2, &[1; 476]));
    let report = &bench.reports()[0];
    assert_eq!((report.role, report.direction, report.bytes), (Role::Client, Direction::Read, 1500));
    assert_eq!(report.filename, b"f");
}

#[test]
fn what_is_received_is_gathered_into_writes_of_a_size_while_its_blocks_are_acknowledged() {
    let mut bench = Bench::client();
    let id = bench.start(ClientRequest { gather: 1200, ..ask(0, SERVER, Direction::Read, "f") }, None);
    let content = content::bytes(1, 512 * 6 + 7);
    for (number, block) in (1..).zip(content.chunks(512)) {
        if number > 1 {
            assert_eq!(bench.node().endpoint.transferred(id), Some(512 * u64::from(number - 1)));
        }
        assert_eq!(bench.say(TID, US, data(number, block)), [ack(number)]);
    }
    assert_eq!(bench.store().received(id), Some(&content[..]));
    let writes: Vec<_> = bench.store().log().iter().filter_map(|asked| asked.range).collect();
    assert_eq!(writes, [(0, 1536), (1536, 1536), (3072, 7)]);
    bench.rest();
}

#[test]
fn the_block_that_completes_a_write_is_acknowledged_at_once_and_the_next_when_storage_has_it() {
    let mut bench = Bench::client();
    bench.store().script(JobKind::Write, 0, Fate::After(Duration::from_millis(30)));
    let _ = bench.start(ClientRequest { gather: 1200, ..ask(0, SERVER, Direction::Read, "f") }, None);
    for number in 1..=3 {
        assert_eq!(bench.say(TID, US, data(number, &[7; 512])), [ack(number)]);
    }
    assert_eq!(bench.say(TID, US, data(4, &[7; 512])), NONE);
    bench.world.run_for(ms(30));
    assert_eq!(bench.heard(TID), [ack(4)]);
}

#[test]
fn what_a_get_had_gathered_is_reported_when_it_fails() {
    let mut bench = Bench::client();
    let _ = bench.start(ClientRequest { gather: 1200, ..ask(0, SERVER, Direction::Read, "f") }, None);
    assert_eq!(bench.say(TID, US, data(1, &[7; 512])), [ack(1)]);
    assert_eq!(bench.say(TID, US, error(0, "enough")), NONE);
    assert_eq!(bench.reports()[0].bytes, 512);
}

#[test]
fn both_roles_live_in_one_endpoint() {
    let mut bench = Bench::server_with(|config| {
        let last = config.sockets.len() - 1;
        config.sockets[last] = SocketRole::Client;
    });
    bench.store().insert("f", b"served".to_vec());
    let us = bench.node().sockets()[4];
    let far = address([10, 0, 0, 9], 69);
    let id = bench.start(ask(4, far, Direction::Read, "g"), None);
    assert_eq!(bench.heard(far), [rrq("g", "octet", &[])]);
    let (_, answer) = bench.request(OTHER, rrq("f", "octet", &[]));
    assert_eq!(answer, data(1, b"served"));
    assert_eq!(bench.say(SECOND_TID, us, data(1, b"got")), [ack(1)]);
    assert_eq!(bench.store().received(id), Some(&b"got"[..]));
    bench.rest();
}
