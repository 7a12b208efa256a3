//! Rules from a file.

use futures_lite::future::block_on;
use tftp_driver::storage::layers::{NameRequest, NameRules, Operation, Renamed, RuleEffect};
use tftp_driver::storage::{Context, Memory, StorageError, conformance};

use crate::support::{get, memory, put};

fn run_as(rules: &str, name: &[u8], client: &str, operation: Operation) -> Result<Vec<u8>, StorageError> {
    let rules = NameRules::parse(rules).unwrap_or_else(|error| panic!("{rules}: {error}"));
    rules.run(&NameRequest::new(name, client.parse().unwrap(), operation))
}

#[track_caller]
fn run(rules: &str, name: &str) -> String {
    String::from_utf8(run_as(rules, name.as_bytes(), "192.0.2.169", Operation::Read).unwrap()).unwrap()
}

fn refused(rules: &str, name: &[u8]) -> String {
    match run_as(rules, name, "192.0.2.169", Operation::Read) {
        Err(StorageError::AccessDenied(reason)) => reason.into_owned(),
        other => panic!("{rules}: {other:?}"),
    }
}

#[test]
fn storage_with_rules_conforms() {
    let rules = NameRules::parse("rg \\\\\\\\ /\nr ^/*(\\./)* root/\n").unwrap();
    let make = |policy| Renamed::new(Memory::builder().write_policy(policy).build(), rules.clone());
    block_on(conformance::writable(make, &Context::inline())).unwrap();
}

#[test]
fn replacements() {
    for (rules, name, expected) in [
        ("r foo bar", "a/foo/foo", "a/bar/foo"),
        ("rg foo bar", "a/foo/foo", "a/bar/bar"),
        (r"rg \\ /", r"\Boot\BCD", "/Boot/BCD"),
        ("r ^(.*)-(.*)$ \\2-\\1", "a-b-c", "c-a-b"),
        (r"r .* \0\0", "ab", "abab"),
        (r"ri ^PXE tftp\0", "pxelinux", "tftppxelinux"),
        ("r ^PXE x", "pxelinux", "pxelinux"),
        (r"r ^ \x/", "boot", "C00002A9/boot"),
        (r"r ^ \i/", "boot", "192.0.2.169/boot"),
        (r"r ^.*$ \L\0", "Boot/BCD", "boot/bcd"),
        (r"r ^(.)(.*)$ \U\1\E\2", "boot", "Boot"),
        ("r foo", "afoob", "ab"),
        (r"r x\ y a\ b", "x y", "a b"),
        (r"r a\#b \# # a comment", "a#b", "#"),
        ("r a+ b # r x y", "aaa", "b"),
        ("r (a|b)+\\.cfg x", "abab.cfg", "x"),
        ("r a{2,3} x", "aaaa", "xa"),
        ("r [[:digit:]]+ N", "r17", "rN"),
        (r"r [\\/]+ -", r"a\/b", "a-b"),
        ("", "unchanged", "unchanged"),
        ("# nothing\n\n   # at all", "unchanged", "unchanged"),
    ] {
        assert_eq!(run(rules, name), expected, "{rules}");
    }
}

#[test]
fn a_replacement_with_gg_goes_on_behind_itself() {
    assert_eq!(run("rgg a aa", "banana"), "baanaanaa");
    assert_eq!(run("rgg x* -", "ab"), "-a-b-");
    assert_eq!(run("rgg ^a b", "aaa"), "baa", "the beginning is at the beginning only");
    assert!(refused("rg a aaaaaaaa", b"banana").contains("more than 4096 bytes"));
    assert!(refused("rg a a", b"banana").contains("no end"));
}

#[test]
fn the_course_of_rules() {
    assert_eq!(run("r a b\nr b c\nr c d", "a"), "d", "all are gone through");
    assert_eq!(run("r a b\nre b c\nr c d", "a"), "c", "to the last");
    assert_eq!(run("e ^/srv/\nr ^ /srv/", "/srv/x"), "/srv/x", "only looked at");
    assert_eq!(run("e ^/srv/\nr ^ /srv/", "x"), "/srv/x");
    assert_eq!(run("r ^b c\nrs ^a b", "a"), "c", "from the first again");
    assert_eq!(run("~e ^a\nr a x", "ba"), "ba", "what does not match ends");
    assert_eq!(run("~e ^a\nr a x", "ab"), "xb");
    assert_eq!(run("~s ^x\nr ^ x", "xa"), "xxa");
    assert!(refused("s a", b"a").contains("no end: 1024 steps, the last by line 1"));
    assert!(refused("r x y\nrs a a", b"a").contains("no end"));
}

#[test]
fn requests_can_be_refused() {
    assert_eq!(refused("r a b\na ^b$ # secret", b"a"), "by the rule in line 2: a ^b$");
    assert_eq!(refused("a ^b$ ask the operator", b"b"), "by the rule in line 1: ask the operator");
    assert_eq!(refused("~a \\.cfg$", b"passwd"), "by the rule in line 1: ~a \\.cfg$");
    assert_eq!(run("~a \\.cfg$", "x.cfg"), "x.cfg");
    // No byte keeps a rule from seeing a name.
    for name in [&b"secret\xff"[..], b"secret\n", b"\xffsecret", b"se\xc3cret", b"secret"] {
        let rule = if name.contains(&0xc3) { "a ^se.*cret" } else { "a ^.*secret.*$" };
        assert!(refused(rule, name).starts_with("by the rule"), "{name:?}");
    }
    assert!(refused("ai secret", b"SeCrEt").starts_with("by the rule"));
}

#[test]
fn rules_for_one_direction_or_one_kind_of_client() {
    let rules = "rG a get\nrP a put\nr4 b four\nr6 b six";
    let run = |client, operation| String::from_utf8(run_as(rules, b"a-b", client, operation).unwrap()).unwrap();
    assert_eq!(run("192.0.2.1", Operation::Read), "get-four");
    assert_eq!(run("::ffff:192.0.2.1", Operation::Write), "put-four");
    assert_eq!(run("2001:db8::1", Operation::Write), "put-six");
}

#[test]
fn every_step_is_told() {
    let rules = NameRules::parse("rg o 0\n  e0 x\nr z y\ne f  # the end\nr f g".replace("e0", "e").as_str()).unwrap();
    let (steps, result) = rules.trace(&NameRequest::new(b"foo", [192, 0, 2, 1].into(), Operation::Read));
    assert_eq!(result.unwrap(), b"f00");
    let told: Vec<_> = steps.iter().map(|step| (step.line, step.rule.as_str(), step.effect.clone())).collect();
    assert_eq!(
        told,
        [
            (1, "rg o 0", RuleEffect::Rewritten(b"f0o".to_vec())),
            (1, "rg o 0", RuleEffect::Rewritten(b"f00".to_vec())),
            (4, "e f", RuleEffect::Ended),
        ]
    );
    let rules = NameRules::parse("i foo\naG foo no").unwrap();
    let (steps, result) = rules.trace(&NameRequest::new(b"foo", [192, 0, 2, 1].into(), Operation::Read));
    assert!(result.is_err());
    assert_eq!(
        steps.iter().map(|step| step.effect.clone()).collect::<Vec<_>>(),
        [RuleEffect::Nothing, RuleEffect::Refused]
    );
}

#[test]
fn mistakes_are_placed_and_explained() {
    for (rules, line, column, message) in [
        ("r a b\nrz a b", 2, 2, "no operation has this letter"),
        ("  r", 1, 4, "the expression is missing"),
        ("r # a b", 1, 3, "the expression is missing"),
        ("r (a b", 1, 3, "the expression is not understood: unclosed group"),
        ("ä a", 1, 1, "no operation has this letter"),
        ("r ä(a)\\2 x", 1, 3, "the expression is not understood: backreferences are not supported"),
        ("r (a) ü\\2", 1, 8, "the expression has no group 2, only 1"),
        ("r a b\\q", 1, 6, "\\q has no meaning in a replacement"),
        ("r a b c", 1, 7, "more than a rule has"),
        ("e a b", 1, 5, "more than a rule has"),
        ("r~ a b", 1, 1, "~ and r exclude each other"),
        ("ra a b", 1, 1, "a and r exclude each other"),
        ("g a", 1, 1, "g without r"),
        ("ae a", 1, 1, "nothing follows a"),
        ("res a b", 1, 3, "e and s exclude each other"),
        ("rGP a b", 1, 3, "G and P exclude each other"),
        ("r46 a b", 1, 3, "4 and 6 exclude each other"),
        ("r a{1000}{1000}{1000} b", 1, 3, "the expression is not understood: Compiled regex exceeds size limit"),
    ] {
        let error = NameRules::parse(rules).map(|_| ()).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{rules}: {error}");
        assert!(error.message.starts_with(message), "{rules}: {}", error.message);
        assert!(!error.advice.is_empty());
    }
    let error = NameRules::parse("r a b\nrz a b").map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 2: no operation has this letter");
}

#[test]
fn a_rewrite_cannot_lead_out() {
    let files = memory(&[("srv/tftp/a", "inside"), ("a", "root")]);
    let to = |rules: &str| Renamed::new(files.clone(), NameRules::parse(rules).unwrap());
    // An absolute name is beneath the root, as any other.
    assert_eq!(get(&to("r ^ /srv/tftp/"), "a").unwrap(), "inside");
    for rules in ["r ^ ../", "r .* a/../../b", "r ^a x/../../a"] {
        assert!(matches!(get(&to(rules), "a"), Err(StorageError::InvalidName(_))), "{rules}");
        assert!(matches!(put(&to(rules), "a", "x"), Err(StorageError::InvalidName(_))), "{rules}");
    }
}
