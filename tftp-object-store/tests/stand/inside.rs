//! An S3 server in the test's own process, so that a plain `cargo test` talks to one wherever it runs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3ServiceBuilder, SharedS3Service};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, oneshot};

use super::stand::Place;

const KEY: &str = "test-access-key";
const SECRET: &str = "test-secret-that-nobody-may-see";

/// A running server with one bucket, `files`. Dropping it ends it.
pub(crate) struct Inside {
    address: SocketAddr,
    directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Inside {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("files")).expect("a bucket");
        let files = s3s_fs::FileSystem::new(directory.path()).expect("a store");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let store = Store {
            service: builder.build().into_shared(),
            root: directory.path().into(),
            conditional: Arc::default(),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket");
                tokio::select! {
                    () = store.serve(listener) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address, directory, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn place(&self) -> Place {
        let endpoint = format!("http://{}", self.address);
        let options = [("aws_access_key_id", KEY), ("aws_secret_access_key", SECRET), ("aws_endpoint_url", &*endpoint)];
        Place::new("s3://files", &options)
    }

    /// What is there beside finished objects: parts of uploads, and objects beneath temporary keys.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(self.directory.path(), &mut found);
        found.retain(|path| {
            let path = path.to_string_lossy();
            path.contains(".upload_id-") || path.contains("/.tftp-upload-tmp/") && !path.contains(".internal.json")
        });
        found
    }
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        } else {
            found.push(entry.path());
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// s3s-fs, and what it lacks: one ETag for GET and HEAD, and the condition "only if it does not exist".
#[derive(Clone)]
struct Store {
    service: SharedS3Service,
    root: PathBuf,
    conditional: Arc<Mutex<()>>,
}

impl Store {
    async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let store = self.clone();
            tokio::spawn(store.serve_connection(stream));
        }
    }

    async fn serve_connection(self, stream: TcpStream) {
        let service = service_fn(move |request| {
            let store = self.clone();
            async move { Ok::<_, Infallible>(store.answer(request).await) }
        });
        // Whatever breaks is the client's to notice.
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if !request.headers().contains_key("if-none-match") {
            return self.pass(request).await;
        }
        let _alone = self.conditional.lock().await;
        if self.path(&request).exists() {
            let text = "<Error><Code>PreconditionFailed</Code><Message>Object already exists</Message></Error>";
            return response(412, text);
        }
        self.pass(request).await
    }

    async fn pass(&self, request: Request<Incoming>) -> Response<Body> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD).then(|| self.path(&request));
        let mut response = match self.service.call(request).await {
            Ok(response) => response,
            Err(error) => response(500, &error.to_string()),
        };
        // A key that cannot be a file's name, such as one beneath a file: 500 would be asked again and again.
        if response.status().as_u16() == 500 {
            *response.status_mut() = hyper::StatusCode::BAD_REQUEST;
        }
        if let Some(version) = reads.filter(|_| response.status().is_success()).and_then(|path| version(&path)) {
            response.headers_mut().insert("etag", version.parse().expect("a header"));
        }
        response
    }

    /// Where the object is. Names other than those of tests would have to be decoded.
    fn path(&self, request: &Request<Incoming>) -> PathBuf {
        self.root.join(request.uri().path().trim_start_matches('/'))
    }
}

/// The file's version, as web servers tell it.
fn version(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let file = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(format!("\"{:x}-{:x}-{:x}-{:x}\"", file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
}

fn response(status: u16, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    response
}
