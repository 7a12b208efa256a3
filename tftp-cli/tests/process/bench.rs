//! `bench`, against this program's own server.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fake::{Raw, ack, data, oack};
use super::support::{Server, names, pattern, run, text};

fn bench(server: &Server, path: &str, args: &[&str]) -> Value {
    run(&[&["bench", &server.url(path), "--json"], args].concat()).succeeded().json()
}

fn served(files: &[(&str, usize)]) -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    for (name, size) in files {
        fs::write(directory.path().join(name), pattern(*size)).unwrap();
    }
    let server = Server::start(&[text(directory.path()), "--create"]);
    (directory, server)
}

#[test]
fn many_clients_download_one_file_and_it_is_the_right_one() {
    let (directory, server) = served(&[("a", 100_000)]);
    let verify = format!("--verify={}", text(&directory.path().join("a")));
    let window = ["--clients", "50", "--window", "8", "--threads", "3", &verify];
    let result = bench(&server, "a", &window);
    assert_eq!(result["transfers"], json!({ "started": 50, "completed": 50, "failed": 0, "unfinished": 0 }));
    assert_eq!(result["bytes"], 50 * 100_000);
    assert_eq!(result["agreed"], json!([{ "block_size": 1428, "window_size": 8, "transfers": 50 }]));
    assert_eq!(result["sha256"].as_str().map(str::len), Some(64));
    let [p50, max] = ["p50", "max"].map(|key| result["latency_seconds"][key].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= max && max <= result["seconds"].as_f64().unwrap());
}

#[test]
fn one_client_downloads_files_one_after_the_other() {
    let (_directory, server) = served(&[("0", 0), ("1", 1427), ("2", 1428), ("3", 5000)]);
    for args in [&["--requests", "4"][..], &["--requests", "4", "--no-offload"]] {
        let result = bench(&server, "{transfer}", args);
        assert_eq!(result["transfers"]["completed"], 4);
        assert_eq!(result["bytes"], 1427 + 1428 + 5000);
    }
}

#[test]
fn uploads_have_names_of_their_own() {
    let (directory, server) = served(&[]);
    let result = bench(&server, "up-", &["--put", "70001", "--clients", "3", "--requests", "5", "-w", "4"]);
    assert_eq!(result["direction"], "put");
    assert_eq!(result["bytes"], 5 * 70_001);
    assert_eq!(names(directory.path()), ["up-0", "up-1", "up-2", "up-3", "up-4"]);
    assert_eq!(fs::metadata(directory.path().join("up-4")).unwrap().len(), 70_001);
}

#[test]
fn losses_cost_retransmissions_but_no_transfer() {
    let (_directory, server) = served(&[("a", 60_000)]);
    let result = bench(&server, "a", &["--clients", "8", "-w", "4", "--loss", "5%", "--verify"]);
    assert_eq!(result["transfers"]["completed"], 8);
    assert!(result["packets"]["timeouts"].as_u64().unwrap() + result["packets"]["ignored"].as_u64().unwrap() > 0);
}

#[test]
fn a_fixed_timeout_is_kept_however_near_the_server_is() {
    let server = Raw::new();
    let url = format!("tftp://{}/a", server.address());
    let timeout = Duration::from_millis(400);
    std::thread::scope(|scope| {
        let args = ["bench", &url, "-b", "512", "-w", "4", "--timeout", "400ms", "--fixed-timeout", "--json"];
        let ended = scope.spawn(move || run(&args));
        let (_, client) = server.receive_opcode(1);
        server.send(client, &oack(&["windowsize", "4"]));
        server.receive_opcode(4);
        // The window breaks off: the client acknowledges what it has when its time is over.
        let sent = Instant::now();
        server.send(client, &data(1, &[7; 512]));
        assert_eq!(server.receive_opcode(4).0, ack(1));
        assert!(sent.elapsed() >= timeout, "{:?}", sent.elapsed());
        server.send(client, &data(2, b"end"));
        let result = ended.join().unwrap().succeeded().json();
        assert_eq!((&result["bytes"], &result["packets"]["timeouts"]), (&json!(515), &json!(1)));
    });
}

#[test]
fn failures_are_counted_by_kind_and_give_the_exit_code() {
    let (_directory, server) = served(&[("a", 10)]);
    let ended = run(&["bench", &server.url("missing"), "--clients", "3", "--json"]).failed_with(3);
    assert_eq!(ended.json()["failures"], json!({ "error 1: file not found": 3 }));

    // Nobody listens on the discard port of this address.
    let args = ["bench", "tftp://127.0.0.99:9/a", "--clients", "2", "--timeout", "10ms", "--retries", "1"];
    let ended = run(&args).failed_with(5).says("2 of 2 transfers failed");
    assert!(String::from_utf8(ended.stdout).unwrap().contains("2 × no answer"));
}

#[test]
fn a_download_that_differs_from_the_local_file_is_an_error() {
    let (directory, server) = served(&[("a", 1000), ("b", 999)]);
    let verify = format!("--verify={}", text(&directory.path().join("b")));
    run(&["bench", &server.url("a"), &verify]).failed_with(1).says("differs from the local file");
}

#[test]
fn a_duration_ends_it() {
    let (_directory, server) = served(&[("a", 1000)]);
    let result = bench(&server, "a", &["--clients", "2", "--duration", "200ms", "--spread", "50ms"]);
    assert!(result["transfers"]["completed"].as_u64().unwrap() > 2);
    assert_eq!(result["transfers"]["unfinished"], 0);
}
