//! Why a request to a store failed.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;

use object_store::Error;
use tftp_driver::storage::StorageError;

/// So much of an error's text is kept, in bytes.
const MAX_TEXT: usize = 300;

/// A [`StorageError`] that can be told to everybody who waited for the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    NotFound,
    Denied(Arc<str>),
    Exists,
    Changed,
    /// The budget for chunks is used up. Never leaves this crate.
    NoRoom,
    Other(Arc<str>),
}

impl Failure {
    pub(crate) fn other(text: impl AsRef<str>) -> Self {
        Self::Other(text.as_ref().into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound { .. } => Self::NotFound,
            Error::AlreadyExists { .. } => Self::Exists,
            Error::Precondition { .. } | Error::NotModified { .. } => Self::Changed,
            Error::PermissionDenied { .. } => Self::Denied(explain(&error, "the object store refused").into()),
            Error::Unauthenticated { .. } => {
                Self::Denied(explain(&error, "the object store does not accept the credentials").into())
            }
            _ => Self::Other(explain(&error, "the object store failed").into()),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound => Self::NotFound,
            StorageError::AlreadyExists => Self::Exists,
            StorageError::Changed => Self::Changed,
            StorageError::AccessDenied(text) => Self::Denied((*text).into()),
            other => Self::other(other.to_string()),
        }
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotFound => Self::NotFound,
            Failure::Denied(text) => Self::AccessDenied(text.to_string().into()),
            Failure::Exists => Self::AlreadyExists,
            Failure::Changed => Self::Changed,
            Failure::NoRoom => Self::Full,
            Failure::Other(text) => Self::Other(text.to_string()),
        }
    }
}

/// What happened, without anything that should not be in a log: no query of a URL, no user in it, and of a store's
/// answer only its own code and message (others quote the request's signature).
fn explain(error: &Error, what: &str) -> String {
    let mut text = String::new();
    let mut source: Option<&dyn StdError> = Some(error);
    while let Some(error) = source {
        let part = error.to_string();
        // Most errors repeat their source.
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        source = error.source();
    }
    let reason = status(&text).unwrap_or_else(|| shorten(&redact(&without_retries(&text))));
    format!("{what}: {reason}")
}

/// The same without how often and how long it was tried.
fn without_retries(text: &str) -> String {
    let Some((_, rest)) = text.split_once("Error performing ") else { return text.to_owned() };
    let request = rest.split(" in ").next().unwrap_or(rest);
    let Some((_, why)) = rest.split_once(" - ") else { return text.to_owned() };
    format!("{request}: {why}")
}

/// An HTTP status and the store's code and message, if that is what the error is about.
fn status(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    let (status, body) = rest.split_once(": ").unwrap_or((rest, ""));
    Some(answered(status, body))
}

/// A status, and of the body only the store's code and message.
pub(crate) fn answered(status: &str, body: &str) -> String {
    let mut said = status.trim().to_owned();
    let parts = [element(body, "Code"), element(body, "Message")];
    let parts: Vec<_> = parts.into_iter().flatten().map(redact).collect();
    if !parts.is_empty() {
        let _ = write!(said, " ({})", parts.join(": "));
    }
    shorten(&said)
}

/// The text of the first XML element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (!text.is_empty()).then_some(text)
}

/// The text with the user information and the query of every URL in it left out, and every line break.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || "()<>\"'`".contains(c)).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let url = url.split_once(['?', '#']).map_or(url, |(url, _)| url);
        let authority = url.find('/').unwrap_or(url.len());
        let host = url[..authority].rfind('@').map_or(0, |at| at + 1);
        out.push_str(&url[host..]);
        rest = after;
    }
    out.push_str(rest);
    out.retain(|c| !c.is_control());
    out
}

pub(crate) fn shorten(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_secrets() {
        assert_eq!(
            redact("error for url (https://user:secret@host:1/a/b?sig=secret&x=1): no"),
            "error for url (https://host:1/a/b): no"
        );
        assert_eq!(redact("GET http://h/?secret and https://k@h2#frag end"), "GET http://h/ and https://h2 end");
        assert_eq!(redact("http://secret@"), "http://");
        assert_eq!(redact("a\nb"), "ab");
        assert_eq!(redact("no url: at all?"), "no url: at all?");
    }

    #[test]
    fn of_an_answer_only_the_code_and_the_message_are_kept() {
        let text = "Server returned non-2xx status code: 403 Forbidden: <?xml?><Error><Code>SignatureDoesNotMatch</Code>\
            <Message>no match</Message><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId><StringToSign>x</StringToSign></Error>";
        assert_eq!(status(text).unwrap(), "403 Forbidden (SignatureDoesNotMatch: no match)");
        assert_eq!(status("non-2xx status code: 503 Service Unavailable: ").unwrap(), "503 Service Unavailable");
        assert_eq!(status("connection refused"), None);
    }

    #[test]
    fn how_often_it_was_tried_is_left_out() {
        let text = "Generic S3 error: Error performing PUT http://h/a in 1.1s, after 8 retries, max_retries: 8, \
            retry_timeout: 25s  - HTTP error: error sending request";
        assert_eq!(without_retries(text), "PUT http://h/a: HTTP error: error sending request");
        assert_eq!(without_retries("other - text"), "other - text");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = shorten(&"é".repeat(1000));
        assert!(text.len() <= MAX_TEXT + 3 && text.ends_with("é…"));
    }
}
