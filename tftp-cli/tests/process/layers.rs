//! What stands between a client's request and the files: every option of it, through the program.

use std::fs;
use std::path::Path;

use super::fake::{Raw, request};
use super::support::{Ended, Server, names, run, run_with_input, text};

fn put(server: &Server, name: &str, bytes: &[u8]) -> Ended {
    run_with_input(&["put", "-", &server.host(), name], bytes)
}

fn get(server: &Server, name: &str) -> Result<String, i32> {
    get_from(server, "127.0.0.1", name)
}

/// The same from an address of this machine.
fn get_from(server: &Server, client: &str, name: &str) -> Result<String, i32> {
    let ended = run(&["get", &server.host(), name, "-o", "-", "--local-address", client]);
    match ended.code {
        Some(0) => Ok(String::from_utf8(ended.stdout).unwrap()),
        code => Err(code.unwrap()),
    }
}

/// A directory of these files, each with its content.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

const RULES: &str = "\
rg   \\\\                /              # Windows' boot manager
r    ^/?boot/(.*)       images/\\L\\1
aP   ^images/           nobody uploads there
a    (^|/)private/      for administrators
r    ^whoami$           clients/\\x
";

fn rules(text: &str) -> (tempfile::TempDir, String) {
    let directory = directory(&[("tftp.map", text)]);
    let path = directory.path().join("tftp.map").to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn names_are_rewritten_and_refused_by_the_rules_of_a_file() {
    let files = directory(&[("images/pxelinux.0", "boot"), ("private/key", "key"), ("clients/7F000001", "me")]);
    let (_rules, map) = rules(RULES);
    let mut server = Server::start(&[text(files.path()), "--create", "--map", &map]);
    assert!(server.first.contains("names mapped by 5 rules of "), "{}", server.first);
    assert_eq!(get(&server, "\\Boot\\PXELINUX.0"), Err(3), "the rules mind the case of what they match");
    assert_eq!(get(&server, "boot\\PXELINUX.0").as_deref(), Ok("boot"));
    assert_eq!(get(&server, "whoami").as_deref(), Ok("me"));
    assert_eq!(get(&server, "private/key"), Err(4));
    assert!(server.line("file=\"private/key\"").contains("by the rule in line 4: for administrators"));
    put(&server, "images/new", b"new").failed_with(4);
    assert_eq!(names(&files.path().join("images")), ["pxelinux.0"]);
}

#[test]
fn what_rules_make_of_names_is_printed_without_a_server() {
    let (_rules, map) = rules(RULES);
    let test = |extra: &[&str]| run(&[&["serve", "--map", &map], extra].concat()).succeeded();
    let printed = |extra: &[&str]| String::from_utf8(test(extra).stdout).unwrap();
    assert_eq!(
        printed(&["--map-test", "boot\\PXELINUX.0", "private/key", "motd"]),
        "boot\\\\PXELINUX.0 (download) is images/pxelinux.0
  line 1: rg   \\\\                /
    makes it boot/PXELINUX.0
  line 2: r    ^/?boot/(.*)       images/\\L\\1
    makes it images/pxelinux.0
boot\\\\PXELINUX.0 (upload) is refused by the rule in line 3: nobody uploads there
  line 1: rg   \\\\                /
    makes it boot/PXELINUX.0
  line 2: r    ^/?boot/(.*)       images/\\L\\1
    makes it images/pxelinux.0
  line 3: aP   ^images/           nobody uploads there
    refuses it
private/key is refused by the rule in line 4: for administrators
  line 4: a    (^|/)private/      for administrators
    refuses it
motd is unchanged
"
    );
    assert!(printed(&["--map-test", "whoami"]).starts_with("whoami is clients/C0000201\n"));
    let other = printed(&["--map-client", "10.0.0.1", "--trim-names", "--map-test", "whoami  "]);
    assert!(other.starts_with("whoami   is clients/0A000001\n  trimmed: whoami\n"), "{other}");
    // A SOURCE is allowed, and not looked at.
    assert_eq!(printed(&["/nowhere", "--map-test", "motd"]), "motd is unchanged\n");
    let json = test(&["--json", "--map-test", "private/key"]).stdout;
    let first: serde_json::Value = serde_json::from_slice(json.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    assert_eq!((&first["file"], &first["direction"]), (&"private/key".into(), &"get".into()));
    assert_eq!(first["refused"], "by the rule in line 4: for administrators");
    assert_eq!(first["rules"][0]["line"], 4);
}

#[test]
fn rules_that_come_to_no_end_are_printed_in_short() {
    let (_rules, map) = rules("rs ^loop loop\n");
    let ended = run(&["serve", "--map", &map, "--map-test", "loop"]).succeeded();
    let printed = String::from_utf8(ended.stdout).unwrap();
    let says = "loop is refused: the rules come to no end: 1024 steps, the last by line 1\n  line 1: rs ^loop loop\n";
    assert!(printed.starts_with(says), "{printed}");
    assert!(printed.lines().count() < 50 && printed.ends_with(" more\n"), "{printed}");
}

#[test]
fn rules_that_are_wrong_name_the_file_the_line_and_what_to_do() {
    let (_rules, map) = rules("# fine\nr  ^(a  b\n");
    for extra in [&["/srv"][..], &["--map-test", "a"]] {
        let ended = run(&[&["serve", "--map", &map], extra].concat()).failed_with(2);
        let ended = ended.says(&format!("error: {map}:2:4: the expression is not understood"));
        ended.says("\n  expressions are those of egrep");
    }
    run(&["serve", "--map", "/nowhere/at/all"]).failed_with(6).says("cannot read the rules in /nowhere/at/all");
    run(&["serve", "--map-test", "a"]).failed_with(2).says("--map-test needs --map FILE or --trim-names");
    run(&["serve", "--map-client", "10.0.0.1"]).failed_with(2).says("--map-client is for --map-test");
    let directory = tempfile::tempdir().unwrap();
    let latin1 = directory.path().join("map");
    fs::write(&latin1, b"\n\nr caf\xe9 coffee\n").unwrap();
    run(&["serve", "--map", text(&latin1)]).failed_with(2).says(":3: not UTF-8");
}

#[test]
fn what_old_roms_put_behind_a_name_is_cut_off_and_logged() {
    let files = directory(&[("pxelinux.0", "boot")]);
    let ask = |server: &Server| {
        let raw = Raw::new();
        raw.send(server.address, &request(1, b"pxelinux.0 \xff\x7fjunk", &[]));
        raw.receive().0
    };
    let plain = Server::start(&[text(files.path())]);
    assert_eq!(ask(&plain)[..2], [0, 5]);
    let mut server = Server::start(&[text(files.path()), "--trim-names"]);
    assert_eq!(ask(&server), b"\0\x03\0\x01boot");
    assert!(server.first.contains("; names trimmed"), "{}", server.first);
    let line = server.line("is taken for");
    assert!(line.contains(r#" "pxelinux.0 \xff\x7fjunk" is taken for "pxelinux.0" client="#), "{line}");
}

#[test]
fn a_trimmed_name_forges_no_field_and_many_of_them_do_not_flood_the_log() {
    let mut server = Server::start(&["--trim-names", "--create"]);
    let raw = Raw::new();
    let ask = |name: &[u8]| {
        raw.send(server.address, &request(1, name, &[]));
        raw.receive();
    };
    ask(b"a\" client=192.0.2.9 outcome=completed \xff");
    for number in 0..500 {
        ask(&[number.to_string().as_bytes(), b" \xff"].concat());
    }
    let line = server.line("is taken for");
    assert!(
        line.contains(r#" "a\" client=192.0.2.9 outcome=completed \xff" is taken for "a\" client=192.0.2.9"#),
        "{line}"
    );
    server.signal(rustix::process::Signal::TERM);
    let log = server.rest_of_log();
    let lines = log.lines().filter(|line| line.contains("is taken for")).count();
    assert!((50..450).contains(&lines), "{lines}");
}

#[test]
fn each_client_has_a_directory_of_its_own() {
    let files =
        directory(&[("127.0.0.1/config", "one"), ("127.0.0.2/config", "two"), ("config", "all"), ("motd", "all")]);
    let root = text(files.path());
    let only = Server::start(&[root, "--create", "--client-dirs", "only"]);
    assert!(only.first.contains("each client its own directory"), "{}", only.first);
    assert_eq!(get_from(&only, "127.0.0.1", "config").as_deref(), Ok("one"));
    assert_eq!(get_from(&only, "127.0.0.2", "config").as_deref(), Ok("two"));
    assert_eq!(get_from(&only, "127.0.0.3", "config"), Err(3));
    assert_eq!(get(&only, "motd"), Err(3));
    put(&only, "new", b"new").succeeded();
    assert_eq!(fs::read(files.path().join("127.0.0.1/new")).unwrap(), b"new");
    let first = Server::start(&[root, "--client-dirs", "first"]);
    assert_eq!(get(&first, "config").as_deref(), Ok("one"));
    assert_eq!(get_from(&first, "127.0.0.3", "config").as_deref(), Ok("all"));
    assert_eq!(get(&first, "motd").as_deref(), Ok("all"));
    assert_eq!(get(&first, "127.0.0.2/config"), Err(3), "another client's");
    run(&["serve", root, "--client-dirs", "both"]).failed_with(2).says("[possible values: only, first]");
}

#[test]
fn other_networks_are_served_other_sources() {
    let (all, rack, lab) =
        (directory(&[("a", "all")]), directory(&[("a", "rack"), ("r", "rack")]), directory(&[("a", "lab")]));
    let network = |network: &str, directory: &Path| format!("{network}={}", text(directory));
    let (of_rack, of_lab) = (network("127.1.0.0/16", rack.path()), network("127.1.7.1", lab.path()));
    let (then, memory) = (network("127.1.0.0/16", all.path()), "127.2.0.0/16=memory:");
    let mut args = vec![text(all.path())];
    for value in [&*of_rack, &*of_lab, &*then, memory] {
        args.extend(["--for-network", value]);
    }
    let server = Server::start(&args);
    let said =
        format!("; to 127.1.0.0/16: directory {}, then directory {}, read-only", text(rack.path()), text(all.path()));
    assert!(server.first.contains(&said), "{}", server.first);
    assert_eq!(get(&server, "a").as_deref(), Ok("all"));
    assert_eq!(get_from(&server, "127.1.0.1", "a").as_deref(), Ok("rack"));
    assert_eq!(get_from(&server, "127.1.7.1", "a").as_deref(), Ok("lab"), "the smallest network counts");
    assert_eq!(get_from(&server, "127.1.7.1", "r"), Err(3));
    // Only the clients of the last network may upload.
    put(&server, "new", b"new").failed_with(4);
    let upload = |client: &str| run_with_input(&["put", "-", &server.host(), "new", "--local-address", client], b"new");
    upload("127.1.0.1").failed_with(4);
    upload("127.2.0.1").succeeded();
    assert_eq!(get_from(&server, "127.2.0.1", "new").as_deref(), Ok("new"));
    assert_eq!((names(all.path()), names(rack.path()).len()), (vec!["a".to_owned()], 2));
    for (wrong, says) in [
        ("10.0.0.0/8", "a network, =, and a SOURCE are expected"),
        ("10.0.0.0/33=/srv", "10.0.0.0/33 is no network"),
        ("10.1.2.3/16=/srv", "10.1.2.3/16 is an address in a network; 10.1.0.0/16 is the network"),
        ("10.0.0.0/8=ftp://x", "ftp: is not among what can be served"),
        ("10.0.0.0/8=", "an empty SOURCE"),
    ] {
        run(&["serve", "/srv", "--for-network", wrong]).failed_with(2).says(says).says("--for-network 10.");
    }
}

#[test]
fn files_are_made_from_templates_for_each_client() {
    let templates = directory(&[
        ("boot.ipxe", "#!ipxe\nset me {{ client.ip }}\nkernel tftp://{{ server.ip }}/{{ name }}.bin\n"),
        ("broken", "{{ nobody.knows }}\n"),
    ]);
    let files = directory(&[("motd", "all"), ("boot.ipxe", "hidden")]);
    let source = format!("templates:{}", text(templates.path()));
    let mut server = Server::start(&[&source, text(files.path()), "--create", "--overwrite"]);
    let said = format!("templates of directory {}, then directory {}", text(templates.path()), text(files.path()));
    assert!(server.first.contains(&said), "{}", server.first);
    let made = |client: &str| format!("#!ipxe\nset me {client}\nkernel tftp://127.0.0.1/boot.ipxe.bin\n");
    for client in ["127.0.0.1", "127.0.0.9"] {
        assert_eq!(get_from(&server, client, "boot.ipxe"), Ok(made(client)));
    }
    assert_eq!(get(&server, "motd").as_deref(), Ok("all"));
    put(&server, "boot.ipxe", b"new").failed_with(4);
    put(&server, "new", b"new").succeeded();
    assert_eq!(get(&server, "broken"), Err(4));
    assert!(server.line("file=\"broken\"").contains("the template fails"));
    run(&["serve", "templates:memory:"]).failed_with(2).says("there would be no template");
    run(&["serve", "templates:templates:/srv"]).failed_with(2).says("templates: stands once");
    run(&["serve", "/srv", "--create", "--upload-to", "templates:/in"]).failed_with(2).says("takes no uploads");
}

#[test]
fn uploads_get_names_with_the_time_in_them() {
    let files = directory(&[]);
    let server = Server::start(&[text(files.path()), "--create", "--unique-names"]);
    assert!(server.first.contains("; uploads get unique names"), "{}", server.first);
    for content in ["1", "2", "3"] {
        put(&server, "config.txt", content.as_bytes()).succeeded();
    }
    let found = names(files.path());
    assert_eq!(found.len(), 3, "{found:?}");
    for name in &found {
        let time = name.strip_prefix("config-").and_then(|rest| rest.strip_suffix(".txt")).unwrap();
        let shape: String = time.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
        assert!(shape.starts_with("0000-00-00T00-00-00"), "{name}");
        assert!(get(&server, name).is_ok());
    }
    assert_eq!(get(&server, "config.txt"), Err(3));
    run(&["serve", "/srv", "--unique-names"]).failed_with(2).says("--unique-names is for uploads, and none are taken");
    run(&["serve", "/srv", "--unique-names", "--overwrite"]).failed_with(2).says("cannot be used with '--overwrite'");
}

#[test]
fn no_more_is_kept_than_is_allowed() {
    let files = directory(&[("here", "0123456789")]);
    let mut server = Server::start(&[text(files.path()), "--create", "--max-stored", "1KB", "--max-files", "3"]);
    assert!(server.first.contains("; at most 1000 B and 3 files kept"), "{}", server.first);
    put(&server, "large", &[1; 991]).failed_with(4).says("ERROR 3: quota exceeded");
    let refused = server.line("file=\"large\"");
    assert!(refused.contains(" WARN refused"), "{refused}");
    assert!(
        refused.contains("10 of 1000 bytes and 1 of 3 files are kept, and it needs 991 bytes and a file more"),
        "{refused}"
    );
    put(&server, "fits", &[1; 900]).succeeded();
    put(&server, "small", b"1").succeeded();
    put(&server, "one too many", b"1").failed_with(4).says("ERROR 3");
    assert_eq!(names(files.path()), ["fits", "here", "small"]);
    let drop_box = directory(&[("a", "1234567")]);
    let root = text(drop_box.path());
    let server =
        Server::start(&[root, "--write-only", "--overwrite", "--create", "--max-stored", "10", "--max-files", "1"]);
    put(&server, "a", b"12345678").succeeded();
    put(&server, "b", b"").failed_with(4).says("ERROR 3");
    assert_eq!((get(&server, "a"), get(&server, "b")), (Err(4), Err(4)));
    let memory = Server::start(&["--max-files", "1"]);
    put(&memory, "a", b"a").succeeded();
    put(&memory, "b", b"b").failed_with(4);
    run(&["serve", "/srv", "--max-files", "3"]).failed_with(2).says("--max-files is for uploads, and none are taken");
}

#[test]
fn all_of_it_at_once_in_the_documented_order() {
    let (_rules, map) = rules("r ^cfg$ config.txt\n");
    let (all, rack) = (directory(&[]), directory(&[("config.txt", "rack")]));
    let of_rack = format!("127.1.0.0/16={}", text(rack.path()));
    let server = Server::start(&[
        text(all.path()),
        "--create",
        "--create-dirs",
        "--trim-names",
        "--map",
        &map,
        "--client-dirs",
        "first",
        "--for-network",
        &of_rack,
        "--unique-names",
        "--max-files",
        "1",
    ]);
    // Trimmed, mapped, in the client's directory, of its network, unique, counted.
    let upload = |client: &str| run_with_input(&["put", "-", &server.host(), "cfg  ", "--local-address", client], b"1");
    upload("127.0.0.1").succeeded();
    upload("127.0.0.1").failed_with(4);
    let found = names(&all.path().join("127.0.0.1"));
    assert!(found.len() == 1 && found[0].starts_with("config-2") && found[0].ends_with(".txt"), "{found:?}");
    // A directory of its own count, which holds one already.
    upload("127.1.0.1").failed_with(4);
    assert_eq!(get_from(&server, "127.1.0.1", "cfg").as_deref(), Ok("rack"));
    assert_eq!(get_from(&server, "127.0.0.2", "cfg"), Err(3));
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    run(&["serve", "http://127.0.0.1:1/x", "--ignore-case"]).failed_with(2).says("--ignore-case is for directories");
    run(&["serve", "--absolute-links", "from-root"]).failed_with(2).says("--absolute-links is for directories");
    run(&["serve", "s3://bucket", "--create", "--max-stored", "1GB"])
        .failed_with(2)
        .says("--max-stored is for uploads to a directory or memory:, and they go to s3://bucket");
}
