//! An HTTP proxy between the server and a store: it counts, delays, refuses, and cuts connections.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::unique_loopback;

/// A request, as far as rules look at it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The first and the last byte asked for.
    pub(crate) range: Option<(u64, u64)>,
    /// Whether it only succeeds if the object does not exist.
    pub(crate) creates: bool,
    /// Whether the store is to copy another object.
    pub(crate) copies: bool,
    /// The length of its body, in bytes.
    pub(crate) len: u64,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// It passes, after a while.
    Slow(Duration),
    /// The store is too busy.
    Unavailable,
    /// The connection is cut before the store hears of it.
    CutBefore,
    /// Half of its body reaches the store.
    CutRequest,
    /// The store carries it out, and the answer is lost.
    CutAfter,
    /// Half of the answer's body arrives.
    CutAnswer,
    /// It is never answered, for as long as the proxy runs.
    Hang,
}

type Rule = Box<dyn FnMut(&Request) -> Verdict + Send>;

struct Shared {
    upstream: SocketAddr,
    rule: Mutex<Rule>,
    log: Mutex<Vec<Request>>,
    ended: AtomicBool,
}

/// A running proxy. Dropping it ends it.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((unique_loopback(), 0)).expect("the proxy's socket");
        let address = listener.local_addr().expect("the proxy's address");
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Box::new(|_| Verdict::Pass)),
            log: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                thread::spawn(move || {
                    // Whatever breaks is the peers' to notice.
                    let _ = serving.serve(&client);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn upstream(&self) -> SocketAddr {
        self.shared.upstream
    }

    /// What becomes of the requests from now on.
    pub(crate) fn rule(&self, rule: impl FnMut(&Request) -> Verdict + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// From the first request of this kind on nothing is answered any more, for good. Tells when that has come.
    pub(crate) fn hang_from(&self, is: impl Fn(&Request) -> bool + Send + 'static) -> Arc<AtomicBool> {
        let reached = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&reached);
        self.rule(move |request| {
            if is(request) {
                tell.store(true, Ordering::SeqCst);
            }
            if tell.load(Ordering::SeqCst) { Verdict::Hang } else { Verdict::Pass }
        });
        reached
    }

    /// The requests so far.
    pub(crate) fn log(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.shared.log.lock().unwrap().clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes it up.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// One request for each connection: both ends are told to close it.
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let request = parse(&head);
        self.log.lock().unwrap().push(request.clone());
        let verdict = (self.rule.lock().unwrap())(&request);
        match verdict {
            Verdict::Pass | Verdict::CutRequest | Verdict::CutAfter | Verdict::CutAnswer => {}
            Verdict::Slow(duration) => thread::sleep(duration),
            Verdict::CutBefore => return Ok(()),
            Verdict::Hang => {
                while !self.ended.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            Verdict::Unavailable => {
                io::copy(&mut reader.take(request.len), &mut io::sink())?;
                let answer = b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                return (&mut &*client).write_all(answer);
            }
        }
        let mut store = TcpStream::connect(self.upstream)?;
        store.write_all(closing(&head).as_bytes())?;
        let len = if verdict == Verdict::CutRequest { request.len / 2 } else { request.len };
        io::copy(&mut (&mut reader).take(len), &mut store)?;
        if verdict == Verdict::CutRequest {
            return store.shutdown(Shutdown::Both);
        }
        let mut answer = BufReader::new(store);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if answer.read_until(b'\n', &mut head)? == 0 {
                return Ok(());
            }
        }
        if verdict == Verdict::CutAfter {
            io::copy(&mut answer, &mut io::sink())?;
            return Ok(());
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut out = client;
        out.write_all(closing(&head).as_bytes())?;
        if verdict == Verdict::CutAnswer {
            let half = header(&head, "content-length").and_then(|len| len.parse::<u64>().ok()).unwrap_or(0) / 2;
            io::copy(&mut answer.take(half), &mut out)?;
            return Ok(());
        }
        io::copy(&mut answer, &mut out).map(drop)
    }
}

fn parse(head: &str) -> Request {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let range = header(head, "range").and_then(|range| {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        range,
        creates: header(head, "if-none-match").is_some() || header(head, "x-goog-if-generation-match").is_some(),
        copies: head.to_ascii_lowercase().contains("copy-source"),
        len: header(head, "content-length").and_then(|len| len.parse().ok()).unwrap_or(0),
    }
}

/// The value of a header field.
fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// The same head, of a connection that ends with it.
fn closing(head: &str) -> String {
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.push("Connection: close");
    lines.join("\r\n") + "\r\n\r\n"
}
