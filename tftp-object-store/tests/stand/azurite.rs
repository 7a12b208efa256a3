//! Azurite: the Azure Blob Storage of Azure's own tests.

use std::net::SocketAddr;
use std::process::Command;

use super::process::Process;
use super::{Place, answers, eventually, installed, unique_loopback};

/// The emulator's account, which its documentation publishes.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// An Azurite with one container, `files`.
pub(crate) struct Azurite {
    address: SocketAddr,
    _process: Process,
    _directory: tempfile::TempDir,
}

impl Azurite {
    /// `None`, loudly, if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = installed("azurite-blob", "npm package azurite")?;
        installed("node", "Debian package nodejs")?;
        let address = SocketAddr::new(unique_loopback(), 10_000);
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        let mut command = Command::new(program);
        command
            .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--blobPort", "10000", "--blobHost"])
            .arg(address.ip().to_string())
            .arg("--location")
            .arg(directory.path());
        let mut process = Process::start(&mut command, &log);
        eventually("Azurite", || {
            assert!(!process.has_ended(), "it ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            answers(address, "/")
        });
        create_container(address);
        Some(Self { address, _process: process, _directory: directory })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn place(&self) -> Place {
        let endpoint = format!("http://{}/{ACCOUNT}", self.address);
        let options = [
            ("azure_storage_account_name", ACCOUNT),
            ("azure_storage_account_key", KEY),
            ("azure_storage_endpoint", &*endpoint),
        ];
        Place::new("az://files", &options)
    }
}

/// The one request that storage never makes, signed like its own.
fn create_container(address: SocketAddr) {
    use tftp_object_store::object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
    use tftp_object_store::object_store::client::{
        ClientOptions, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector,
    };

    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://{address}/{ACCOUNT}/files?restype=container");
    let mut request: HttpRequest = http::Request::put(url).body(HttpRequestBody::empty()).expect("a request");
    let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(KEY).expect("a key"));
    AzureAuthorizer::new(&credential, ACCOUNT).try_authorize(&mut request).expect("a signature");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let status = runtime.block_on(async {
        let client =
            ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true)).expect("a client");
        client.execute(request).await.expect("an answer").status()
    });
    assert_eq!(status.as_u16(), 201, "the container");
}
