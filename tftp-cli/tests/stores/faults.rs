//! A store that is slow, busy, or cut off.

use std::time::{Duration, Instant};

use super::bench::{Behind, STAGES, get, leftovers, put, start_get};
use super::stand::{Request, Verdict};
use super::support::{finish, pattern};

/// Fails the first requests of a kind, and lets all others pass.
fn first(
    count: usize,
    is: impl Fn(&Request) -> bool + Send + 'static,
    verdict: Verdict,
) -> impl FnMut(&Request) -> Verdict + Send {
    let mut left = count;
    move |request| {
        if left > 0 && is(request) {
            left -= 1;
            return verdict;
        }
        Verdict::Pass
    }
}

#[test]
fn one_failure_at_any_stage_goes_unnoticed_or_leaves_nothing() {
    let Some(behind) = Behind::start(&["--create", "--instance", "one"]) else { return };
    let mut index = 0;
    for (stage, len, is) in STAGES {
        for verdict in [Verdict::Unavailable, Verdict::CutBefore, Verdict::CutRequest, Verdict::CutAfter] {
            index += 1;
            let (name, content) = (format!("file-{index}"), pattern(len));
            behind.proxy.rule(first(1, is, verdict));
            let ended = put(&behind.server, &name, &content);
            behind.proxy.rule(|_| Verdict::Pass);
            let found = get(&behind.server, &name);
            match ended.code {
                Some(0) => assert!(found.succeeded().stdout == content, "{stage}, {verdict:?}"),
                _ => {
                    ended.failed_with(4).says("storage failed");
                    found.failed_with(3);
                }
            }
        }
    }
    // What a request did whose answer was lost is what a restart cleans up.
    drop(behind.server);
    let mut restarted = super::bench::serve(&behind.weed.place(), &["--create", "--instance", "one", "-v"]);
    put(&restarted, "after", b"x").succeeded();
    restarted.line("after");
    super::support::wait_until("clean", || leftovers(&behind.weed) == (0, 0));
}

#[test]
fn a_busy_store_is_asked_again() {
    let Some(behind) = Behind::start(&["--create"]) else { return };
    let content = pattern(3 << 20);
    behind.proxy.rule(first(3, |_| true, Verdict::Unavailable));
    put(&behind.server, "file", &content).succeeded();
    // As long as a store may take to come back.
    let start = Instant::now();
    behind.proxy.rule(
        move |_| {
            if start.elapsed() < Duration::from_secs(5) { Verdict::Unavailable } else { Verdict::Pass }
        },
    );
    assert!(get(&behind.server, "file").succeeded().stdout == content);
}

#[test]
fn a_store_that_stays_busy_is_a_clear_error() {
    let Some(mut behind) = Behind::start(&["--create"]) else { return };
    put(&behind.server, "file", b"content").succeeded();
    behind.proxy.rule(|_| Verdict::Unavailable);
    let downloading = start_get(&behind.server, "other");
    put(&behind.server, "new", b"content").failed_with(4).says("storage failed");
    finish(downloading, b"").failed_with(4).says("storage failed");
    behind.server.line("503");
    behind.server.line("503");
    behind.proxy.rule(|_| Verdict::Pass);
    get(&behind.server, "new").failed_with(3).says("file not found");
    put(&behind.server, "new", b"content").succeeded();
}

#[test]
fn a_slow_store_delays_the_first_answer_and_breaks_nothing() {
    let Some(behind) = Behind::start(&["--create", "--fresh-for", "0"]) else { return };
    let content = pattern((5 << 20) + 9);
    // Longer than the client waits before it repeats its request.
    behind.proxy.rule(|_| Verdict::Slow(Duration::from_millis(1200)));
    put(&behind.server, "file", &content).succeeded();
    behind.proxy.forget();
    assert!(get(&behind.server, "file").succeeded().stdout == content);
    let look_ups = behind.proxy.log().iter().filter(|request| request.method == "HEAD").count();
    assert_eq!(look_ups, 1, "repetitions of a request are not new ones");
}
