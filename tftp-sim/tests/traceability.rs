//! Every requirement of the RFCs in `docs/rfc.md` is cited where the code meets it and where a test proves it.
//!
//! A citation is a comment in the convention of duvet: the section, for a test its type, and the words of the RFC.
//!
//! ```text
//! //= rfc1350#section-7
//! //= type=test
//! //# Timeouts must also be used to detect errors.
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Section and words: what a requirement is known by.
type Requirement = (String, String);

/// A line of the table.
#[derive(Debug)]
struct Row {
    requirement: Requirement,
    /// Files beneath `tftp-proto/src`.
    code: Vec<String>,
    /// `file::function` beneath `tftp-sim/tests`.
    tests: Vec<String>,
    remark: String,
}

/// A comment that cites a requirement.
#[derive(Debug)]
struct Citation {
    requirement: Requirement,
    is_test: bool,
    /// The file, and for a citation at a test `file::function`.
    place: String,
}

/// The rows of the tables in a Markdown text.
fn rows(text: &str, faults: &mut Vec<String>) -> Vec<Row> {
    let names = |cell: &str| -> Vec<String> {
        let none = cell == "—";
        cell.split(", ").filter(|_| !none).map(|name| name.trim_matches('`').to_owned()).collect()
    };
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("| `rfc")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [section, level, words, code, tests, remark] = cells[..] else {
            faults.push(format!("a row without six cells: {line}"));
            continue;
        };
        assert!(!level.is_empty() && !words.is_empty(), "{line}");
        rows.push(Row {
            requirement: (section.trim_matches('`').to_owned(), words.to_owned()),
            code: names(code),
            tests: names(tests),
            remark: remark.to_owned(),
        });
    }
    rows
}

/// The citations in a Rust file. One of type test belongs to the test function that it stands before.
fn citations(file: &str, source: &str, faults: &mut Vec<String>) -> Vec<Citation> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(section) = lines[at].strip_prefix("//= ") else {
            if lines[at].starts_with("//# ") {
                faults.push(format!("{file}:{}: words without a section", at + 1));
            }
            at += 1;
            continue;
        };
        let line = at + 1;
        at += 1;
        let is_test = lines.get(at) == Some(&"//= type=test");
        at += usize::from(is_test);
        let mut words = Vec::new();
        while let Some(more) = lines.get(at).and_then(|line| line.strip_prefix("//# ")) {
            words.push(more);
            at += 1;
        }
        if words.is_empty() {
            faults.push(format!("{file}:{line}: a section without words"));
        }
        let mut place = file.to_owned();
        if is_test {
            let mut head = lines[at..].iter().take_while(|line| line.starts_with("//") || line.starts_with("#["));
            let after = at + head.clone().count();
            let name =
                lines.get(after).and_then(|line| line.strip_prefix("fn ")).and_then(|rest| rest.split('(').next());
            match name.filter(|_| head.any(|line| *line == "#[test]")) {
                Some(name) => place = format!("{}::{name}", file.trim_end_matches(".rs")),
                None => faults.push(format!("{file}:{line}: a citation of type test that stands before no test")),
            }
        }
        found.push(Citation { requirement: (section.to_owned(), words.join(" ")), is_test, place });
    }
    found
}

/// What the table says and the citations do not, and the other way round.
fn differences(rows: &[Row], citations: &[Citation], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut cited: BTreeMap<&Requirement, [Vec<&str>; 2]> = BTreeMap::new();
    for Citation { requirement, is_test, place } in citations {
        let places = &mut cited.entry(requirement).or_default()[usize::from(*is_test)];
        if places.contains(&place.as_str()) && *is_test {
            faults.push(format!("{place} cites twice: {requirement:?}"));
        }
        places.push(place);
    }
    for (number, Row { requirement, code, tests, remark }) in rows.iter().enumerate() {
        if rows[..number].iter().any(|row| row.requirement == *requirement) {
            faults.push(format!("twice in the table: {requirement:?}"));
        }
        if code.is_empty() != tests.is_empty() {
            faults.push(format!("code without a test, or a test without code: {requirement:?}"));
        }
        if code.is_empty() && remark.is_empty() {
            faults.push(format!("neither met nor argued: {requirement:?}"));
        }
        let [in_code, at_tests] = cited.remove(requirement).unwrap_or_default();
        for (named, found) in [(code, in_code), (tests, at_tests)] {
            for place in named.iter().filter(|place| !found.contains(&place.as_str())) {
                let why = if exists(place) { "does not cite" } else { "does not exist, but should cite" };
                faults.push(format!("{place} {why}: {requirement:?}"));
            }
            for place in found.iter().filter(|place| !named.iter().any(|name| name == *place)) {
                faults.push(format!("{place} is not in the table at {requirement:?}"));
            }
        }
    }
    for (requirement, places) in cited {
        faults.push(format!("not in the table, but cited by {places:?}: {requirement:?}"));
    }
    faults
}

/// The Rust files beneath a directory: their paths from there, and what they hold.
fn sources(root: &Path, from: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(root, &path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let parts: Vec<_> = path.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap()).collect();
            found.push((parts.join("/"), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

#[test]
fn every_requirement_is_cited_in_the_code_and_at_a_test() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut faults = Vec::new();
    let rows = rows(&fs::read_to_string(workspace.join("docs/rfc.md")).unwrap(), &mut faults);
    let mut files = Vec::new();
    let mut cited = Vec::new();
    for (directory, tests) in [("tftp-proto/src", false), ("tftp-sim/tests", true)] {
        let root = workspace.join(directory);
        for (file, source) in sources(&root, &root) {
            for citation in citations(&file, &source, &mut faults) {
                if citation.is_test != tests {
                    faults
                        .push(format!("{directory}/{file}: a citation of the wrong type: {:?}", citation.requirement));
                }
                cited.push(citation);
            }
            files.push((file, source));
        }
    }
    let exists = |place: &str| match place.split_once("::") {
        None => files.iter().any(|(file, _)| file == place),
        Some((stem, name)) => files
            .iter()
            .any(|(file, source)| file.trim_end_matches(".rs") == stem && source.contains(&format!("fn {name}("))),
    };
    faults.extend(differences(&rows, &cited, exists));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for rfc in ["1350", "1123", "2347", "2348", "2349", "7440"] {
        let of = |row: &&Row| row.requirement.0.starts_with(&format!("rfc{rfc}#"));
        assert!(rows.iter().filter(of).any(|row| !row.tests.is_empty()), "nothing of RFC {rfc}");
    }
}

/// The faults that are found in these texts of a table, of `a.rs` in the code and of `t.rs` among the tests.
fn faults_of(table: &str, code: &str, test: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = rows(table, &mut faults);
    let mut cited = citations("a.rs", code, &mut faults);
    cited.extend(citations("t.rs", test, &mut faults));
    faults.extend(differences(&rows, &cited, |place| place == "a.rs" || place == "t::proves"));
    faults
}

#[test]
fn what_is_missing_or_wrong_is_found() {
    let table = "| `rfc1#s` | MUST | Do this and that. | `a.rs` | `t::proves` | |";
    let code = "    //= rfc1#s\n    //# Do this\n    //# and that.\n    do_it();";
    let test = "//= rfc1#s\n//= type=test\n//# Do this and that.\n#[test]\nfn proves() {";
    assert_eq!(faults_of(table, code, test), [""; 0]);

    let argued = "\n| `rfc1#s` | SHOULD | Not here. | — | — | Does not apply. |";
    assert_eq!(faults_of(&[table, argued].concat(), code, test), [""; 0]);

    let finds = |table: &str, code: &str, test: &str, part: &str| {
        let faults = faults_of(table, code, test);
        assert!(faults.iter().any(|fault| fault.contains(part)), "{part:?} is not in {faults:?}");
    };
    finds(table, "", test, "a.rs does not cite");
    finds(table, code, "", "t::proves does not cite");
    finds(&table.replace("proves", "is_gone"), code, test, "t::is_gone does not exist");
    finds(&table.replace("a.rs", "b.rs"), code, test, "b.rs does not exist");
    finds(&table.replace("a.rs", "b.rs"), code, test, "a.rs is not in the table");
    finds(table, &code.replace("this", "thus"), test, "not in the table, but cited");
    finds(table, &code.replace("#s", "#t"), test, "not in the table, but cited");
    finds("", code, test, "not in the table, but cited");
    finds(&table.replace("`t::proves`", "—"), code, "", "code without a test");
    finds(&argued.replace("Does not apply.", ""), "", "", "neither met nor argued");
    finds(&[table, "\n", table].concat(), code, test, "twice in the table");
    finds(table, code, &[test, "}\n", test].concat(), "cites twice");
    finds(table, code, &test.replace("#[test]\n", ""), "stands before no test");
    finds(table, "//= rfc1#s\ndo_it();", test, "a section without words");
    finds(table, "//# Do this", test, "words without a section");
    finds("| `rfc1#s` | MUST | Do this. |", "", "", "without six cells");
}
