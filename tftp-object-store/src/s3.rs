//! What `object_store` lacks of S3: unfinished multipart uploads, listed and aborted by signed requests of our own.

use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use quick_xml::de::from_str;
use serde::Deserialize;

use crate::OpenError;
use crate::failure::{Failure, redact, shorten};
use crate::stores::configuration;

/// How long a signature is good for.
const VALID: Duration = Duration::from_secs(300);

/// How much of an answer is read, in bytes. A page has 1000 uploads at most.
const MAX_ANSWER: usize = 16 << 20;

/// A bucket, and a client for requests of our own.
#[derive(Clone)]
pub(crate) struct S3 {
    store: Arc<AmazonS3>,
    client: HttpClient,
}

/// A multipart upload that was begun and neither completed nor aborted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Unfinished {
    #[serde(rename = "Key")]
    pub(crate) key: String,
    #[serde(rename = "UploadId")]
    id: String,
    /// When it began (RFC 3339).
    #[serde(rename = "Initiated")]
    pub(crate) initiated: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename = "ListMultipartUploadsResult")]
struct Page {
    #[serde(rename = "Upload", default)]
    uploads: Vec<Unfinished>,
    #[serde(rename = "IsTruncated", default)]
    is_truncated: bool,
    #[serde(rename = "NextKeyMarker", default)]
    next_key: String,
    #[serde(rename = "NextUploadIdMarker", default)]
    next_id: String,
}

impl S3 {
    pub(crate) fn new(store: Arc<AmazonS3>, options: &ClientOptions) -> Result<Self, OpenError> {
        let client = ReqwestConnector::default().connect(options).map_err(configuration)?;
        Ok(Self { store, client })
    }

    /// The unfinished uploads whose keys begin with `prefix`.
    pub(crate) async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>, Failure> {
        let (mut all, mut key, mut id) = (Vec::new(), String::new(), String::new());
        loop {
            let mut query = vec![("uploads", ""), ("prefix", prefix)];
            if !key.is_empty() {
                query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
            }
            let answer = self.send("GET", &Path::default(), &query).await?;
            let page: Page = from_str(&answer)
                .map_err(|_| Failure::other("the object store's list of uploads is not understood"))?;
            // Not every store looks at the prefix.
            all.extend(page.uploads.into_iter().filter(|upload| upload.key.starts_with(prefix)));
            let next = (page.next_key, page.next_id);
            if !page.is_truncated || next.0.is_empty() || next == (key.clone(), id.clone()) {
                return Ok(all);
            }
            (key, id) = next;
        }
    }

    /// Gives an unfinished upload up. One that is gone is no error.
    pub(crate) async fn abort(&self, upload: &Unfinished) -> Result<(), Failure> {
        let path = Path::parse(&upload.key).map_err(|_| Failure::other("a key that cannot be asked for"))?;
        match self.send("DELETE", &path, &[("uploadId", &upload.id)]).await {
            Ok(_) | Err(Failure::NotFound) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    async fn send(&self, method: &str, path: &Path, query: &[(&str, &str)]) -> Result<String, Failure> {
        let method: http::Method = method.parse().map_err(|_| Failure::other("no such method"))?;
        let options = SignedUrlOptions::new().with_query(query.iter().copied());
        let url = self.store.signed_url_opts(method.clone(), path, VALID, &options).await?;
        let request = HttpRequest::new(HttpRequestBody::empty());
        let (mut parts, body) = request.into_parts();
        parts.method = method;
        parts.uri = url.as_str().parse().map_err(|_| Failure::other("no such URL"))?;
        let failed = |text: String| Failure::other(format!("the object store failed: {}", shorten(&redact(&text))));
        let response = self.client.execute(HttpRequest::from_parts(parts, body)).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let bytes = response.into_body().bytes().await.map_err(|error| failed(error.to_string()))?;
        if bytes.len() > MAX_ANSWER {
            return Err(Failure::other("the object store's answer is too long"));
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match status.as_u16() {
            200..=299 => Ok(text),
            404 => Err(Failure::NotFound),
            401 | 403 => {
                Err(Failure::Denied("the object store does not let its unfinished uploads be listed or aborted".into()))
            }
            _ => Err(Failure::Other(crate::failure::answered(&status.to_string(), &text).into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_uploads_is_understood() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Bucket>b</Bucket><KeyMarker></KeyMarker><NextKeyMarker>k2</NextKeyMarker>
              <NextUploadIdMarker>i2</NextUploadIdMarker><MaxUploads>1000</MaxUploads><IsTruncated>true</IsTruncated>
              <Upload><Key>k1 &amp; more</Key><UploadId>i1</UploadId><Initiator><ID>x</ID></Initiator>
                <StorageClass>STANDARD</StorageClass><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>
              <Upload><Key>k2</Key><UploadId>i2</UploadId></Upload>
            </ListMultipartUploadsResult>"#;
        let page: Page = from_str(xml).unwrap();
        assert!(page.is_truncated);
        assert_eq!((page.next_key.as_str(), page.next_id.as_str()), ("k2", "i2"));
        let initiated = Some("2026-01-02T03:04:05.000Z".to_owned());
        assert_eq!(page.uploads[0], Unfinished { key: "k1 & more".into(), id: "i1".into(), initiated });
        assert_eq!(page.uploads[1].initiated, None);
        let empty: Page = from_str("<ListMultipartUploadsResult></ListMultipartUploadsResult>").unwrap();
        assert!(empty.uploads.is_empty() && !empty.is_truncated);
    }
}
