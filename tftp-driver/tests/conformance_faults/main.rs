//! The conformance suite can fail: storage in memory with one fault at a time, each of which must be found.

#![allow(clippy::unwrap_used, clippy::panic)] // Helpers of tests are not tests to clippy.

mod fault;
mod names;
mod reader;
mod storage;
mod writer;

use fault::Fault;
use futures_lite::future::block_on;
use storage::Faulty;
use tftp_driver::storage::conformance::{self, Failure};
use tftp_driver::storage::{Context, WritePolicy};

fn uploads(fault: Fault) -> Result<(), Failure> {
    block_on(conformance::writable(|policy| Faulty::new(fault, policy), &Context::inline()))
}

/// As a back end that takes no uploads checks itself.
fn downloads(fault: Fault) -> Result<(), Failure> {
    let content: Vec<u8> = (0..300_000).map(|i| (i % 251) as u8 ^ (i / 251 % 256) as u8).collect();
    let policy = if fault == Fault::PolicyIsIgnored { WritePolicy::ANY } else { WritePolicy::READ_ONLY };
    let storage = || {
        let storage = Faulty::new(fault, policy);
        storage.insert("file", &content);
        storage
    };
    let cx = Context::inline();
    block_on(conformance::readable(storage(), "file", &content, &cx))?;
    block_on(conformance::read_only(storage(), "file", &cx))?;
    block_on(conformance::attack(storage(), "file", &cx))
}

#[test]
fn storage_without_a_fault_conforms() {
    uploads(Fault::None).unwrap();
    downloads(Fault::None).unwrap();
}

#[test]
fn every_fault_is_found_in_storage_that_takes_uploads() {
    let mut missed = Vec::new();
    for fault in Fault::ALL {
        match uploads(fault) {
            Err(failure) => println!("{fault:?}: {failure}"),
            Ok(()) => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn every_fault_of_reading_is_found_in_storage_that_takes_none() {
    let mut missed = Vec::new();
    for fault in Fault::ALL.into_iter().filter(|fault| fault.shows_in_downloads()) {
        match downloads(fault) {
            Err(failure) => println!("{fault:?}: {failure}"),
            Ok(()) => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

#[test]
fn the_guide_knows_how_many_there_are() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/storage.md");
    // Not there where the crate was unpacked alone.
    let Ok(guide) = std::fs::read_to_string(guide) else { return };
    assert!(guide.contains(&format!("one fault at a time, {} of them", Fault::ALL.len())));
}

#[test]
fn a_failure_names_the_rule_that_was_broken() {
    for (fault, rule) in [
        (Fault::LastByteIsMissing, "a committed file comes back whole"),
        (Fault::ReadsOnlyForwards, "any offset may be read again, either way"),
        (Fault::ReadersShareAPosition, "readers of one file do not disturb each other"),
        (Fault::ReaderSeesTheNewVersion, "a reader keeps the version it opened"),
        (Fault::PartIsVisible, "an upload is invisible until its commit"),
        (Fault::AbortLeavesThePart, "an abort leaves nothing"),
        (Fault::DropCommits, "dropping a writer aborts it"),
        (Fault::OldTailIsKept, "a replaced file is the new one and nothing of the old"),
        (Fault::SecondWriterIsLetIn, "one writer for each name, however it is spelled"),
        (Fault::GapsAreFilled, "writes are sequential and gapless"),
        (Fault::ExistingIsReplaced, "without overwrite a file is never replaced"),
        (Fault::LargestSizeIsOneTooMany, "no upload is larger than 1000 bytes"),
        (Fault::OnlyTheLastPartCounts, "two names are two files, however much of them is the same"),
        (Fault::TwoDotsAreRefused, "dots and signs within a name are legal"),
    ] {
        assert_eq!(uploads(fault).unwrap_err().rule, rule, "{fault:?}");
    }
    assert_eq!(downloads(Fault::ReadsAreShort).unwrap_err().rule, "a read is short only at the end");
}
