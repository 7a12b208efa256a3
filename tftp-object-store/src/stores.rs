//! The clients of a store.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3CopyIfNotExists};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::ClientConfigKey;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::OpenError;
use crate::failure::redact;
use crate::location::{Kind, StoreUrl};
use crate::s3::S3;

/// How large a part of an upload is, in bytes: the smallest that S3 takes.
pub(crate) const PART: usize = 5 << 20;

/// The most parts of an upload: S3's and GCS's limit.
const MAX_PARTS: u64 = 10_000;

/// The largest object that S3 copies by itself.
const S3_MAX_COPY: u64 = 5 << 30;

/// One request of those that answer soon: looking, reading, deleting.
const REQUEST_TIMEOUT: &str = "15s";

/// One request of those that may take their time: writing a part, copying gigabytes.
const PATIENT_TIMEOUT: &str = "10m";

/// A store, in the clients that its uses need.
#[derive(Clone)]
pub(crate) struct Stores {
    /// For requests that answer soon.
    pub(crate) quick: Arc<dyn ObjectStore>,
    /// For requests that may take minutes.
    pub(crate) patient: Arc<dyn ObjectStore>,
    /// The ways to copy without replacing, each of which the store may or may not honour.
    pub(crate) copies: Vec<Arc<dyn ObjectStore>>,
    /// What only S3 has.
    pub(crate) s3: Option<S3>,
    /// The largest upload, in bytes.
    pub(crate) max_upload: u64,
    pub(crate) writable: bool,
    /// Whether an object may have metadata of ours.
    pub(crate) keeps_metadata: bool,
}

/// Settings by name, as in the environment but in lower case. Later ones win.
pub(crate) type Settings = Vec<(String, String)>;

/// What the environment says to a store's tools.
pub(crate) fn environment() -> Settings {
    let ours = |key: &str| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| key.starts_with(prefix));
    let mut settings: Settings = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(key, value)| ours(key) && !value.is_empty())
        .map(|(key, value)| (key.to_ascii_lowercase(), value))
        .collect();
    settings.sort();
    settings
}

/// What tells the store from others, without credentials: its URL, and where the environment says that it is.
pub(crate) fn name(location: &StoreUrl, settings: &Settings) -> String {
    let places = settings
        .iter()
        .filter(|(key, _)| ["endpoint", "base_url", "account_name"].iter().any(|part| key.contains(part)));
    places.fold(location.to_string(), |name, (key, value)| format!("{name} {key}={}", redact(value)))
}

impl Stores {
    /// A store made elsewhere.
    pub(crate) fn custom(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            quick: Arc::clone(&store),
            patient: Arc::clone(&store),
            copies: vec![store],
            s3: None,
            max_upload: PART as u64 * MAX_PARTS,
            writable: true,
            keeps_metadata: true,
        }
    }

    pub(crate) fn connect(location: &StoreUrl, settings: &Settings) -> Result<Self, OpenError> {
        // The process's choice wins, if it has made one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match location.kind {
            Kind::S3 => s3(location, settings),
            Kind::Gcs => gcs(location, settings),
            Kind::Azure => azure(location, settings),
            Kind::Http => http(location),
        }
    }
}

/// The settings that a store knows.
fn known<K: FromStr>(settings: &Settings, prefix: &str) -> Vec<(K, String)> {
    let known = |(key, value): &(String, String)| {
        let key = key.starts_with(prefix).then(|| key.parse().ok()).flatten()?;
        Some((key, value.clone()))
    };
    settings.iter().filter_map(known).collect()
}

/// Two requests in a row that fail for so long still leave time to tell a client, which gives up after some 25 s.
fn retry() -> RetryConfig {
    // Pauses are random between the shortest and `base` times the last one: they grow by half on average, and with a
    // base of 2 hardly at all.
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 3.0 };
    // More than fit into the time, which alone decides.
    RetryConfig { backoff, max_retries: 200, retry_timeout: Duration::from_secs(10) }
}

/// Here a request may have taken long before it failed. When it fails at once, these are some 9 s, too.
fn patient_retry() -> RetryConfig {
    RetryConfig { max_retries: 11, retry_timeout: Duration::from_secs(60), ..retry() }
}

/// The operator who names an endpoint without TLS wants it.
fn allows_http(endpoint: Option<String>) -> String {
    endpoint.is_some_and(|endpoint| endpoint.to_ascii_lowercase().starts_with("http://")).to_string()
}

fn s3(location: &StoreUrl, settings: &Settings) -> Result<Stores, OpenError> {
    use AmazonS3ConfigKey as Key;

    let mut builder = AmazonS3Builder::new().with_config(Key::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
    // One object at a time, which every store understands.
    builder = builder.with_config(Key::DisableBulkDelete, "true");
    let known: Vec<(Key, String)> = known(settings, "aws_");
    let endpoint = known.iter().rev().find(|(key, _)| matches!(key, Key::S3Endpoint));
    let endpoint = endpoint.or_else(|| known.iter().rev().find(|(key, _)| matches!(key, Key::Endpoint)));
    let allow_http = allows_http(endpoint.map(|(_, url)| url.clone()));
    builder = builder.with_config(Key::Client(ClientConfigKey::AllowHttp), allow_http.clone());
    let mut options = ClientOptions::new().with_config(ClientConfigKey::AllowHttp, allow_http);
    for (key, value) in &known {
        builder = builder.with_config(*key, value.clone());
        if let Key::Client(key) = key {
            options = options.with_config(*key, value.clone());
        }
    }
    builder = builder.with_url(&location.store).with_retry(retry());
    let patient = builder.clone().with_config(Key::Client(ClientConfigKey::Timeout), PATIENT_TIMEOUT);
    let patient = patient.with_retry(patient_retry());
    let told = known.iter().any(|(key, _)| matches!(key, Key::CopyIfNotExists));
    let ways = if told {
        vec![patient.clone()]
    } else {
        // The first leaves nothing behind when the server dies in the middle of it; the second is for stores that
        // ignore the condition there.
        let condition = S3CopyIfNotExists::Header("if-none-match".into(), "*".into());
        let with = |way| patient.clone().with_copy_if_not_exists(way);
        vec![with(condition), with(S3CopyIfNotExists::Multipart)]
    };
    let mut copies: Vec<Arc<dyn ObjectStore>> = Vec::new();
    for way in ways {
        copies.push(Arc::new(way.build().map_err(configuration)?));
    }
    let quick = Arc::new(builder.build().map_err(configuration)?);
    Ok(Stores {
        s3: Some(S3::new(Arc::clone(&quick), &options)?),
        quick,
        patient: Arc::new(patient.build().map_err(configuration)?),
        copies,
        max_upload: S3_MAX_COPY,
        writable: true,
        keeps_metadata: true,
    })
}

fn gcs(location: &StoreUrl, settings: &Settings) -> Result<Stores, OpenError> {
    use GoogleConfigKey as Key;

    let mut builder =
        GoogleCloudStorageBuilder::new().with_config(Key::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
    let known: Vec<(Key, String)> = known(settings, "google_");
    let base = known.iter().rev().find(|(key, _)| matches!(key, Key::BaseUrl)).map(|(_, url)| url.clone());
    builder = builder.with_config(Key::Client(ClientConfigKey::AllowHttp), allows_http(base));
    builder = known.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
    builder = builder.with_url(&location.store).with_retry(retry());
    let patient = builder.clone().with_config(Key::Client(ClientConfigKey::Timeout), PATIENT_TIMEOUT);
    let patient: Arc<dyn ObjectStore> = Arc::new(patient.with_retry(patient_retry()).build().map_err(configuration)?);
    let quick = Arc::new(builder.build().map_err(configuration)?);
    Ok(Stores { quick, ..Stores::custom(patient) })
}

fn azure(location: &StoreUrl, settings: &Settings) -> Result<Stores, OpenError> {
    use AzureConfigKey as Key;

    let mut builder = MicrosoftAzureBuilder::new().with_config(Key::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
    let known: Vec<(Key, String)> = known(settings, "azure_");
    let endpoint = known.iter().rev().find(|(key, _)| matches!(key, Key::Endpoint)).map(|(_, url)| url.clone());
    builder = builder.with_config(Key::Client(ClientConfigKey::AllowHttp), allows_http(endpoint));
    builder = known.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
    builder = builder.with_url(&location.store).with_retry(retry());
    let patient = builder.clone().with_config(Key::Client(ClientConfigKey::Timeout), PATIENT_TIMEOUT);
    let patient: Arc<dyn ObjectStore> = Arc::new(patient.with_retry(patient_retry()).build().map_err(configuration)?);
    let quick = Arc::new(builder.build().map_err(configuration)?);
    Ok(Stores { quick, ..Stores::custom(patient) })
}

fn http(location: &StoreUrl) -> Result<Stores, OpenError> {
    let builder = HttpBuilder::new()
        .with_url(&location.store)
        .with_config(ClientConfigKey::Timeout, REQUEST_TIMEOUT)
        .with_config(ClientConfigKey::AllowHttp, allows_http(Some(location.store.clone())))
        .with_retry(retry());
    let store: Arc<dyn ObjectStore> = Arc::new(builder.build().map_err(configuration)?);
    Ok(Stores { writable: false, ..Stores::custom(store) })
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn configuration(error: object_store::Error) -> OpenError {
    OpenError::Configuration(redact(&error.to_string()))
}
