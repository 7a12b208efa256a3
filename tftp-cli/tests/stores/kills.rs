//! `kill -9`, of the server and of the store.

use std::io::Write as _;
use std::sync::atomic::Ordering;

use rustix::process::Signal;

use super::bench::{Behind, PART, STAGES, get, leftovers, put, serve, start_put};
use super::stand::{Proxy, Weed};
use super::support::{finish, pattern, wait_until};

#[test]
fn a_killed_server_leaves_the_whole_file_or_nothing_and_a_restart_cleans_up() {
    let Some(weed) = Weed::start() else { return };
    for (index, (stage, len, is)) in STAGES.into_iter().enumerate() {
        let (name, content) = (format!("file-{index}"), pattern(len));
        let args = ["--create", "--instance", "killed"];
        let proxy = Proxy::start(weed.address());
        let mut server = serve(&weed.place().through(&proxy), &args);
        put(&server, &format!("before-{index}"), b"x").succeeded();
        // Its requests stop where they are, and so does everything after.
        let reached = proxy.hang_from(is);
        let mut client = start_put(&server, &name);
        let mut input = client.stdin.take().unwrap();
        let bytes = content.clone();
        let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
        wait_until(stage, || reached.load(Ordering::SeqCst));
        server.signal(Signal::KILL);
        server.wait();
        client.kill().unwrap();
        client.wait().unwrap();
        writer.join().unwrap();
        drop(proxy);

        let mut restarted = serve(&weed.place(), &args);
        if ["the first part", "the last part", "completing", "copying", "removing the temporary object"]
            .contains(&stage)
        {
            restarted.line("removed 1 upload that killed servers left unfinished");
        } else {
            // Nothing was begun in the store.
            wait_until("the end of the cleaning", || leftovers(&weed) == (0, 0));
        }
        assert_eq!(leftovers(&weed), (0, 0), "{stage}");
        let found = get(&restarted, &name);
        match found.code {
            Some(0) => assert!(found.stdout == content && stage.starts_with("removing"), "{stage}"),
            _ => {
                found.failed_with(3);
                put(&restarted, &name, &content).succeeded();
            }
        }
        assert!(get(&restarted, &name).succeeded().stdout == content, "{stage}");
    }
}

#[test]
fn a_killed_store_is_an_error_and_has_nothing_partial_when_it_is_back() {
    let Some(mut behind) = Behind::start(&["--create", "--instance", "one", "-vv"]) else { return };
    let content = pattern(3 * PART);
    put(&behind.server, "before", &content).succeeded();
    behind.proxy.forget();
    let mut client = start_put(&behind.server, "during");
    let mut input = client.stdin.take().unwrap();
    input.write_all(&content[..2 * PART]).unwrap();
    let is_part = |log: &[super::stand::Request]| log.iter().any(|request| request.target.contains("partNumber="));
    wait_until("a part", || is_part(&behind.proxy.log()));
    behind.weed.kill();
    client.stdin = Some(input);
    finish(client, &content[2 * PART..]).failed_with(4).says("storage failed");
    behind.server.line("the object store failed");

    behind.weed.restart();
    get(&behind.server, "during").failed_with(3);
    assert!(get(&behind.server, "before").succeeded().stdout == content);
    // The same server goes on, and a restart removes what it could not abort.
    put(&behind.server, "after", &content).succeeded();
    behind.server.signal(Signal::TERM);
    assert_eq!(behind.server.wait(), Some(0));
    let restarted = serve(&behind.weed.place(), &["--create", "--instance", "one"]);
    put(&restarted, "during", &content).succeeded();
    assert!(get(&restarted, "during").succeeded().stdout == content);
    assert_eq!(leftovers(&behind.weed), (0, 0));
}
