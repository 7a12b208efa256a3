//! What a client says in the end: a line for people, an object for programs.

use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::escape::escape_json;
use crate::exit::Failure;
use crate::units::{show_rate, show_seconds, show_size};
use tftp_tokio::{Mode, Options, Report};

/// What a transfer did, as far as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) server: String,
    pub(crate) bytes: u64,
    pub(crate) duration: Duration,
    pub(crate) retransmissions: u64,
    pub(crate) agreed: Option<Agreed>,
    /// What the server granted.
    pub(crate) options: Options,
}

/// What client and server agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) block_size: u16,
    pub(crate) window_size: u16,
    pub(crate) mode: Mode,
    /// As the server, or the client of a put, announced it.
    pub(crate) size: Option<u64>,
}

impl Facts {
    pub(crate) fn of(report: &Report) -> Self {
        Self {
            server: report.peer.to_string(),
            bytes: report.bytes,
            duration: report.duration,
            retransmissions: report.stats.retransmissions,
            agreed: report.parameters.map(|parameters| Agreed {
                block_size: parameters.block_size,
                window_size: parameters.window_size,
                mode: parameters.mode,
                size: parameters.transfer_size,
            }),
            options: report.options,
        }
    }

    /// How much, how fast, how.
    pub(crate) fn describe(&self) -> String {
        let (bytes, duration) = (self.bytes, self.duration);
        let mut text = format!("{} in {} ({})", show_size(bytes), show_seconds(duration), show_rate(bytes, duration));
        if let Some(agreed) = self.agreed {
            text += &format!(", block size {}, window {}", agreed.block_size, agreed.window_size);
            if self.options == Options::NONE {
                text += " (no options granted)";
            }
            if agreed.mode == Mode::Netascii {
                text += ", netascii";
            }
        }
        if self.retransmissions > 0 {
            text += &format!(", {} retransmitted", self.retransmissions);
        }
        text
    }

    /// A size that was announced and did not come true. netascii has none.
    pub(crate) fn size_mismatch(&self) -> Option<u64> {
        let agreed = self.agreed.filter(|agreed| agreed.mode == Mode::Octet)?;
        agreed.size.filter(|size| *size != self.bytes)
    }

    fn add_to(&self, object: &mut Map<String, Value>) {
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("address", json!(self.server));
        set("bytes", json!(self.bytes));
        set("seconds", json!((self.duration.as_secs_f64() * 1e6).round() / 1e6));
        set("retransmissions", json!(self.retransmissions));
        if let Some(agreed) = self.agreed {
            set("block_size", json!(agreed.block_size));
            set("window_size", json!(agreed.window_size));
            set("mode", json!(if agreed.mode == Mode::Netascii { "netascii" } else { "octet" }));
            set("announced_size", json!(agreed.size));
            let options = self.options.iter().map(|(kind, value)| (kind.name().to_owned(), json!(value)));
            set("options", Value::Object(options.collect()));
        }
    }
}

/// The end of a `get` or `put`.
#[derive(Debug)]
pub(crate) struct Ending {
    /// `get` or `put`.
    pub(crate) command: &'static str,
    pub(crate) server: String,
    pub(crate) path: String,
    pub(crate) local: Option<String>,
    pub(crate) facts: Option<Facts>,
    pub(crate) result: Result<(), Failure>,
}

impl Ending {
    /// One object; the keys are documented in the README and only ever added to.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("ok", json!(self.result.is_ok()));
        set("command", json!(self.command));
        set("server", json!(self.server));
        set("path", json!(self.path));
        set("local", json!(self.local));
        match &self.result {
            Ok(()) => set("exit_code", json!(0)),
            Err(failure) => {
                set("error", json!(failure.exit.name()));
                set("message", json!(failure.message));
                set("exit_code", json!(failure.exit.number()))
            }
        };
        if let Some(facts) = &self.facts {
            facts.add_to(&mut object);
        }
        Value::Object(object)
    }

    /// Prints the object where it does not get into the way of the file.
    pub(crate) fn print_json(&self, file_goes_to_stdout: bool) -> io::Result<()> {
        let line = format!("{}\n", escape_json(&self.to_json().to_string()));
        if file_goes_to_stdout {
            io::stderr().write_all(line.as_bytes())
        } else {
            io::stdout().write_all(line.as_bytes())?;
            io::stdout().flush()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn facts() -> Facts {
        Facts {
            server: "192.0.2.1:2070".into(),
            bytes: 2048,
            duration: Duration::from_millis(1500),
            retransmissions: 0,
            agreed: Some(Agreed { block_size: 512, window_size: 1, mode: Mode::Octet, size: None }),
            options: Options::NONE,
        }
    }

    #[test]
    fn people_read_how_much_how_fast_and_how() {
        assert_eq!(facts().describe(), "2.0 KiB in 1.500 s (1.3 KiB/s), block size 512, window 1 (no options granted)");
        let agreed = Agreed { block_size: 1428, window_size: 16, mode: Mode::Netascii, size: None };
        let options = Options { block_size: Some(1428), window_size: Some(16), ..Options::NONE };
        let lossy = Facts { retransmissions: 3, agreed: Some(agreed), options, ..facts() };
        assert_eq!(
            lossy.describe(),
            "2.0 KiB in 1.500 s (1.3 KiB/s), block size 1428, window 16, netascii, 3 retransmitted"
        );
    }

    #[test]
    fn a_size_that_does_not_come_true_is_noticed() {
        let with =
            |mode, size| Facts { agreed: Some(Agreed { block_size: 512, window_size: 1, mode, size }), ..facts() };
        assert_eq!(with(Mode::Octet, Some(2048)).size_mismatch(), None);
        assert_eq!(with(Mode::Octet, Some(4096)).size_mismatch(), Some(4096));
        assert_eq!(with(Mode::Netascii, Some(4096)).size_mismatch(), None);
        assert_eq!(facts().size_mismatch(), None);
    }

    #[test]
    fn programs_read_the_same_keys_every_time() {
        let mut ending = Ending {
            command: "get",
            server: "h:69".into(),
            path: "a\n\"b".into(),
            local: Some("-".into()),
            facts: Some(facts()),
            result: Ok(()),
        };
        let value = ending.to_json();
        assert_eq!(value["ok"], true);
        assert_eq!(value["exit_code"], 0);
        assert_eq!(value["bytes"], 2048);
        assert_eq!(value["mode"], "octet");
        assert_eq!(value["options"], json!({}));
        assert_eq!(value.to_string().lines().count(), 1);
        ending.result = Err(Failure::new(Exit::NotFound, "no such file"));
        ending.facts = None;
        let value = ending.to_json();
        assert_eq!(value["ok"], false);
        assert_eq!(value["error"], "not_found");
        assert_eq!(value["exit_code"], 3);
    }
}
