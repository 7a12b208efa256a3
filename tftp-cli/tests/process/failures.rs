//! Exit codes: whose fault it was. And what a failure leaves behind.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use rustix::process::Signal;

use super::fake::{Raw, ack, data, error, oack, request};
use super::support::{Server, command, finish, names, run, run_with_input, send_signal, text};

/// Runs a client against a server made by hand. The socket's peer is ours once it has asked.
fn against(args: &[&str], input: &[u8], serve: impl FnOnce(&Raw) + Send + 'static) -> super::support::Ended {
    let raw = Raw::new();
    let host = raw.address().to_string();
    let server = thread::spawn(move || serve(&raw));
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "HOST" { host.as_str() } else { *arg }).collect();
    let ended = run_with_input(&args, input);
    server.join().unwrap();
    ended
}

fn assert_empty(directory: &Path) {
    assert_eq!(names(directory), Vec::<String>::new());
}

#[test]
fn usage_is_2() {
    for args in [
        &["get"][..],
        &["get", "http://127.0.0.1/a"],
        &["get", "tftp://127.0.0.1/"],
        &["get", "tftp://127.0.0.1/a", "b"],
        &["get", "127.0.0.1", "a", "--block-size", "7"],
        &["get", "tftp://127.0.0.1/a;mode=mail"],
        &["get", "tftp://127.0.0.1/a;mode=octet", "-m", "netascii"],
        &["get", "127.0.0.1", "a/.."],
        &["put", "a"],
        &["serve", "--port-range", "9-1"],
        &["serve", "--read-only"],
        &["serve", "/", "--write-only"],
        &["serve", "--read-only", "--create"],
        &["serve", "--single-port", "--port-range", "7000-7001"],
        &["serve", "--listen", "eth0"],
        &["serve", "--timeout", "0"],
    ] {
        let ended = run(args).failed_with(2);
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn a_name_too_long_for_a_request_is_usage() {
    let name = "x".repeat(600);
    run(&["get", "127.0.0.1:9", &name, "-o", "-"]).failed_with(2).says("the file name is too long");
}

#[test]
fn not_found_is_3() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[]);
    let ended = super::support::run_in(directory.path(), &["get", &server.url("missing"), "--json"]).failed_with(3);
    let value = ended.json();
    assert_eq!((&value["ok"], &value["error"]), (&false.into(), &"not_found".into()));
    assert_eq!(value["exit_code"], 3);
    assert_empty(directory.path());
    ended.says("\"missing\" on 127.0.0.1:").says(": no such file (ERROR 1: ");
}

#[test]
fn refused_is_4_with_the_servers_words_escaped() {
    let ended = against(&["put", "-", "HOST", "a"], b"x", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &error(2, b"go\x1b[2Jaway\n"));
    });
    ended.failed_with(4).says(r"the server refused (ERROR 2: go\x1b[2Jaway\n)").says("many servers take no uploads");
}

#[test]
fn where_options_may_be_what_was_refused_that_is_said() {
    let refused = |extra: &[&str], code| {
        let args = [&["get", "HOST", "a", "-o", "-"], extra].concat();
        let ended = against(&args, b"", move |raw| {
            let (_, peer) = raw.receive();
            raw.send(peer, &error(code, b"what?"));
        });
        ended.failed_with(4).stderr.contains("--no-options")
    };
    assert!(refused(&[], 0) && refused(&[], 4));
    assert!(!refused(&["--no-options"], 0) && !refused(&[], 2));
    let in_mid_transfer = against(&["get", "HOST", "a", "-o", "-"], b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &oack(&["tsize", "1000"]));
        raw.receive_opcode(4);
        raw.send(peer, &error(0, b"disk on fire"));
    });
    assert!(!in_mid_transfer.failed_with(4).stderr.contains("--no-options"));
}

#[test]
fn a_failed_download_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("a");
    let ended = against(&["get", "HOST", "a", "-o", text(&target), "--no-options"], b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &data(1, &[1; 512]));
        raw.receive();
        raw.send(peer, &error(0, b"disk on fire"));
    });
    ended.failed_with(4).says("after 512 B (ERROR 0: disk on fire)");
    assert_empty(directory.path());
}

#[test]
fn silence_is_5_and_names_who_was_asked() {
    let ended = against(&["get", "HOST", "a", "-o", "-", "--timeout", "20ms", "--retries", "2"], b"", |raw| {
        for _ in 0..3 {
            assert_eq!(raw.receive().0[1], 1);
        }
    });
    ended.failed_with(5).says(": no answer from 127.0.0.1:").says("is a TFTP server running there?");
}

#[test]
fn a_server_that_falls_silent_is_5() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("a");
    let args = ["get", "HOST", "a", "-o", text(&target), "--no-options", "--timeout", "20ms", "--retries", "1"];
    let ended = against(&args, b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &data(1, &[1; 512]));
        assert_eq!(raw.receive().0, ack(1));
    });
    ended.failed_with(5).says("the server fell silent after 512 B");
    assert_empty(directory.path());
}

#[test]
fn local_files_are_6() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing/a");
    run(&["get", "127.0.0.1:9", "a", "-o", text(&missing)]).failed_with(6).says("cannot write ");
    run(&["put", text(&missing), "127.0.0.1:9"]).failed_with(6).says("cannot read ");
    run(&["put", text(directory.path()), "127.0.0.1:9"]).failed_with(6).says("directory");
    let json = run(&["put", text(&missing), "127.0.0.1:9", "--json"]).failed_with(6).json();
    assert_eq!(json["error"], "local_io");
    let json = run(&["get", "127.0.0.1:9", "a", "-o", text(&missing), "--json"]).failed_with(6).json();
    assert_eq!(json["exit_code"], 6);
    run(&["serve", text(&missing)]).failed_with(6).says("cannot serve the directory ");
    run(&["serve", "memory"]).failed_with(6).says("did you mean memory: ?");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_6_and_the_server_is_told() {
    let mut server = Server::start(&[]);
    run_with_input(&["put", "-", &server.url("a")], &[7; 3_000_000]).succeeded();
    run(&["get", &server.url("a"), "-o", "/dev/full"]).failed_with(6).says("cannot write /dev/full: ");
    assert!(server.line("direction=get").contains("outcome=client_error"));
}

#[test]
fn a_reader_that_goes_away_is_6() {
    let server = Server::start(&[]);
    run_with_input(&["put", "-", &server.url("a")], &[7; 3_000_000]).succeeded();
    let mut child = command(&["get", &server.url("a"), "-o", "-"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!(super::support::wait(&mut child).code(), Some(6), "{stderr}");
    assert!(stderr.contains("standard output"), "{stderr}");
}

#[test]
fn a_server_that_breaks_the_protocol_is_7() {
    let ended = against(&["get", "HOST", "a", "-o", "-"], b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &oack(&["blksize", "9999"]));
        assert_eq!(raw.receive_opcode(5).0[3], 8);
    });
    ended.failed_with(7).says("blksize");
}

#[test]
fn a_file_above_the_limit_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&[]);
    run_with_input(&["put", "-", &server.url("a")], &[7; 100_000]).succeeded();
    for extra in [&[][..], &["--disable-option", "tsize"]] {
        let url = server.url("a");
        let mut args = vec!["get", &url, "-o", text(directory.path()), "--max-size", "50KB"];
        args.extend_from_slice(extra);
        run(&args).failed_with(1).says("larger than --max-size allows");
        assert_empty(directory.path());
    }
}

#[test]
fn a_size_that_no_file_has_is_not_said_to_be_above_a_limit_that_nobody_set() {
    let ended = against(&["get", "HOST", "a", "-o", "-"], b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &oack(&["tsize", "18446744073709551616"]));
        assert_eq!(raw.receive_opcode(5).0[3], 3);
    });
    ended.failed_with(7).says("the server announced more bytes than a file can have");

    for (limit, reason) in
        [(&[][..], "more bytes than a file can have"), (&["--max-upload", "1GB"], "than --max-upload allows")]
    {
        let mut server = Server::start(limit);
        let raw = Raw::new();
        raw.send(server.address, &request(2, b"a", &["tsize", "9223372036854775808"]));
        assert_eq!(raw.receive_opcode(5).0[3], 3);
        let line = server.line("outcome=refused");
        assert!(line.contains(reason), "{line}");
    }
}

#[test]
fn names_and_addresses_are_8() {
    run(&["get", "no-such-host.invalid", "a", "-o", "-"]).failed_with(8).says("cannot resolve no-such-host.invalid:69");
    run(&["get", "127.0.0.1:9", "a", "-o", "-", "-6"]).failed_with(8).says("-4, -6");
    run(&["get", "127.0.0.1:9", "a", "-o", "-", "--local-address", "192.0.2.1"]).failed_with(8);
}

#[test]
fn an_upload_without_its_last_acknowledgement_is_9() {
    let args = ["put", "-", "HOST", "a", "--no-options", "--timeout", "20ms", "--retries", "1"];
    let ended = against(&args, b"short", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &ack(0));
        assert_eq!(raw.receive_opcode(3).0, data(1, b"short"));
    });
    ended.failed_with(9).says("never confirmed the last block");
}

#[test]
fn ctrl_c_is_130_leaves_no_file_and_tells_the_server() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let directory = tempfile::tempdir().unwrap();
        let raw = Raw::new();
        let mut client = command(&["get", &raw.address().to_string(), "a", "--no-options"]);
        let child = client.current_dir(directory.path()).spawn().unwrap();
        let (_, peer) = raw.receive();
        raw.send(peer, &data(1, &[1; 512]));
        assert_eq!(raw.receive_opcode(4).0, ack(1));
        send_signal(&child, signal);
        assert_eq!(raw.receive_opcode(5).0[..4], [0, 5, 0, 0]);
        finish(child, b"").failed_with(code).says("a was not written");
        assert_empty(directory.path());
    }
}

#[test]
fn ctrl_c_is_heeded_although_the_server_answers_every_block_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let raw = Raw::new();
    let mut client = command(&["get", &raw.address().to_string(), "a", "-b", "1428", "-w", "1"]);
    let child = client.current_dir(directory.path()).spawn().unwrap();
    let (_, peer) = raw.receive();
    raw.send(peer, &oack(&["blksize", "1428"]));
    let payload = [7; 1428];
    // The runtime gets its thread back after 10 ms, in which some hundred blocks come.
    let ended = (0..6_000).any(|sent| {
        let (packet, from) = raw.receive();
        assert_eq!(from, peer);
        if packet.get(1) == Some(&4) {
            raw.send(peer, &data(u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(1), &payload));
        }
        if sent == 1000 {
            send_signal(&child, Signal::INT);
        }
        packet.get(1) == Some(&5)
    });
    assert!(ended, "the signal waits for the end of the transfer");
    finish(child, b"").failed_with(130).says("a was not written");
    assert_empty(directory.path());
}

#[test]
fn ctrl_c_in_mid_upload_is_130_although_standard_input_stays_open() {
    let raw = Raw::new();
    let mut client = command(&["put", "-", &raw.address().to_string(), "a", "--no-options"]);
    let mut child = client.stdin(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    let (_, peer) = raw.receive();
    raw.send(peer, &ack(0));
    send_signal(&child, Signal::INT);
    finish(child, b"").failed_with(130).says("was not uploaded");
    drop(stdin);
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_download_leaves_nothing_at_all() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), b"old").unwrap();
    let raw = Raw::new();
    let mut client = command(&["get", &raw.address().to_string(), "a", "--no-options"]);
    let child = client.current_dir(directory.path()).spawn().unwrap();
    let (_, peer) = raw.receive();
    raw.send(peer, &data(1, &[1; 512]));
    raw.receive_opcode(4);
    send_signal(&child, Signal::KILL);
    assert_eq!(finish(child, b"").code, None);
    assert_eq!(names(directory.path()), ["a"]);
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"old");
}

#[test]
fn a_file_that_changes_while_it_is_put_is_6_and_its_last_block_never_leaves() {
    type Change = fn(&fs::File);
    let changes: [(&str, Change); 2] = [
        ("cut off", |file| file.set_len(500_000).unwrap()),
        ("written over", |mut file| std::io::Write::write_all(&mut file, &[8; 1_000_000]).unwrap()),
    ];
    for (what, change) in changes {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("changing");
        fs::write(&path, [7; 1_000_000]).unwrap();
        let source = fs::File::options().write(true).open(&path).unwrap();
        source.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let ended = against(&["put", text(&path), "HOST", "a", "--no-options", "--json"], b"", move |raw| {
            let (_, peer) = raw.receive();
            raw.send(peer, &ack(0));
            raw.receive_opcode(3);
            change(&source);
            for block in 1.. {
                raw.send(peer, &ack(block));
                let (packet, _) = raw.receive();
                if packet[1] == 5 {
                    break;
                }
                assert_eq!(packet.len(), 516, "the last block of a file {what}");
            }
        });
        let ended = ended.failed_with(6);
        assert_eq!((&ended.json()["ok"], &ended.json()["error"]), (&false.into(), &"local_io".into()), "{what}");
        ended.says("changing changed while it was read");
    }
}

#[test]
fn a_size_that_does_not_come_true_is_a_warning() {
    let ended = against(&["get", "HOST", "a", "-o", "-"], b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &oack(&["tsize", "1000"]));
        assert_eq!(raw.receive_opcode(4).0, ack(0));
        raw.send(peer, &data(1, b"short"));
        assert_eq!(raw.receive_opcode(4).0, ack(1));
    });
    let ended = ended.succeeded().says("warning: the server announced 1000 bytes but sent 5");
    assert_eq!(ended.stdout, b"short");
}

#[test]
fn an_old_server_that_ignores_options_is_no_failure() {
    let ended = against(&["get", "HOST", "a", "-o", "-"], b"", |raw| {
        let (request, peer) = raw.receive();
        assert!(request.windows(8).any(|bytes| bytes == b"blksize\0"));
        raw.send(peer, &data(1, b"old"));
        assert_eq!(raw.receive_opcode(4).0, ack(1));
    });
    assert_eq!(ended.succeeded().says("(no options granted)").stdout, b"old");
}

#[test]
fn a_server_that_refuses_options_is_asked_without() {
    let ended = against(&["get", "HOST", "a", "-o", "-"], b"", |raw| {
        let (_, peer) = raw.receive();
        raw.send(peer, &error(8, b""));
        let (request, peer) = raw.receive_opcode(1);
        assert_eq!(request, b"\0\x01a\0octet\0");
        raw.send(peer, &data(1, b"plain"));
        assert_eq!(raw.receive_opcode(4).0, ack(1));
    });
    assert_eq!(ended.succeeded().stdout, b"plain");
}
