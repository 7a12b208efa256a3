//! What real clients do, row by row: their own datagrams where they were captured, their habits played by hand.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::time::Duration;

use tftp_proto::config::Pacing;
use tftp_proto::endpoint::{Event, FailureKind, Outcome};
use tftp_proto::wire::{ErrorCode, Options};
use tftp_sim::bench::{Bench, OTHER, PEER, SERVER, TID, US, address};
use tftp_sim::captures::{
    self, GRUB, HPA_NOT_FOUND, HPA_OACKS, IPXE, OVMF_ABORT, OVMF_PROBE, OVMF_REQUEST, PXELINUX, UBOOT,
};
use tftp_sim::content;
use tftp_sim::packet::{ack, data, error, error_code, number, oack, opcode, request, rrq, wrq};
use tftp_sim::store::{Fate, JobKind};

const NONE: [Vec<u8>; 0] = [];

/// Plays a client that gets a whole file: acknowledges each window's end; `copies` of each ACK are sent.
fn download(bench: &mut Bench, request: &[u8], copies: usize) -> (Vec<u8>, usize) {
    let (tid, answer) = bench.request(PEER, request);
    let text = |name: &str| {
        let fields: Vec<_> = answer[2..].split(|byte| *byte == 0).collect();
        let place = fields.iter().position(|field| *field == name.as_bytes())?;
        std::str::from_utf8(fields[place + 1]).ok()?.parse::<u16>().ok()
    };
    assert_eq!(opcode(&answer), Some(6));
    let block_size = usize::from(text("blksize").unwrap_or(512));
    let window = text("windowsize").unwrap_or(1);
    let (mut file, mut sent, mut next) = (Vec::new(), 0, 1);
    let mut arrived = Vec::new();
    for _ in 0..copies {
        arrived.extend(bench.say(PEER, tid, ack(0)));
    }
    loop {
        sent += arrived.len();
        let mut due = None;
        let mut over = false;
        for packet in std::mem::take(&mut arrived) {
            assert_eq!(opcode(&packet), Some(3), "{packet:?}");
            if number(&packet) == Some(next) {
                file.extend_from_slice(&packet[4..]);
                over = packet.len() < block_size + 4;
                if over || next.is_multiple_of(window) {
                    due = Some(next);
                }
                next += 1;
            }
        }
        let last = due.expect("a whole window, or the end");
        for _ in 0..copies {
            arrived.extend(bench.say(PEER, tid, ack(last)));
        }
        if over {
            assert_eq!(arrived, NONE);
            return (file, sent);
        }
    }
}

/// The options of an OACK as pairs.
fn options_of(packet: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8(packet[2..].to_vec()).unwrap();
    let fields: Vec<_> = text.split_terminator('\0').map(str::to_owned).collect();
    fields.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

#[test]
fn every_captured_request_gets_its_file_or_a_quick_not_found() {
    for packet in IPXE.iter().chain(&GRUB).chain(&PXELINUX).chain(&UBOOT).chain(&[OVMF_REQUEST]) {
        let name = captures::name(packet);
        let missing = name.contains("absent") || name.contains("cfg-0") || name.contains("pxelinux.cfg/0");
        let mut bench = Bench::server_with(|config| config.pacing = Pacing::OFF);
        if missing {
            let (_, answer) = bench.request(PEER, *packet);
            assert_eq!(error_code(&answer), Some(1), "{name}");
            assert!(bench.wait(PEER, Duration::from_secs(60)).is_empty(), "{name}: told once");
        } else {
            let file = content::bytes(name.len() as u64, 50_000 + name.len());
            bench.store().insert(name, file.clone());
            let (received, _) = download(&mut bench, packet, 1);
            assert!(received == file, "{name}");
            assert_eq!(bench.outcomes(), [Outcome::Completed], "{name}");
        }
        bench.rest();
    }
}

#[test]
fn every_oack_has_only_what_was_asked_in_lower_case_and_without_padding() {
    // EDK2 rejects an option it did not ask, a larger value, another timeout, and padding; so do old Ciscos.
    for packet in IPXE.iter().chain(&GRUB).chain(&PXELINUX).chain(&UBOOT).chain(&[OVMF_PROBE, OVMF_REQUEST]) {
        let mut bench = Bench::server();
        bench.store().insert(captures::name(packet), content::bytes(1, 77_777));
        let (_, answer) = bench.request(PEER, *packet);
        let name_and_mode = captures::name(packet).len() + 1 + "octet".len() + 1;
        let asked = options_of(&packet[name_and_mode..]);
        for (name, value) in options_of(&answer) {
            let (_, wanted) = asked.iter().find(|(asked, _)| *asked == name).expect("asked");
            match name.as_str() {
                "tsize" => assert_eq!(value, "77777"),
                // U-Boot's. See below.
                "windowsize" => assert_eq!(value, wanted.parse::<u16>().unwrap().min(10).to_string()),
                _ => assert_eq!(value, *wanted, "{name}: nothing stands in the way of granting it as asked"),
            }
        }
        assert_eq!(options_of(&answer).len(), asked.len());
        let exact: usize = options_of(&answer).iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        assert_eq!(answer.len(), 2 + exact, "not a byte behind the last option");
    }
}

#[test]
fn uefi_asks_for_the_size_and_leaves_then_comes_back() {
    let file = content::bytes(1, 100_000);
    let mut bench = Bench::server();
    bench.store().insert("boot.efi", file.clone());
    let (tid, answer) = bench.request(PEER, OVMF_PROBE);
    assert!(options_of(&answer).contains(&("tsize".into(), "100000".into())));
    assert_eq!(bench.say(PEER, tid, OVMF_ABORT), NONE);
    assert_eq!(bench.outcomes(), [Outcome::SizeProbe], "a normal end");
    assert!(bench.outcomes()[0].is_success());
    assert_eq!((bench.active(), bench.store().leaks().count()), (0, 0), "free at once");
    let (received, _) = download(&mut bench, OVMF_REQUEST, 1);
    assert!(received == file);
    assert_eq!(bench.outcomes(), [Outcome::SizeProbe, Outcome::Completed]);
    bench.rest();
}

#[test]
fn uefi_and_tftp_hpa_report_a_gap_for_every_block_behind_it_and_get_it_once() {
    let file = content::bytes(1, 1468 * 40);
    let block = |number: u16| data(number, &file[(usize::from(number) - 1) * 1468..][..1468]);
    let mut bench = Bench::server();
    bench.store().insert("boot.efi", file.clone());
    let (tid, _) = bench.request(PEER, OVMF_REQUEST);
    assert_eq!(bench.say(PEER, tid, ack(0)), [block(1), block(2), block(3), block(4)]);
    // Block 2 is lost: blocks 3 and 4 are reported out of order, each with an ACK of block 1.
    assert_eq!(bench.say(PEER, tid, ack(1)), [block(2), block(3), block(4), block(5)]);
    assert_eq!(bench.say(PEER, tid, ack(1)), NONE);
    // Block 2 is lost again: three more reports in the same round trip change nothing. The one that a copy of the last block
    // brings does.
    for _ in 0..3 {
        assert_eq!(bench.say(PEER, tid, ack(1)), NONE);
    }
    assert_eq!(bench.wait(PEER, Duration::from_millis(50)), [(Duration::from_millis(10), block(5))]);
    assert_eq!(bench.say(PEER, tid, ack(1)), [2, 3, 4, 5].map(block));
    assert_eq!(bench.say(PEER, tid, ack(1)), NONE);
    // Then it is the timer's turn.
    let again = bench.wait(PEER, Duration::from_millis(150));
    assert_eq!(again.into_iter().map(|(_, heard)| heard).collect::<Vec<_>>(), [2, 3, 4, 5].map(block));
    assert_eq!(bench.say(PEER, tid, ack(5)), [6, 7, 8, 9].map(block));
}

#[test]
fn ipxe_acknowledges_duplicates_too_and_each_block_is_sent_once() {
    let file = content::bytes(1, 1432 * 30 + 5);
    let mut bench = Bench::server();
    bench.store().insert("big.bin", file.clone());
    let (received, sent) = download(&mut bench, IPXE[4], 2);
    assert!(received == file);
    assert_eq!(sent, 31, "no sorcerer's apprentice");
    assert_eq!(bench.reports()[0].stats.retransmissions, 0);
}

#[test]
fn ipxe_and_grub_leave_in_mid_file_with_error_0() {
    for packet in [IPXE[4], GRUB[5]] {
        let mut bench = Bench::server();
        bench.store().insert(captures::name(packet), content::bytes(1, 100_000));
        let (tid, _) = bench.request(PEER, packet);
        bench.say(PEER, tid, ack(0));
        bench.say(PEER, tid, ack(1));
        assert_eq!(bench.say(PEER, tid, error(0, "")), NONE);
        let outcome = Outcome::PeerError { code: ErrorCode::NotDefined, message: Vec::new() };
        assert_eq!(bench.outcomes(), [outcome]);
        assert_eq!(bench.active(), 0);
        bench.rest();
    }
}

#[test]
fn ipxe_may_send_an_option_with_an_empty_value() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 5000));
    let options = [("multicast", ""), ("blksize", "1432"), ("tsize", "0")];
    assert_eq!(bench.request(PEER, rrq("f", "octet", &options)).1, oack(&[("blksize", "1432"), ("tsize", "5000")]));
}

#[test]
fn uboot_sends_a_stale_tsize() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 5000));
    let options = [("timeout", "1"), ("tsize", "123456"), ("blksize", "1468")];
    let answer = bench.request(PEER, rrq("f", "octet", &options)).1;
    assert!(options_of(&answer).contains(&("tsize".into(), "5000".into())));
}

#[test]
fn uboot_uses_its_source_port_again_after_a_reset() {
    let file = content::bytes(1, 50_000);
    let mut bench = Bench::server();
    bench.store().insert("one.bin", file.clone());
    bench.store().insert("mid.bin", file.clone());
    let (old, _) = bench.request(PEER, UBOOT[0]);
    bench.say(PEER, old, ack(0));
    bench.say(PEER, old, ack(1));
    // Reset; it boots for some seconds and asks for another file from the same port.
    bench.world.run_for(Duration::from_secs(4));
    bench.heard(PEER);
    let (received, _) = download(&mut bench, UBOOT[2], 1);
    assert!(received == file);
    assert_eq!(bench.outcomes(), [Outcome::Replaced, Outcome::Completed]);
    bench.rest();
}

#[test]
fn uboot_starts_over_for_codes_other_than_1_and_2() {
    // So a missing file and a forbidden one have these codes.
    let mut bench = Bench::server();
    assert_eq!(error_code(&bench.request(PEER, UBOOT[4]).1), Some(1));
    bench.store().script(JobKind::OpenRead, 0, Fate::Fails(Duration::ZERO, FailureKind::AccessDenied));
    assert_eq!(error_code(&bench.request(OTHER, UBOOT[4]).1), Some(2));
    bench.store().script(JobKind::OpenRead, 0, Fate::Fails(Duration::ZERO, FailureKind::InvalidName));
    assert_eq!(error_code(&bench.request(address([10, 0, 0, 4], 1), UBOOT[4]).1), Some(2));
}

#[test]
fn uboot_refuses_another_timeout() {
    let mut bench = Bench::server();
    bench.store().insert("one.bin", content::bytes(1, 100));
    assert!(options_of(&bench.request(PEER, UBOOT[0]).1).contains(&("timeout".into(), "1".into())));
    let mut bench = Bench::server_with(|config| config.options.min_timeout = Duration::from_secs(2));
    bench.store().insert("one.bin", content::bytes(1, 100));
    assert_eq!(bench.request(PEER, UBOOT[0]).1, oack(&[("blksize", "1468")]), "left out rather than changed");
}

#[test]
fn uboot_gets_a_window_of_which_its_buffers_hold_three() {
    for (asked, granted) in [("8", "8"), ("10", "10"), ("11", "10"), ("64", "10")] {
        let mut bench = Bench::server();
        bench.store().insert("mid.bin", content::bytes(1, 1 << 20));
        let options = [("timeout", "1"), ("blksize", "1024"), ("windowsize", asked)];
        let (tid, answer) = bench.request(PEER, rrq("mid.bin", "octet", &options));
        assert_eq!(window_of(&answer), granted);
        // If it stands still for a moment, what it has not taken is one window, and its end, and the window once more.
        bench.world.send(PEER, tid, ack(0));
        let heard = bench.wait(PEER, Duration::from_millis(2900));
        let window: u8 = granted.parse().unwrap();
        let blocks: Vec<_> = heard.iter().map(|(_, block)| block[3]).collect();
        assert_eq!(blocks, (1..=window).chain([window]).chain(1..=window).collect::<Vec<_>>());
    }
    // Three frames carry a block of 4096 bytes; and from others a window of 64 is no danger.
    for (options, granted) in [
        ([("timeout", "1"), ("blksize", "4096"), ("windowsize", "64")], "3"),
        ([("blksize", "1024"), ("timeout", "1"), ("windowsize", "64")], "64"),
    ] {
        let mut bench = Bench::server();
        bench.store().insert("mid.bin", content::bytes(1, 1 << 20));
        assert_eq!(window_of(&bench.request(PEER, rrq("mid.bin", "octet", &options)).1), granted);
    }
}

/// It counts its own timers, of the length that it asks for, and gives up at the eleventh of a transfer.
#[test]
fn uboot_in_lock_step_gets_what_is_missing_before_its_timer_runs_out() {
    let timers = |options: &[(&str, &str)]| {
        let mut bench = Bench::server();
        bench.store().insert("f", content::bytes(1, 5000));
        let (tid, answer) = bench.request(PEER, rrq("f", "octet", options));
        assert_eq!(options_of(&answer).len(), options.len(), "all is granted as it was asked");
        assert_eq!(bench.say(PEER, tid, ack(0)).len(), 1);
        bench.wait(PEER, Duration::from_secs(20)).into_iter().map(|(after, _)| after).collect::<Vec<_>>()
    };
    let uboot = timers(&[("timeout", "5"), ("blksize", "1468")]);
    assert!(uboot[0] < Duration::from_millis(150) && uboot[1] < Duration::from_millis(500), "{uboot:?}");
    assert!((6..=9).contains(&uboot.len()), "and it backs off: {uboot:?}");
    // Others have what they ask for.
    for options in [
        &[("blksize", "1468"), ("timeout", "5")][..],
        &[("timeout", "5")],
        &[("timeout", "5"), ("blksize", "1024")],
        &[("timeout", "5"), ("blksize", "1468"), ("tsize", "0"), ("windowsize", "1")],
    ] {
        assert_eq!(timers(options)[0], Duration::from_secs(5));
    }
    // What it asks for is the longest, and it is told that it is granted.
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 5000));
    bench.request(PEER, rrq("f", "octet", &[("timeout", "1"), ("blksize", "1468")]));
    let granted = bench.events().iter().find_map(|event| match event {
        Event::Established { parameters, .. } => Some(parameters.timeout),
        _ => None,
    });
    assert_eq!(granted, Some(Some(Duration::from_secs(1))));
}

/// The end of a window that is lost, or its ACK, costs U-Boot no timer.
#[test]
fn uboot_is_asked_with_one_block_whether_a_window_has_arrived() {
    let mut bench = Bench::server();
    bench.store().insert("f", content::bytes(1, 100_000));
    let options = [("timeout", "5"), ("blksize", "1024"), ("windowsize", "4")];
    let (tid, _) = bench.request(PEER, rrq("f", "octet", &options));
    assert_eq!(bench.say(PEER, tid, ack(0)).len(), 4);
    let file = content::bytes(1, 100_000);
    let block = |number: u16| data(number, &file[usize::from(number - 1) * 1024..usize::from(number) * 1024]);
    // Only once, and soon.
    let heard = bench.wait(PEER, Duration::from_millis(4900));
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].0 < Duration::from_millis(150) && heard[0].1 == block(4), "{heard:?}");
    // All of it had arrived: the ACK comes twice, for the copy too, and what follows goes out once.
    assert_eq!(bench.say(PEER, tid, ack(4)), [5, 6, 7, 8].map(block));
    assert_eq!(bench.say(PEER, tid, ack(4)), NONE);
    // Blocks 7 and 8 are lost. Without the copy nobody would say so.
    let heard = bench.wait(PEER, Duration::from_millis(150));
    assert!(heard[0].0 >= Duration::from_millis(60), "on a host that stands still for a moment nothing is lost");
    assert_eq!(heard.into_iter().map(|(_, heard)| heard).collect::<Vec<_>>(), [block(8)]);
    assert_eq!(bench.say(PEER, tid, ack(6)), [7, 8, 9, 10].map(block));
}

fn window_of(oack: &[u8]) -> String {
    options_of(oack).into_iter().find(|(name, _)| name == "windowsize").expect("a window was granted").1
}

#[test]
fn slow_network_cards_need_a_cap_on_the_window() {
    let mut bench = Bench::server_with(|config| {
        config.options.max_window = 26;
        config.pacing = Pacing::OFF;
    });
    bench.store().insert("f", content::bytes(1, 100_000));
    let (tid, answer) = bench.request(PEER, rrq("f", "octet", &[("windowsize", "64")]));
    assert_eq!(answer, oack(&[("windowsize", "26")]));
    assert_eq!(bench.say(PEER, tid, ack(0)).len(), 26);
}

#[test]
fn grub_never_goes_on_without_an_oack() {
    // Any known option is enough for one; GRUB asks tsize even of an empty file, where it is left out.
    for packet in GRUB {
        let mut bench = Bench::server();
        bench.store().insert(captures::name(packet), Vec::new());
        let (tid, answer) = bench.request(PEER, packet);
        assert_eq!(options_of(&answer).len(), 1);
        assert_eq!(bench.say(PEER, tid, ack(0)), [data(1, &[])]);
    }
}

#[test]
fn grub_stops_acknowledging_with_50_packets_queued() {
    let file = content::bytes(1, 1024 * 200);
    let mut bench = Bench::server();
    bench.store().insert("/big.bin", file.clone());
    let (tid, _) = bench.request(PEER, GRUB[5]);
    for block in 0..50 {
        assert_eq!(bench.say(PEER, tid, ack(block)).len(), 1);
    }
    // It shows a menu for 20 seconds; the server is patient and does not flood it.
    let repeats = bench.wait(PEER, Duration::from_secs(20));
    assert!(repeats.len() <= 12, "{} repeats", repeats.len());
    assert_eq!(bench.say(PEER, tid, ack(50)), [data(51, &file[50 * 1024..51 * 1024])]);
}

#[test]
fn pxelinux_retries_after_110_ms_and_gets_one_transfer() {
    for storage in [0, 200] {
        let mut bench = Bench::server();
        bench.store().insert("ldlinux.c32", content::bytes(1, 5000));
        bench.store().script(JobKind::OpenRead, 0, Fate::After(Duration::from_millis(storage)));
        bench.world.send(PEER, SERVER, PXELINUX[1]);
        bench.world.run_for(Duration::from_millis(110));
        bench.world.send(PEER, SERVER, PXELINUX[1]);
        bench.world.run_for(Duration::from_millis(110));
        let arrivals = bench.world.take(PEER);
        assert!(!arrivals.is_empty());
        assert!(arrivals.iter().all(|arrival| arrival.from == arrivals[0].from), "one port");
        assert!(arrivals.iter().all(|arrival| arrival.bytes == arrivals[0].bytes), "one answer");
        assert_eq!(bench.active(), 1);
        assert_eq!(bench.store().count(JobKind::OpenRead), 1);
    }
}

#[test]
fn pxelinux_refuses_an_option_it_does_not_know_with_error_8() {
    let mut bench = Bench::server();
    bench.store().insert("kernel", content::bytes(1, 5000));
    let (tid, _) = bench.request(PEER, PXELINUX[6]);
    bench.say(PEER, tid, ack(0));
    assert_eq!(bench.say(PEER, tid, error(8, "unknown option")), NONE);
    assert!(matches!(bench.outcomes()[..], [Outcome::PeerError { code: ErrorCode::OptionNegotiation, .. }]));
    bench.rest();
}

#[test]
fn old_pxe_roms_put_stray_bytes_behind_the_name() {
    // The protocol hands the name on as it came: whether to trim it is for a policy to say.
    for name in [&b"pxe.0\xff"[..], b"pxe.0 ", b"pxe.0\r\n", b"\xff\xfe"] {
        let mut bench = Bench::server();
        let (_, answer) = bench.request(PEER, request(1, name, "octet", &[("blksize", "1456")]));
        assert_eq!(error_code(&answer), Some(1));
        assert_eq!(bench.store().opens().next().unwrap().filename, name);
        assert_eq!(bench.reports()[0].filename, name);
    }
}

#[test]
fn the_raspberry_pi_asks_several_times_with_error_0_in_between_and_never_sees_a_duplicate() {
    let file = content::bytes(1, 5000);
    let mut bench = Bench::server();
    bench.store().insert("9ffefdef/start.elf", file.clone());
    let ask = rrq("9ffefdef/start.elf", "octet", &[("tsize", "0"), ("blksize", "1024")]);
    for _ in 0..3 {
        let (tid, _) = bench.request(PEER, ask.clone());
        assert_eq!(bench.say(PEER, tid, error(0, "early termination")), NONE);
    }
    let (tid, _) = bench.request(PEER, ask);
    for block in 0..5 {
        assert_eq!(bench.say(PEER, tid, ack(block)).len(), 1);
        // It is slow to answer, but within the first interval.
        assert!(bench.wait(PEER, Duration::from_millis(50)).is_empty(), "no speculative duplicate");
    }
    bench.say(PEER, tid, ack(5));
    assert_eq!(bench.outcomes().last(), Some(&Outcome::Completed));
    assert_eq!(bench.outcomes().len(), 4);
    assert_eq!(bench.reports()[3].stats.retransmissions, 0);
    bench.rest();
}

#[test]
fn the_windows_boot_manager_and_cisco_send_names_that_storage_maps() {
    for name in ["\\Boot\\BCD", "/Boot/BCD", "network-confg"] {
        let mut bench = Bench::server();
        bench.request(PEER, rrq(name, "octet", &[("tsize", "0"), ("blksize", "1456"), ("windowsize", "4")]));
        assert_eq!(bench.store().opens().next().unwrap().filename, name.as_bytes());
    }
}

#[test]
fn curl_fails_on_a_tsize_of_0_and_does_not_see_one() {
    let options = [("tsize", "0"), ("blksize", "512"), ("timeout", "6")];
    let mut bench = Bench::server();
    bench.store().insert("empty", Vec::new());
    let (tid, answer) = bench.request(PEER, rrq("empty", "octet", &options));
    assert_eq!(answer, oack(&[("blksize", "512"), ("timeout", "6")]));
    assert_eq!(bench.say(PEER, tid, ack(0)), [data(1, &[])]);
    bench.say(PEER, tid, ack(1));
    assert_eq!(bench.outcomes(), [Outcome::Completed]);
    // It uploads from a pipe with a tsize of 0.
    let (tid, answer) = bench.request(OTHER, wrq("up", "octet", &options));
    assert_eq!(answer, oack(&[("blksize", "512"), ("timeout", "6"), ("tsize", "0")]));
    assert_eq!(bench.say(OTHER, tid, data(1, b"from a pipe")), [ack(1)]);
    // Its ERROR has no message, not even a NUL.
    let (tid, _) = bench.request(PEER, wrq("up2", "octet", &options));
    assert_eq!(bench.say(PEER, tid, b"\0\x05\0\x03".to_vec()), NONE);
    assert!(matches!(bench.outcomes()[..], [.., Outcome::PeerError { code: ErrorCode::DiskFull, .. }]));
    bench.rest();
}

/// When its ACK is lost, it answers the first copy. Each further one it ignores, and starts its timer of 5 s anew.
#[test]
fn atftp_asks_again_only_when_it_is_left_alone_for_5_s() {
    for (window, options) in [(1, &[][..]), (4, &[("windowsize", "4")][..])] {
        let mut bench = Bench::server();
        bench.store().insert("f", content::bytes(1, 10_000));
        let (tid, _) = bench.request(PEER, rrq("f", "octet", options));
        if window > 1 {
            assert_eq!(bench.say(PEER, tid, ack(0)).len(), 4);
        }
        assert_eq!(bench.say(PEER, tid, ack(window)).len(), usize::from(window));
        // What it says now does not arrive.
        let (mut silence, mut stall) = (Duration::ZERO, Duration::ZERO);
        while silence < Duration::from_secs(5) {
            let step = Duration::from_millis(20);
            silence = if bench.wait(PEER, step).is_empty() { silence + step } else { Duration::ZERO };
            stall += step;
            assert!(stall < Duration::from_millis(9500), "it stands still for {stall:?}");
        }
        assert_eq!(bench.say(PEER, tid, ack(2 * window)).len(), usize::from(window));
    }
}

#[test]
fn phones_pause_while_they_write_flash_and_never_send_the_last_ack() {
    let file = content::bytes(1, 1500);
    let mut bench = Bench::server();
    bench.store().insert("fw", file);
    let (tid, _) = bench.request(PEER, rrq("fw", "octet", &[]));
    bench.say(PEER, tid, ack(1));
    let repeats = bench.wait(PEER, Duration::from_secs(25));
    assert!(repeats.len() <= 12, "backs off: {}", repeats.len());
    bench.say(PEER, tid, ack(2));
    bench.rest();
    assert_eq!(bench.outcomes(), [Outcome::DeliveredUnconfirmed]);
    assert!(bench.outcomes()[0].is_success());
}

#[test]
fn a_client_behind_nat_is_served_from_the_port_it_asked() {
    let mut bench = Bench::single_port_server();
    bench.store().insert("boot.ipxe", content::bytes(1, 5000));
    assert_eq!(bench.request(PEER, IPXE[0]).0, SERVER);
    let (received, _) = download(&mut bench, IPXE[0], 1);
    assert_eq!(received.len(), 5000);
}

#[test]
fn our_client_takes_the_oacks_of_tftpd_hpa() {
    for packet in HPA_OACKS {
        let mut asked = Options { window_size: Some(4), ..Options::NONE };
        for (name, value) in options_of(packet) {
            match name.as_str() {
                "blksize" => asked.block_size = value.parse().ok(),
                "timeout" => asked.timeout = value.parse().ok(),
                _ => asked.transfer_size = Some(0),
            }
        }
        let mut bench = Bench::client();
        bench.get("f", asked);
        assert_eq!(bench.say(TID, US, packet), [ack(0)]);
    }
    let mut bench = Bench::client();
    bench.get("f", Options::NONE);
    assert_eq!(bench.say(TID, US, HPA_NOT_FOUND), NONE);
    let outcome = Outcome::PeerError { code: ErrorCode::FileNotFound, message: b"File not found".to_vec() };
    assert_eq!(bench.outcomes(), [outcome]);
}
