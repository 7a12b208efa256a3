//! Files come out as they went in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tftp_driver::runtime::Runtime;
use tftp_driver::storage::{BytesReader, Context, ReadRequest, Reader, Storage, StorageError, WriteRequest, Writer};
use tftp_driver::types::{Mode, Options, Outcome};

use super::endings::fast;
use super::rig::{LOCALHOST, Pieces, Rig, content, download, memory, read_some, read_to_end};

const SIZES: [usize; 7] = [0, 1, 511, 512, 513, 65_537, 1 << 20];

pub(crate) async fn sizes_around_block_edges<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    let mut count = 0;
    for (block_size, window_size) in [(None, None), (Some(512), None), (Some(1428), Some(16)), (Some(65_464), Some(3))]
    {
        let options = Options { block_size, window_size, transfer_size: Some(0), ..Options::NONE };
        let client = rig.client_with(|builder| builder.options(options));
        for len in SIZES {
            let data = content(len as u32, len);
            let name = format!("{len} by {block_size:?}, {window_size:?}");
            let report =
                client.put(server.address(), &name, Pieces(data.clone()), Some(len as u64)).await.expect(&name);
            assert_eq!((report.outcome, report.bytes), (Outcome::Completed, len as u64), "{name}");
            assert!(memory.get(&name).unwrap() == data, "{name} was put");
            assert!(download(&client, server.address(), &name).await.expect(&name) == data, "{name} was got");
            count += 2;
        }
    }
    let reports = server.finished(&rig, count).await;
    assert!(reports.iter().all(|report| report.outcome == Outcome::Completed));
}

pub(crate) async fn more_than_65535_blocks<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve(memory());
    let client = rig.client_with(|builder| builder.block_size(8).window_size(64));
    let data = content(1, 8 * 65_600 + 3);
    client.put(server.address(), "long", Pieces(data.clone()), None).await.unwrap();
    assert!(download(&client, server.address(), "long").await.unwrap() == data);
}

pub(crate) async fn netascii_both_ways<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    // Line ends and lone carriage returns all over the block edges.
    let text: Bytes = content(2, 5000).iter().map(|byte| b"\r\na\n\rb"[usize::from(*byte % 6)]).collect();
    for window in [1, 4] {
        let client = rig.client_with(|builder| builder.block_size(512).window_size(window).mode(Mode::Netascii));
        let name = format!("text {window}");
        client.put(server.address(), &name, Pieces(text.clone()), None).await.unwrap();
        assert!(memory.get(&name).unwrap() == text, "put");
        assert!(download(&client, server.address(), &name).await.unwrap() == text, "got");
    }
}

pub(crate) async fn sizes_and_parameters_are_known<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", content(3, 12_345)).unwrap();
    let server = rig.serve(memory);
    let client = rig.client_with(|builder| builder.block_size(1024).window_size(4).timeout(1).timing(fast()));
    let mut download = client.get(server.address(), "file").await.unwrap();
    assert_eq!(download.size(), Some(12_345));
    let parameters = *download.parameters();
    assert_eq!((parameters.block_size, parameters.window_size), (1024, 4));
    assert_eq!(parameters.timeout, Some(Duration::from_secs(1)));
    assert!(download.report().is_none());
    assert_eq!(read_to_end(&mut download).await.unwrap().len(), 12_345);
    assert_eq!(download.report().unwrap().outcome, Outcome::Completed);
    let report = download.finish().await.unwrap();
    assert_eq!((report.bytes, report.parameters), (12_345, Some(parameters)));
    // Once more changes nothing.
    assert_eq!(download.finish().await.unwrap().bytes, 12_345);
    assert!(read_to_end(&mut download).await.unwrap().is_empty());
}

pub(crate) async fn progress_is_told<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let server = rig.serve(memory.clone());
    let client = rig.client_with(|builder| builder.block_size(1000).window_size(2));
    // So long a file cannot be sent in one turn of the loop.
    let told = Mutex::new(Vec::new());
    client
        .put(server.address(), "file", Pieces(content(4, 1_050_500)), Some(1_050_500))
        .progress(|done, of| told.lock().unwrap().push((done, of)))
        .await
        .unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() > 2, "{told:?}");
    assert!(told.is_sorted() && told.iter().all(|(_, of)| *of == Some(1_050_500)), "{told:?}");
    assert_eq!(told.last(), Some(&(1_050_500, Some(1_050_500))));

    let mut download = client.get(server.address(), "file").await.unwrap();
    let mut before = 0;
    while !read_some(&mut download, 7_777).await.unwrap().is_empty() {
        let now = download.transferred();
        assert!((before..=1_050_500).contains(&now));
        before = now;
    }
    assert_eq!(download.transferred(), 1_050_500);
}

pub(crate) async fn slow_readers_hold_the_server_back<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let data = content(5, 1 << 20);
    memory.insert("file", data.clone()).unwrap();
    let server = rig.serve(memory);
    let client = rig.client_with(|builder| builder.block_size(1428).window_size(8));
    let mut download = client.get(server.address(), "file").await.unwrap();
    let mut all = Vec::new();
    while all.len() < data.len() {
        let some = read_some(&mut download, 20_000).await.unwrap();
        all.extend(some);
        // What was received but not read: the buffer, a window, and a write that waits for its answer.
        let ahead = download.transferred() as usize - all.len().min(download.transferred() as usize);
        assert!(ahead <= 3 * (64 << 10), "{ahead} bytes ahead of the reader");
        if all.len() % 7 == 0 {
            rig.sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(all == data);
    assert!(read_some(&mut download, 1).await.unwrap().is_empty());
}

pub(crate) async fn chunks_are_as_large_as_asked_for<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let data = content(9, 300_001);
    memory.insert("file", data.clone()).unwrap();
    let server = rig.serve(memory);
    for (window, chunk_size) in [(1, 1), (1, 10_000), (16, 10_000), (1, 100_000), (16, 1 << 30)] {
        let client = rig.client_with(|builder| builder.block_size(1000).window_size(window).chunk_size(chunk_size));
        let mut download = client.get(server.address(), "file").await.unwrap();
        let mut chunks = Vec::new();
        while let Some(chunk) = download.chunk().await.unwrap() {
            chunks.push(chunk);
        }
        assert!(chunks.concat() == data);
        let (_, all_but_the_last) = chunks.split_last().unwrap();
        assert!(all_but_the_last.iter().all(|chunk| chunk.len() >= chunk_size), "window {window}, {chunk_size}");
        assert!(download.chunk().await.unwrap().is_none());
        assert_eq!(download.report().unwrap().outcome, Outcome::Completed);
    }
}

pub(crate) async fn peers_that_wait_in_place<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve_with(memory(), |builder| builder.listen(LOCALHOST.parse().unwrap()).wait_in_place(true));
    // Few blocks: where the other is on the same thread, it gets there only after each wait.
    for (window, len) in [(1, 5_000), (4, 20_000)] {
        let data = content(10, len);
        let client = rig.client_with(|builder| builder.block_size(512).window_size(window).wait_in_place(true));
        let name = format!("window {window}");
        client.put(server.address(), &name, Pieces(data.clone()), None).await.unwrap();
        assert!(download(&client, server.address(), &name).await.unwrap() == data, "{name}");
    }
    let reports = server.finished(&rig, 4).await;
    assert!(reports.iter().all(|report| report.outcome == Outcome::Completed));
}

pub(crate) async fn readers_that_know_the_size_need_no_end_of_file<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    memory.insert("file", content(6, 3000)).unwrap();
    let server = rig.serve(memory);
    let mut download = rig.client().get(server.address(), "file").await.unwrap();
    let mut left = download.size().unwrap() as usize;
    while left > 0 {
        left -= read_some(&mut download, left.min(100)).await.unwrap().len();
    }
    drop(download);
    let reports = server.finished(&rig, 1).await;
    assert_eq!(reports[0].outcome, Outcome::Completed, "the last ACK was sent with the last byte");
}

pub(crate) async fn readers_keep_their_version<R: Runtime>(rig: Rig<R>) {
    let memory = memory();
    let (old, new) = (content(7, 1 << 20), content(8, 1 << 20));
    memory.insert("file", old.clone()).unwrap();
    let server = rig.serve(memory);
    let client = rig.client();
    let mut download = client.get(server.address(), "file").await.unwrap();
    let mut all = read_some(&mut download, 100_000).await.unwrap();
    client.put(server.address(), "file", Pieces(new.clone()), None).await.unwrap();
    all.extend(read_to_end(&mut download).await.unwrap());
    assert!(all == old);
    assert!(super::rig::download(&client, server.address(), "file").await.unwrap() == new);
}

/// Memory behind a thread pool.
struct Slow(Arc<Mutex<Bytes>>);

struct SlowReader(BytesReader, Context);

struct SlowWriter(Arc<Mutex<Bytes>>, Vec<u8>, Context);

async fn doze(cx: &Context) {
    cx.run(|| std::thread::sleep(Duration::from_micros(200))).await.unwrap();
}

impl Storage for Slow {
    type Reader = SlowReader;
    type Writer = SlowWriter;

    async fn open_read(&self, _: &ReadRequest, cx: &Context) -> Result<SlowReader, StorageError> {
        doze(cx).await;
        Ok(SlowReader(BytesReader::new(self.0.lock().unwrap().clone()), cx.clone()))
    }

    async fn open_write(&self, _: &WriteRequest, cx: &Context) -> Result<SlowWriter, StorageError> {
        doze(cx).await;
        Ok(SlowWriter(Arc::clone(&self.0), Vec::new(), cx.clone()))
    }
}

impl Reader for SlowReader {
    fn size(&self) -> Option<u64> {
        None
    }

    async fn read_at(&mut self, offset: u64, len: usize) -> Result<Bytes, StorageError> {
        doze(&self.1).await;
        self.0.read_at(offset, len).await
    }
}

impl Writer for SlowWriter {
    async fn write_at(&mut self, offset: u64, bytes: Bytes) -> Result<(), StorageError> {
        doze(&self.2).await;
        assert_eq!(offset, self.1.len() as u64);
        self.1.extend_from_slice(&bytes);
        Ok(())
    }

    async fn commit(self) -> Result<(), StorageError> {
        doze(&self.2).await;
        *self.0.lock().unwrap() = self.1.into();
        Ok(())
    }

    async fn abort(self) {}
}

pub(crate) async fn files_from_slow_storage<R: Runtime>(rig: Rig<R>) {
    let server = rig.serve(Slow(Arc::default()));
    for (block_size, window) in [(512, 1), (1428, 16)] {
        let client = rig.client_with(|builder| builder.block_size(block_size).window_size(window));
        for len in [0, 512, 100_000] {
            let data = content(9, len);
            client.put(server.address(), "file", Pieces(data.clone()), None).await.unwrap();
            assert!(download(&client, server.address(), "file").await.unwrap() == data);
        }
    }
}
