//! `--cache-dir`.

use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::bench::{get, put, serve};
use super::stand::{Proxy, Weed};
use super::support::{names, pattern, run, text, wait_until};

#[test]
fn a_restarted_server_finds_what_it_had_even_after_a_kill() {
    let Some(weed) = Weed::start() else { return };
    let (proxy, cache) = (Proxy::start(weed.address()), tempfile::tempdir().unwrap());
    let content = pattern((3 << 20) + 5);
    put(&serve(&weed.place(), &["--create"]), "file", &content).succeeded();
    let args = ["--cache-dir", text(cache.path()), "--cache-disk-size", "100MiB"];
    let mut server = serve(&weed.place().through(&proxy), &args);
    assert!(get(&server, "file").succeeded().stdout == content);
    let chunks = || names(cache.path()).into_iter().filter(|name| name.ends_with(".chunk")).count();
    wait_until("all on disk", || chunks() == 4);
    server.signal(Signal::KILL);
    server.wait();
    proxy.forget();
    let mut server = serve(&weed.place().through(&proxy), &args);
    assert!(get(&server, "file").succeeded().stdout == content);
    let log = proxy.log();
    assert!(log.iter().all(|request| request.range.is_none() && request.method == "HEAD"), "{log:?}");

    // The directory is this server's alone.
    let mut second = super::bench::command(&weed.place(), &args);
    super::support::finish(second.spawn().unwrap(), b"").failed_with(6).says("another server uses it");
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    let log = server.rest_of_log();
    assert!(
        log.contains("100.0 % of all chunks came from the cache") && log.contains("4 chunks came from disk"),
        "{log}"
    );
}

#[test]
fn a_cache_directory_is_for_object_stores() {
    run(&["serve", "/srv", "--cache-dir", "/tmp/cache"]).failed_with(2).says("--cache-dir is for object stores");
    let everybodys = tempfile::tempdir().unwrap();
    std::fs::set_permissions(everybodys.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    run(&["serve", "http://127.0.0.1:9/", "--cache-dir", text(everybodys.path()), "--listen", "127.0.0.1:0"])
        .failed_with(6)
        .says("others may write there");
}
