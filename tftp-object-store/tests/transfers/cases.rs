//! What a client must be able to do with files that are objects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use tftp_driver::runtime::Runtime;
use tftp_driver::storage::WritePolicy;
use tftp_driver::types::{Error, ErrorCode, Options, Outcome, Timing};
use tftp_object_store::{ObjectStorage, ObjectStorageBuilder};

use super::rig::{Gate, Gated, Pieces, Rig, Task, content, download};
use super::stand::{Place, Proxy, Verdict};

const CHUNK: usize = 1 << 20;
const PART: usize = 5 << 20;

/// A runtime, and a store.
pub(crate) struct Bench<R> {
    rig: Rig<R>,
    address: SocketAddr,
    place: Place,
}

impl<R: Runtime> Bench<R> {
    pub(crate) fn new(runtime: R, spawn: fn(Task), address: SocketAddr, place: Place) -> Self {
        Self { rig: Rig::new(runtime, spawn), address, place }
    }

    async fn storage(&self, policy: WritePolicy) -> ObjectStorage {
        at(&self.place).write_policy(policy).open().await.unwrap()
    }

    /// What another server on the same bucket reads; `None` if it is not there.
    async fn stored(&self, name: &str) -> Option<Vec<u8>> {
        let server = self.rig.serve(at(&self.place).fresh_for(Duration::ZERO).open().await.unwrap());
        match download(&self.rig.client_with(large), server.address(), name).await {
            Ok(content) => Some(content),
            Err(Error::Refused { code: ErrorCode::FileNotFound, .. }) => None,
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

fn at(place: &Place) -> ObjectStorageBuilder {
    let builder = ObjectStorage::builder(place.url.clone());
    place.options.iter().fold(builder, |builder, (key, value)| builder.option(key, value))
}

type Client = tftp_driver::client::ClientBuilder<tftp_driver::client::ClientConfig>;

/// For files of megabytes.
fn large(builder: Client) -> Client {
    builder.block_size(8192).window_size(16)
}

/// A client that repeats itself soon and often.
fn impatient(builder: Client) -> Client {
    let (least, most) = (Duration::from_millis(20), Duration::from_millis(40));
    let timing = Timing { initial_timeout: least, min_timeout: least, max_timeout: most, ..Timing::default() };
    builder.timing(Timing { unproved_retries: u32::MAX, ..timing })
}

fn gives_up_after_a_second() -> Timing {
    Timing { give_up_after: Duration::from_secs(1), ..Timing::default() }
}

fn refused<T>(result: Result<T, Error>) -> (ErrorCode, String) {
    match result {
        Err(Error::Refused { code, message, .. }) => (code, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

pub(crate) async fn files_come_back_whole<R: Runtime>(bench: Bench<R>) {
    let server = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    let mut count = 0;
    for (block_size, window_size) in [(None, None), (Some(1428), Some(16)), (Some(65_464), Some(3))] {
        let options = Options { block_size, window_size, transfer_size: Some(0), ..Options::NONE };
        let client = bench.rig.client_with(|builder| builder.options(options));
        // At a block a turn, millions of bytes take long.
        let large: &[usize] = if block_size.is_some() { &[CHUNK, CHUNK + 1, PART + 9] } else { &[] };
        for len in [0, 1, 511, 512, 65_537].iter().chain(large).copied() {
            let data = content(len as u32, len);
            let name = format!("{len}-by-{}-by-{}", block_size.unwrap_or(0), window_size.unwrap_or(0));
            let report = client.put(server.address(), &name, Pieces(data.clone()), None).await.expect(&name);
            assert_eq!((report.outcome, report.bytes), (Outcome::Completed, len as u64), "{name}");
            assert!(download(&client, server.address(), &name).await.expect(&name) == data, "{name}");
            count += 2;
        }
    }
    let reports = server.finished(&bench.rig, count).await;
    assert!(reports.iter().all(|report| report.outcome == Outcome::Completed));
    let data = content(PART as u32 + 9, PART + 9);
    assert!(bench.stored(&format!("{}-by-1428-by-16", PART + 9)).await.unwrap() == data);
}

pub(crate) async fn existing_and_missing_files<R: Runtime>(bench: Bench<R>) {
    let server = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    let client = bench.rig.client_with(large);
    for len in [1000, PART + 1] {
        let (name, first) = (format!("file-{len}"), content(1, len));
        let missing = refused(download(&client, server.address(), &name).await);
        assert_eq!(missing, (ErrorCode::FileNotFound, "file not found".into()));
        client.put(server.address(), &name, Pieces(first.clone()), None).await.unwrap();
        let second = client.put(server.address(), &name, Pieces(content(2, len)), None).await;
        assert_eq!(refused(second), (ErrorCode::FileAlreadyExists, "file already exists".into()));
        assert!(bench.stored(&name).await.unwrap() == first);
    }
    let replacing = bench.rig.serve(bench.storage(WritePolicy::OVERWRITE).await);
    let second = content(2, PART + 1);
    client.put(replacing.address(), "file-1000", Pieces(second.clone()), None).await.unwrap();
    assert!(bench.stored("file-1000").await.unwrap() == second);
}

/// Polls an upload until it is held up by its source.
async fn reach<R: Runtime, T>(rig: &Rig<R>, gate: &Gate, upload: &mut (impl Future<Output = T> + Unpin)) {
    let wait = Box::pin(rig.until("at the gate", || gate.is_reached()));
    assert!(matches!(select(upload, wait).await, Either::Right(_)), "it ended");
}

pub(crate) async fn one_writer_for_each_name<R: Runtime>(bench: Bench<R>) {
    let server = bench.rig.serve(bench.storage(WritePolicy::ANY).await);
    let (address, client) = (server.address(), bench.rig.client_with(large));
    let (source, gate) = Gated::new(content(1, 600_000), content(2, PART));
    let mut first = client.put(address, "file", source, None).into_future();
    reach(&bench.rig, &gate, &mut first).await;
    // An upload that has begun in earnest does not yield, however the name is spelled.
    let second = client.put(address, "/./file", Pieces(content(3, 10)), None).into_future();
    let second = match select(&mut first, second).await {
        Either::Right((result, _)) => result,
        Either::Left(_) => panic!("the first one ended"),
    };
    assert_eq!(refused(second).0, ErrorCode::AccessViolation);
    gate.open(Ok(()));
    first.await.unwrap();
    let stored = bench.stored("file").await.unwrap();
    assert!(stored[..600_000] == content(1, 600_000) && stored[600_000..] == content(2, PART));
}

pub(crate) async fn two_servers_on_one_bucket<R: Runtime>(bench: Bench<R>) {
    let (rig, policy) = (&bench.rig, WritePolicy::CREATE);
    let servers = [rig.serve(bench.storage(policy).await), rig.serve(bench.storage(policy).await)];
    for len in [5000, PART + 9] {
        let name = format!("file-{len}");
        let uploads = servers.iter().zip([1, 2]).map(|(server, seed)| {
            let (client, name) = (rig.client_with(large), name.clone());
            async move { client.put(server.address(), &name, Pieces(content(seed, len)), None).await }
        });
        let mut results = join_all(uploads).await;
        let winner = results.iter().position(Result::is_ok).expect("one wins");
        let loser = refused(results.swap_remove(1 - winner));
        assert_eq!(loser, (ErrorCode::FileAlreadyExists, "file already exists".into()));
        assert!(bench.stored(&name).await.unwrap() == content(winner as u32 + 1, len));
    }
}

pub(crate) async fn a_dropped_upload_leaves_nothing<R: Runtime>(bench: Bench<R>) {
    let server = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    let client = bench.rig.client_with(large);
    for (ended, len) in [300_000, PART + 300_000].into_iter().enumerate() {
        let (source, gate) = Gated::new(content(2, len), content(3, 1));
        let mut upload = client.put(server.address(), "file", source, None).into_future();
        reach(&bench.rig, &gate, &mut upload).await;
        drop(upload);
        let reports = server.finished(&bench.rig, 2 * ended + 1).await;
        assert!(matches!(reports[2 * ended].outcome, Outcome::PeerError { .. }), "{:?}", reports[2 * ended].outcome);
        assert!(bench.stored("file").await.is_none());
        // Another name, for it must stay free for the next round.
        let other = format!("other-{ended}");
        client.put(server.address(), &other, Pieces(content(4, 9)), None).await.unwrap();
    }
    client.put(server.address(), "file", Pieces(content(4, 9)), None).await.unwrap();
}

pub(crate) async fn a_dropped_server_leaves_nothing<R: Runtime>(bench: Bench<R>) {
    let server = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    let client = bench.rig.client_with(|builder| large(builder).timing(gives_up_after_a_second()));
    let (source, gate) = Gated::new(content(5, PART + 300_000), content(6, 100_000));
    let mut upload = client.put(server.address(), "file", source, None).into_future();
    reach(&bench.rig, &gate, &mut upload).await;
    server.kill().await;
    gate.open(Ok(()));
    assert!(matches!(upload.await, Err(Error::TimedOut(_))));
    assert!(bench.stored("file").await.is_none());
    // The name is free.
    let server = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    client.put(server.address(), "file", Pieces(content(7, 9)), None).await.unwrap();
}

pub(crate) async fn a_shutdown_lets_uploads_end<R: Runtime>(bench: Bench<R>) {
    let mut server = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    let client = bench.rig.client_with(large);
    let data = content(8, 2 * PART);
    let (source, gate) = Gated::new(data.slice(..PART + 300_000), data.slice(PART + 300_000..));
    let mut upload = client.put(server.address(), "file", source, None).into_future();
    reach(&bench.rig, &gate, &mut upload).await;
    server.handle.shutdown();
    gate.open(Ok(()));
    upload.await.unwrap();
    server.end().await;
    assert!(bench.stored("file").await.unwrap() == data);
}

pub(crate) async fn two_hundred_clients_cost_one_fetch_of_each_byte<R: Runtime>(bench: Bench<R>) {
    let data = content(9, 2 * CHUNK + 77);
    let writing = bench.rig.serve(bench.storage(WritePolicy::CREATE).await);
    bench.rig.client_with(large).put(writing.address(), "file", Pieces(data.clone()), None).await.unwrap();
    let storage = at(&bench.place).fresh_for(Duration::from_secs(3600)).open().await.unwrap();
    let server = bench.rig.serve(storage.clone());
    let downloads = (0..200).map(|_| {
        let client = bench.rig.client_with(|builder| large(builder).local_addr("127.0.7.8:0".parse().unwrap()));
        let (address, data) = (server.address(), &data);
        async move { assert!(download(&client, address, "file").await.unwrap() == *data) }
    });
    join_all(downloads).await;
    let stats = storage.stats();
    assert_eq!((stats.look_ups, stats.look_ups_saved), (1, 199));
    assert_eq!((stats.chunks_fetched, stats.bytes_fetched), (3, data.len() as u64));
}

pub(crate) async fn a_slow_store_delays_the_first_answer_and_nothing_else<R: Runtime>(bench: Bench<R>) {
    let proxy = Proxy::start(bench.address);
    let place = bench.place.through(&proxy);
    let storage = at(&place).write_policy(WritePolicy::CREATE).fresh_for(Duration::ZERO).open().await.unwrap();
    let server = bench.rig.serve(storage);
    let data = content(10, CHUNK + 5);
    let client = bench.rig.client_with(|builder| large(impatient(builder)));
    // Every request waits until it is let through, which is long after the client has begun to repeat itself.
    for direction in ["put", "get"] {
        let closed = Arc::new(AtomicBool::new(true));
        let gate = Arc::clone(&closed);
        proxy.forget();
        proxy.rule(move |_| {
            while gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Verdict::Pass
        });
        let transfer = async {
            if direction == "put" {
                client.put(server.address(), "file", Pieces(data.clone()), None).await.unwrap();
            } else {
                assert!(download(&client, server.address(), "file").await.unwrap() == data);
            }
        };
        let open = async {
            bench.rig.until("a request", || !proxy.log().is_empty()).await;
            bench.rig.sleep(Duration::from_millis(300)).await;
            closed.store(false, Ordering::SeqCst);
        };
        join(transfer, open).await;
        let look_ups = proxy.log().iter().filter(|request| request.method == "HEAD").count();
        assert_eq!(look_ups, 1, "{direction}: repetitions of a request are not new ones");
    }
    let reports = server.finished(&bench.rig, 2).await;
    assert!(reports.iter().all(|report| report.outcome == Outcome::Completed), "{reports:?}");
}

pub(crate) async fn a_store_that_is_gone_is_an_error<R: Runtime>(bench: Bench<R>) {
    let proxy = Proxy::start(bench.address);
    let place = bench.place.through(&proxy);
    let server = bench.rig.serve(at(&place).write_policy(WritePolicy::CREATE).open().await.unwrap());
    let client = bench.rig.client_with(large);
    client.put(server.address(), "before", Pieces(content(11, CHUNK)), None).await.unwrap();
    proxy.rule(|_| Verdict::Unavailable);
    let told = (ErrorCode::NotDefined, "storage failed".to_owned());
    let upload = client.put(server.address(), "file", Pieces(content(12, 9)), None).into_future();
    let (upload, download_) = join(upload, download(&client, server.address(), "before")).await;
    assert_eq!((refused(upload), refused(download_)), (told.clone(), told));
    proxy.rule(|_| Verdict::Pass);
    assert!(download(&client, server.address(), "before").await.unwrap() == content(11, CHUNK));
    assert!(bench.stored("file").await.is_none());
}
