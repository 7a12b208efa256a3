//! What is said, and what is never said.

use rustix::process::Signal;

use super::bench::{PART, command, get, put, serve};
use super::stand::{Proxy, Verdict, Weed, secret};
use super::support::{Server, finish, pattern};

/// The whole log of a server that has been told to end.
fn log_of(mut server: Server) -> String {
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    server.rest_of_log()
}

#[test]
fn no_secret_is_in_a_log_at_any_level() {
    let Some(weed) = Weed::start() else { return };
    for level in ["-q", "-v", "-vvv"] {
        let proxy = Proxy::start(weed.address());
        // Quiet servers do not even say where they listen.
        let level = if level == "-q" { &[][..] } else { &[level][..] };
        let server = serve(&weed.place().through(&proxy), &[&["--create"], level].concat());
        let name = format!("file{}", level.concat());
        let mut said = put(&server, &name, &pattern(PART + 9)).succeeded().stderr;
        said += &put(&server, &name, b"again").failed_with(4).stderr;
        said += &get(&server, "missing").failed_with(3).stderr;
        let mut cuts = 2;
        proxy.rule(move |request| match request.method.as_str() {
            "PUT" => Verdict::CutAnswer,
            _ if cuts > 0 => {
                cuts -= 1;
                Verdict::CutRequest
            }
            _ => Verdict::Pass,
        });
        said += &get(&server, &name).succeeded().stderr;
        said += &log_of(server);
        for word in [secret(), "Signature", "AWS4-HMAC", "Authorization"] {
            assert!(!said.contains(word), "{word} is in:\n{said}");
        }
    }
}

#[test]
fn wrong_credentials_are_refused_without_being_shown() {
    let Some(weed) = Weed::start() else { return };
    let mut place = weed.place();
    for (key, value) in &mut place.options {
        if key.contains("secret") {
            *value = "another-secret-that-nobody-may-see".into();
        }
    }
    let ended = finish(command(&place, &["--create", "-vv"]).spawn().unwrap(), b"").failed_with(8).says("403");
    assert!(!ended.stderr.contains("another-secret"), "{}", ended.stderr);
    // A reader starts, for the store may be mended meanwhile, and its clients are told.
    let server = serve(&place, &["-vv"]);
    let told = get(&server, "file").failed_with(4).says("access denied").stderr;
    let said = told + &log_of(server);
    assert!(said.contains("403") && !said.contains("another-secret"), "{said}");
    // Nor is the password of an origin.
    let origin = super::stand::Place::new(format!("http://user:hidden-word@{}/files", weed.address()), &[]);
    let server = serve(&origin, &["-vv"]);
    let told = get(&server, "file").failed_with(4).stderr;
    let said = server.first.clone() + &told + &log_of(server);
    assert!(!said.contains("hidden-word"), "{said}");
}

#[test]
fn what_a_client_may_not_do_is_said_in_words() {
    let Some(weed) = Weed::start() else { return };
    let server = serve(&weed.place(), &["--create", "--max-upload", "1MiB"]);
    put(&server, "file", b"content").succeeded();
    put(&server, "file", b"content").failed_with(4).says("file already exists");
    put(&server, "large", &pattern(2 << 20)).failed_with(4).says("file too large");
    get(&server, "missing").failed_with(3).says("file not found");
    get(&server, "../file").failed_with(4).says("invalid file name");
    put(&server, ".tftp-upload-tmp/file", b"x").failed_with(4).says("access denied");
    let reader = serve(&weed.place(), &[]);
    put(&reader, "new", b"x").failed_with(4).says("access denied");
    let box_ = serve(&weed.place(), &["--create", "--write-only"]);
    get(&box_, "file").failed_with(4).says("access denied");
    put(&box_, "new", b"x").succeeded();
}
