//! The papers say what is so: examples that stand in several places are the same, and those of a crate are its doctests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

const PUBLISHED: [&str; 6] = ["tftp-proto", "tftp-driver", "tftp-object-store", "tftp-tokio", "tftp-smol", "tftp-cli"];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks of Rust in a text.
fn examples(text: &str) -> Vec<&str> {
    let blocks = text.split("```rust").skip(1);
    blocks.map(|block| block.split_once('\n').unwrap().1.split("```").next().unwrap()).collect()
}

#[test]
fn the_examples_of_the_readme_are_those_of_the_adapter() {
    let crate_readme = read("tftp-tokio/README.md");
    let tested = examples(&crate_readme);
    let readme = read("README.md");
    let shown = examples(&readme);
    assert!(!shown.is_empty());
    for example in shown {
        assert!(tested.contains(&example), "README.md has an example that tftp-tokio/README.md has not:\n{example}");
    }
}

#[test]
fn every_published_crate_has_a_readme_whose_examples_are_doctests() {
    for name in PUBLISHED {
        let readme = read(&format!("{name}/README.md"));
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}");
        if name != "tftp-cli" {
            assert!(read(&format!("{name}/src/lib.rs")).contains("#[doc = include_str!(\"../README.md\")]"), "{name}");
        }
    }
}

#[test]
fn every_published_crate_carries_both_licences() {
    for name in PUBLISHED {
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert_eq!(read(&format!("{name}/{licence}")), read(licence), "{name}");
        }
    }
}
