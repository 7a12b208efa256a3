//! RFC 1123 §4.2, rule by rule.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::net::IpAddr;
use std::time::Duration;

use tftp_proto::config::Timing;
use tftp_proto::endpoint::{FailureKind, Outcome, StartError};
use tftp_proto::wire::{Direction, ErrorCode, Mode, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, address, ask};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error_code, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];

//= rfc1350#section-1
//= type=test
//# The mail mode is obsolete and should not be implemented or used.
//= rfc1123#section-4.2.2.1
//= type=test
//# no mail
#[test]
fn section_4_2_2_1_mail_is_refused() {
    for packet in [rrq("f", "mail", &[]), wrq("f", "MAIL", &[])] {
        let mut bench = Bench::server();
        bench.store().insert("f", b"x".to_vec());
        let (_, answer) = bench.request(PEER, packet);
        assert!(error_code(&answer).is_some());
        assert_eq!(bench.store().log().len(), 0, "storage is not even asked");
        assert!(matches!(bench.outcomes()[..], [Outcome::Refused { .. }]));
        bench.rest();
    }
    let mut bench = Bench::client();
    for direction in [Direction::Read, Direction::Write] {
        let mut request = ask(0, SERVER, direction, "f");
        request.mode = Mode::Mail;
        assert_eq!(
            bench.node().endpoint.start(tftp_proto::Instant::from_micros(9), request),
            Err(StartError::MailMode)
        );
    }
}

//= rfc1123#section-4.2.3.1
//= type=test
//# MUST NOT resend DATA for a duplicate ACK
#[test]
fn section_4_2_3_1_a_server_never_resends_data_for_a_duplicate_ack() {
    let file = content::bytes(1, 5 * 512 + 1);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, first) = bench.request(PEER, rrq("f", "octet", &[]));
    assert_eq!(first, data(1, &file[..512]));
    for block in 1..=5u16 {
        assert_eq!(bench.say(PEER, tid, ack(block)).len(), 1);
        for copy in 0..3 {
            assert_eq!(bench.say(PEER, tid, ack(block)), NONE, "copy {copy} of ACK {block}");
            assert_eq!(bench.say(PEER, tid, ack(block - 1)), NONE, "older still");
        }
    }
    bench.say(PEER, tid, ack(6));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert_eq!(bench.reports()[0].stats.retransmissions, 0);
}

//= rfc1123#section-4.2.3.1
//= type=test
//# MUST NOT resend DATA for a duplicate ACK
#[test]
fn section_4_2_3_1_a_client_never_resends_data_for_a_duplicate_ack() {
    let mut bench = Bench::client();
    bench.put("f", Options::NONE, content::bytes(1, 5 * 512 + 1));
    for block in 0..=5u16 {
        assert_eq!(bench.say(TID, US, ack(block)).len(), 1);
        for copy in 0..3 {
            assert_eq!(bench.say(TID, US, ack(block)), NONE, "copy {copy} of ACK {block}");
        }
    }
    bench.say(TID, US, ack(6));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
}

#[test]
fn section_4_2_3_1_a_receiver_does_acknowledge_duplicate_data() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("f", "octet", &[]));
    for block in 1..=3 {
        for _ in 0..3 {
            assert_eq!(bench.say(PEER, tid, data(block, &[1; 512])), [ack(block)]);
        }
    }
    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    for block in 1..=3 {
        for _ in 0..3 {
            assert_eq!(bench.say(TID, US, data(block, &[1; 512])), [ack(block)]);
        }
    }
}

/// Each interval is at least twice the one before (a jitter may lengthen any of them by an eighth) until the cap.
fn doubles(times: &[(Duration, Vec<u8>)], repeated: &[u8]) {
    assert!(times.len() >= 4, "{} repeats", times.len());
    assert!(times.iter().all(|(_, bytes)| bytes == repeated));
    let cap = Timing::default().max_timeout;
    let mut last = Duration::ZERO;
    let mut interval = None::<Duration>;
    for (at, _) in times {
        let next = *at - last;
        if let Some(interval) = interval {
            assert!(next + Duration::from_micros(1) >= (interval * 2 * 8 / 9).min(cap), "{next:?} after {interval:?}");
        }
        assert!(next <= cap * 9 / 8 || last.is_zero(), "{next:?} is above the cap");
        interval = Some(next);
        last = *at;
    }
}

//= rfc1123#section-4.2.3.2
//= type=test
//# MUST adapt the timeout (at least exponential backoff)
#[test]
fn section_4_2_3_2_the_timeout_of_a_sender_backs_off_exponentially() {
    let file = content::bytes(1, 2000);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    let repeats = bench.wait(PEER, Duration::from_secs(29));
    doubles(&repeats, &data(2, &file[512..1024]));
    let mut bench = Bench::client();
    bench.put("f", Options::NONE, file.clone());
    bench.say(TID, US, ack(0));
    bench.say(TID, US, ack(1));
    let repeats = bench.wait(TID, Duration::from_secs(29));
    doubles(&repeats, &data(2, &file[512..1024]));
}

//= rfc1123#section-4.2.3.2
//= type=test
//# MUST adapt the timeout (at least exponential backoff)
#[test]
fn section_4_2_3_2_the_timeout_of_a_receiver_and_of_a_request_backs_off_exponentially() {
    let mut bench = Bench::server();
    let (tid, _) = bench.request(PEER, wrq("f", "octet", &[]));
    bench.say(PEER, tid, data(1, &[1; 512]));
    doubles(&bench.wait(PEER, Duration::from_secs(29)), &ack(1));
    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    bench.heard(SERVER);
    doubles(&bench.wait(SERVER, Duration::from_secs(29)), &rrq("f", "octet", &[]));
}

//= rfc1123#section-4.2.3.2
//= type=test
//# MUST adapt the timeout (at least exponential backoff)
#[test]
fn section_4_2_3_2_the_timeout_adapts_to_the_round_trip() {
    // A peer that always takes 900 ms: once that is known, nothing is sent twice.
    let file = content::bytes(1, 512 * 30);
    let mut bench = Bench::server();
    bench.store().insert("f", file.clone());
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    let mut sent = Vec::new();
    for block in 1..=31 {
        sent.extend(bench.wait(PEER, Duration::from_millis(900)));
        bench.world.send(PEER, tid, ack(block));
    }
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    assert!(bench.reports()[0].stats.retransmissions <= 1, "{:?}", bench.reports()[0].stats);
    // A peer that answers at once: the first repeat comes well before the initial second.
    let mut bench = Bench::server();
    bench.store().insert("f", file);
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &[]));
    for block in 1..=10 {
        bench.world.run_for(Duration::from_millis(2));
        bench.say(PEER, tid, ack(block));
    }
    let repeats = bench.wait(PEER, Duration::from_secs(5));
    assert!(repeats[0].0 < Duration::from_millis(300), "{:?}", repeats[0].0);
}

//= rfc1123#section-4.2.3.4
//= type=test
//# configurable access control
#[test]
fn section_4_2_3_4_access_control_decides_by_name_peer_and_address_asked() {
    let mut bench = Bench::server();
    bench.store().script(JobKind::OpenRead, 0, Fate::Fails(Duration::ZERO, FailureKind::AccessDenied));
    bench.store().script(JobKind::OpenWrite, 0, Fate::Fails(Duration::ZERO, FailureKind::AccessDenied));
    assert_eq!(error_code(&bench.request(PEER, rrq("f", "octet", &[])).1), Some(2));
    assert_eq!(error_code(&bench.request(OTHER, wrq("f", "octet", &[])).1), Some(2));
    let opens: Vec<_> = bench.store().opens().cloned().collect();
    assert_eq!((opens[0].peer, opens[1].peer), (PEER, OTHER));
    assert_eq!(opens[0].local_ip, Some(SERVER.ip()));
    assert_eq!(opens[0].filename, b"f");
    let refused = Outcome::StorageFailed {
        kind: FailureKind::AccessDenied,
        code: ErrorCode::AccessViolation,
        detail: "/secret/path of the store".into(),
    };
    assert_eq!(bench.outcomes(), [refused.clone(), refused]);
    bench.rest();
}

//= rfc1123#section-4.2.3.5
//= type=test
//# requests to a broadcast address SHOULD be ignored
#[test]
fn section_4_2_3_5_requests_to_a_broadcast_address_are_ignored() {
    for ip in ["255.255.255.255", "224.0.0.1", "239.1.2.3"] {
        let to = std::net::SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 69);
        for packet in [rrq("f", "octet", &[]), wrq("g", "octet", &[]), rrq("absent", "octet", &[])] {
            let mut bench = Bench::server();
            bench.store().insert("f", b"x".to_vec());
            assert_eq!(bench.say(PEER, to, packet), NONE, "{ip}");
            assert_eq!(bench.store().log().len(), 0);
            bench.rest();
        }
    }
}

//= rfc1123#section-4.2.3.5
//= type=test
//# requests to a broadcast address SHOULD be ignored
#[test]
fn section_4_2_3_5_a_setting_answers_requests_to_a_broadcast_address_from_our_own() {
    let mut bench = Bench::server_with(|config| config.answer_broadcasts = true);
    bench.store().insert("f", b"x".to_vec());
    bench.world.send(PEER, address([255, 255, 255, 255], 69), rrq("f", "octet", &[]));
    bench.world.settle();
    let arrivals = bench.world.take(PEER);
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].bytes, data(1, b"x"));
    assert_eq!(arrivals[0].from.ip(), SERVER.ip(), "never from the broadcast address");
}

/// Text whose line ends and carriage returns fall on every place of a block of 512.
fn text() -> Vec<u8> {
    let mut text = content::text(3, 4000);
    text[510] = b'\n';
    text[511] = b'\r';
    text[512] = b'\n';
    text.push(b'\r');
    text
}

//= rfc1123#section-4.2.4
//= type=test
//# octet and netascii MUST both work
#[test]
fn section_4_2_4_a_server_reads_out_octet_and_netascii() {
    for (mode, wire) in [("octet", text()), ("netascii", content::to_netascii(&text()))] {
        let mut bench = Bench::server();
        bench.store().insert("f", text());
        let (tid, mut answer) = bench.request(PEER, rrq("f", mode, &[]));
        for (block, payload) in (1..).zip(wire.chunks(512)) {
            assert_eq!(answer, data(block, payload), "{mode}");
            answer = bench.say(PEER, tid, ack(block)).pop().unwrap_or_default();
        }
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
        bench.rest();
    }
}

//= rfc1350#section-5
//= type=test
//# A host which receives netascii mode data must translate the data to its own format.
//= rfc1123#section-4.2.4
//= type=test
//# octet and netascii MUST both work
#[test]
fn section_4_2_4_a_server_takes_in_octet_and_netascii() {
    for (mode, wire) in [("octet", text()), ("netascii", content::to_netascii(&text()))] {
        let mut bench = Bench::server();
        let (tid, _) = bench.request(PEER, wrq("f", mode, &[]));
        for (block, payload) in (1..).zip(wire.chunks(512)) {
            assert_eq!(bench.say(PEER, tid, data(block, payload)), [ack(block)], "{mode}");
        }
        assert_eq!(bench.store().file("f"), Some(&text()[..]), "{mode}");
        bench.rest();
    }
}

//= rfc1350#section-5
//= type=test
//# A host which receives netascii mode data must translate the data to its own format.
//= rfc1123#section-4.2.4
//= type=test
//# octet and netascii MUST both work
#[test]
fn section_4_2_4_a_client_gets_and_puts_octet_and_netascii() {
    for (mode, wire) in [(Mode::Octet, text()), (Mode::Netascii, content::to_netascii(&text()))] {
        let mut bench = Bench::client();
        let mut request = ask(0, SERVER, Direction::Read, "f");
        request.mode = mode;
        let id = bench.start(request, None);
        assert_eq!(bench.heard(SERVER), [rrq("f", mode.name(), &[])]);
        for (block, payload) in (1..).zip(wire.chunks(512)) {
            assert_eq!(bench.say(TID, US, data(block, payload)), [ack(block)]);
        }
        assert_eq!(bench.store().received(id), Some(&text()[..]));
        bench.rest();

        let mut bench = Bench::client();
        let mut request = ask(0, SERVER, Direction::Write, "f");
        request.mode = mode;
        bench.start(request, Some(text()));
        assert_eq!(bench.heard(SERVER), [wrq("f", mode.name(), &[])]);
        for (block, payload) in (1..).zip(wire.chunks(512)) {
            assert_eq!(bench.say(TID, US, ack(block - 1)), [data(block, payload)]);
        }
        let last = u16::try_from(wire.len().div_ceil(512)).unwrap();
        assert_eq!(bench.say(TID, US, ack(last)), NONE);
        assert_eq!(bench.outcomes(), [Outcome::Completed]);
        bench.rest();
    }
}
