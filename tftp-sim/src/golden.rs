//! Tables of what was measured in virtual time, kept beside the tests: a change of any figure shows in review.

use std::path::Path;

/// Set this variable to write the tables anew.
const UPDATE: &str = "UPDATE_TABLES";

/// Compares a table with `tests/NAME.txt`, or writes that file.
///
/// # Panics
///
/// If they differ, or the file cannot be written.
#[allow(clippy::panic, reason = "a test's verdict")]
pub fn check(name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name).with_extension("txt");
    if std::env::var_os(UPDATE).is_some() {
        if let Err(error) = std::fs::write(&path, table) {
            panic!("{}: {error}", path.display());
        }
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if expected == table {
        return;
    }
    for (expected, found) in expected.lines().zip(table.lines()).filter(|(expected, found)| expected != found) {
        println!("-{expected}\n+{found}");
    }
    panic!(
        "tests/{name}.txt says something else. If the change is meant: {UPDATE}=1 cargo test -p tftp-sim --test {name}, and \
         commit the file"
    );
}
