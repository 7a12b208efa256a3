//! Names on their way from the client to storage: what is cut off, and what the rules of a file make of them.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use tftp_tokio::storage::layers::{
    NameMapping as _, NameRequest, NameRules, Operation, Renamed, RuleEffect, RuleStep, TrimJunk,
};
use tftp_tokio::storage::{BoxStorage, StorageError};

use super::quota::Quota;
use crate::args::{NameArgs, ServeArgs};
use crate::client::show;
use crate::escape::{escape, escape_json};
use crate::exit::{Exit, Failure};
use crate::units::count;

/// Who asks in a test, unless it is said: an address of documentation.
const TEST_CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// How many steps of a name's way are printed: rules may come to no end.
const SHOWN: usize = 20;

/// What becomes of names, checked.
#[derive(Debug, Clone)]
pub(super) struct Names {
    trim: bool,
    map: Option<(PathBuf, NameRules)>,
    lines: Arc<Quota>,
}

impl Names {
    pub(super) fn of(args: &NameArgs) -> Result<Self, Failure> {
        let map = args.map.clone().map(|path| rules(&path).map(|rules| (path, rules))).transpose()?;
        Ok(Self { trim: args.trim_names, map, lines: Arc::default() })
    }

    /// The same storage by the names that clients ask for.
    pub(super) fn over(&self, mut storage: BoxStorage) -> BoxStorage {
        if let Some((_, rules)) = &self.map {
            let tell = |request: &NameRequest<'_>, name: &[u8]| {
                tracing::debug!(client = %request.client, "\"{}\" is \"{}\" by the rules", escape(request.name), escape(name));
            };
            storage = BoxStorage::new(Renamed::new(storage, rules.clone()).on_change(tell));
        }
        if self.trim {
            let lines = Arc::clone(&self.lines);
            let tell = move |request: &NameRequest<'_>, name: &[u8]| {
                if lines.take(Instant::now()) {
                    tracing::info!(client = %request.client, "\"{}\" is taken for \"{}\"", escape(request.name), escape(name));
                } else {
                    tracing::debug!(client = %request.client, "\"{}\" is taken for \"{}\"", escape(request.name), escape(name));
                }
            };
            storage = BoxStorage::new(Renamed::new(storage, TrimJunk).on_change(tell));
        }
        storage
    }

    /// The lines that may be logged of names, and of what else a stranger can cause.
    pub(super) fn lines(&self) -> Arc<Quota> {
        Arc::clone(&self.lines)
    }

    /// For the first line of the log.
    pub(super) fn describe(&self) -> Option<String> {
        let map = self.map.as_ref();
        let map = map.map(|(path, rules)| format!("mapped by {} of {}", count(rules.len() as u64, "rule"), show(path)));
        let words: Vec<_> = self.trim.then(|| "trimmed".to_owned()).into_iter().chain(map).collect();
        (!words.is_empty()).then(|| format!("names {}", words.join(" and ")))
    }

    /// What becomes of one name, and by which rules.
    fn trace(&self, name: &[u8], client: IpAddr, operation: Operation) -> Traced {
        let trimmed = if self.trim {
            TrimJunk.map(&NameRequest::new(name, client, operation)).unwrap_or_else(|_| name.to_vec())
        } else {
            name.to_vec()
        };
        let (steps, result) = match &self.map {
            Some((_, rules)) => rules.trace(&NameRequest::new(&trimmed, client, operation)),
            None => (Vec::new(), Ok(trimmed.clone())),
        };
        let result = result.map_err(|error| match error {
            StorageError::AccessDenied(why) => why.into_owned(),
            other => other.to_string(),
        });
        Traced { trimmed: (trimmed != name).then_some(trimmed), steps, result }
    }
}

fn rules(path: &std::path::Path) -> Result<NameRules, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::new(Exit::LocalIo, format!("cannot read the rules in {}: {error}", show(path)))
            .hint("--map takes a file of rules; docs/storage.md says how they are written")
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|byte| **byte == b'\n').count();
        Failure::usage(format!("{}:{}: not UTF-8", show(path), line + 1))
            .hint("write other bytes than those of UTF-8 as (.) and leave them to the expression")
    })?;
    NameRules::parse(&text).map_err(|error| {
        Failure::usage(format!("{}:{}:{}: {}", show(path), error.line, error.column, error.message)).hint(error.advice)
    })
}

/// What became of a name.
#[derive(Debug, PartialEq, Eq)]
struct Traced {
    trimmed: Option<Vec<u8>>,
    steps: Vec<RuleStep>,
    /// The reason, if it is refused.
    result: Result<Vec<u8>, String>,
}

/// `--map-test`.
pub(super) fn test(args: &ServeArgs) -> Result<(), Failure> {
    if args.names.map.is_none() && !args.names.trim_names {
        return Err(Failure::usage("--map-test needs --map FILE or --trim-names: nothing would change a name"));
    }
    let names = Names::of(&args.names)?;
    let client = args.names.map_client.unwrap_or(TEST_CLIENT);
    let mut text = String::new();
    for name in &args.names.map_test {
        let name = name.as_encoded_bytes();
        let read = names.trace(name, client, Operation::Read);
        let write = names.trace(name, client, Operation::Write);
        if args.json {
            for (operation, traced) in [("get", &read), ("put", &write)] {
                text += &format!("{}\n", escape_json(&traced.json(name, operation).to_string()));
            }
        } else if read == write {
            text += &read.text(&escape(name), name);
        } else {
            text += &read.text(&format!("{} (download)", escape(name)), name);
            text += &write.text(&format!("{} (upload)", escape(name)), name);
        }
    }
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::LocalIo, format!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}

impl Traced {
    fn text(&self, shown: &str, asked: &[u8]) -> String {
        let mut text = match &self.result {
            Ok(name) if name == asked => format!("{shown} is unchanged\n"),
            Ok(name) => format!("{shown} is {}\n", escape(name)),
            Err(why) if why.starts_with("by ") => format!("{shown} is refused {why}\n"),
            Err(why) => format!("{shown} is refused: {why}\n"),
        };
        if let Some(name) = &self.trimmed {
            text += &format!("  trimmed: {}\n", escape(name));
        }
        for step in self.steps.iter().take(SHOWN) {
            text += &format!("  line {}: {}\n    {}\n", step.line, printable(&step.rule), effect(&step.effect));
        }
        if let Some(more) = self.steps.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            text += &format!("  and {more} more\n");
        }
        text
    }

    fn json(&self, asked: &[u8], operation: &str) -> serde_json::Value {
        let step = |step: &RuleStep| json!({ "line": step.line, "rule": step.rule, "effect": effect(&step.effect) });
        json!({
            "file": escape(asked),
            "direction": operation,
            "name": self.result.as_ref().ok().map(|name| escape(name)),
            "refused": self.result.as_ref().err(),
            "trimmed": self.trimmed.as_ref().map(|name| escape(name)),
            "rules": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

fn effect(effect: &RuleEffect) -> String {
    match effect {
        RuleEffect::Rewritten(name) => format!("makes it {}", escape(name)),
        RuleEffect::Refused => "refuses it".to_owned(),
        RuleEffect::Ended => "is the last rule for it".to_owned(),
        RuleEffect::Restarted => "starts again from the first rule".to_owned(),
        _ => "matches, and changes nothing".to_owned(),
    }
}

/// A rule as it stands in the file, which may hold tabs.
fn printable(rule: &str) -> String {
    rule.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
