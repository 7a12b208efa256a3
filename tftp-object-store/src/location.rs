//! Which store a URL means, and what of it may be shown.

use std::fmt;

use object_store::path::Path;
use url::Url;

use crate::OpenError;

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Gcs,
    Azure,
    Http,
}

/// A checked URL of a store. What is shown of it holds no credentials.
///
/// ```
/// use tftp_object_store::StoreUrl;
///
/// let url = StoreUrl::parse("https://user:secret@example.org/boot").unwrap();
/// assert_eq!(url.to_string(), "https://example.org/boot");
/// assert!(StoreUrl::parse("ftp://example.org/boot").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    pub(crate) kind: Kind,
    /// What `object_store` is given: the store without the prefix. Of an HTTP origin it may hold a password.
    pub(crate) store: String,
    /// What keys begin with.
    pub(crate) prefix: Path,
    shown: String,
}

/// The schemes that [`ObjectStorage::builder`](crate::ObjectStorage::builder) understands.
pub const SCHEMES: [&str; 10] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "http", "https"];

impl StoreUrl {
    /// Understands a URL; [`ObjectStorage::builder`](crate::ObjectStorage::builder) has the list.
    ///
    /// # Errors
    ///
    /// [`OpenError::Url`], which does not quote it.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        // Never the text itself: a password may stand in it.
        let wrong = |reason: &str| OpenError::Url(reason.to_owned());
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        let kind = match url.scheme() {
            "s3" | "s3a" => Kind::S3,
            "gs" => Kind::Gcs,
            "az" | "azure" | "adl" | "abfs" | "abfss" => Kind::Azure,
            "http" | "https" => Kind::Http,
            scheme => return Err(wrong(&format!("{scheme}: is not the scheme of an object store"))),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("the name of the bucket, container or host is missing"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it may not have a query or a fragment; credentials come from the environment"));
        }
        let container = matches!(kind, Kind::Azure) && !url.username().is_empty() && url.password().is_none();
        let user = !url.username().is_empty() || url.password().is_some();
        if user && !container && kind != Kind::Http {
            return Err(wrong("it may not hold credentials; they come from the environment"));
        }
        let prefix = Path::from_url_path(url.path()).map_err(|_| wrong("its path is no prefix of keys"))?;
        let authority = if container { format!("{}@{host}", url.username()) } else { host.to_owned() };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let slash = if prefix.as_ref().is_empty() { "" } else { "/" };
        let shown = format!("{}://{authority}{port}{slash}{prefix}", url.scheme());
        let mut store = url.clone();
        store.set_path("");
        Ok(Self { kind, store: store.into(), prefix, shown })
    }

    /// Whether the store can take uploads at all.
    #[must_use]
    pub fn takes_uploads(&self) -> bool {
        self.kind != Kind::Http
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> StoreUrl {
        StoreUrl::parse(text).unwrap()
    }

    #[test]
    fn store_and_prefix() {
        for (text, kind, store, prefix) in [
            ("s3://bucket", Kind::S3, "s3://bucket", ""),
            ("s3://bucket/a/b/", Kind::S3, "s3://bucket", "a/b"),
            ("S3://bucket/a%20b", Kind::S3, "s3://bucket", "a b"),
            ("gs://bucket/a", Kind::Gcs, "gs://bucket", "a"),
            ("az://container/a", Kind::Azure, "az://container", "a"),
            (
                "abfs://files@account.dfs.core.windows.net/a",
                Kind::Azure,
                "abfs://files@account.dfs.core.windows.net",
                "a",
            ),
            ("http://host:8080/a", Kind::Http, "http://host:8080/", "a"),
            ("https://host", Kind::Http, "https://host/", ""),
        ] {
            let location = parse(text);
            assert_eq!((location.kind, &*location.store, location.prefix.as_ref()), (kind, store, prefix), "{text}");
        }
    }

    #[test]
    fn secrets_are_neither_shown_nor_taken_where_they_do_not_belong() {
        let origin = parse("https://user:secret@host/a");
        assert_eq!(origin.to_string(), "https://host/a");
        assert!(origin.store.contains("secret"), "the origin asks for it");
        assert!(!format!("{origin:?}").contains("secret"));
        for text in [
            "s3://key:secret@bucket/a",
            "s3://secret@bucket/a",
            "gs://secret@bucket",
            "az://container:secret@account",
            "https://host/a?secret=1",
            "az://container/a?sig=secret",
            "s3://bucket/#secret",
            "http://user:secret@",
            "s3:///secret",
            "secret://bucket/secret",
            "not a url, but secret",
        ] {
            let error = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret") || text.starts_with("secret:"), "{error}");
        }
    }

    #[test]
    fn prefixes_cannot_lead_upwards() {
        // The URL's own rules have resolved the dots already.
        assert_eq!(parse("s3://bucket/a/../b").prefix.as_ref(), "b");
        assert_eq!(parse("s3://bucket/%2e%2e/b").prefix.as_ref(), "b");
        assert!(StoreUrl::parse("s3://bucket/a//b").is_err());
        assert!(StoreUrl::parse("s3://bucket/a%00b").is_err());
        assert!(StoreUrl::parse("s3://bucket/a%2f..%2fb").is_err());
    }

    #[test]
    fn every_scheme_is_understood() {
        for scheme in SCHEMES {
            assert!(StoreUrl::parse(&format!("{scheme}://name/prefix")).is_ok(), "{scheme}");
        }
    }
}
