//! Path attacks through every layer, over a directory: whatever a name is made of, nothing outside is read or changed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;

use bytes::Bytes;
use futures_lite::future::block_on;
use proptest::prelude::*;
use tftp_driver::storage::layers::{
    ByNetwork, ClientDirs, Fallback, NameRules, Quota, Renamed, Split, TrimJunk, UniqueNames,
};
use tftp_driver::storage::{
    BoxStorage, Context, Directory, Owner, ReadRequest, Reader, Storage, Usage, WritePolicy, WriteRequest, Writer,
};

const SECRET: &[u8] = b"the secret outside";

/// `home/root` is served; nothing else in `home` is.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for directory in ["root/dir", "root/192.0.2.1/dir", "root-sibling", "outside-dir"] {
            fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        for secret in ["outside", "root-sibling/file", "outside-dir/file"] {
            fs::write(home.path().join(secret), SECRET).unwrap();
        }
        for public in ["file", "dir/file", "192.0.2.1/file"] {
            fs::write(home.path().join("root").join(public), "public").unwrap();
        }
        for (link, target) in [("out", "../outside"), ("out-dir", "../outside-dir"), ("192.0.2.1/out", "../../outside")]
        {
            symlink(target, home.path().join("root").join(link)).unwrap();
        }
        Self(home)
    }

    fn directory(&self, ignore_case: bool) -> Directory {
        let builder = Directory::builder(self.0.path().join("root")).write_policy(WritePolicy::ANY);
        builder.ignore_case(ignore_case).create_directories(true).open().unwrap()
    }

    fn assert_untouched(&self, what: &str) {
        for secret in ["outside", "root-sibling/file", "outside-dir/file"] {
            assert_eq!(fs::read(self.0.path().join(secret)).unwrap(), SECRET, "{what}");
        }
        for (directory, entries) in [("", 4), ("root-sibling", 1), ("outside-dir", 1)] {
            assert_eq!(fs::read_dir(self.0.path().join(directory)).unwrap().count(), entries, "{what}");
        }
    }
}

/// Every layer over the same directory, and all of them at once.
fn layers(directory: &Directory) -> Vec<(&'static str, BoxStorage)> {
    let rules = NameRules::parse(
        r"
        rg  \\        /
        ri  ^up/      ../
        r   ^root/    /root/../../
        r   ^(.*)@(.*)$  \2/../\1
        r   %2e       .
        ",
    )
    .unwrap();
    let directory = || directory.clone();
    let network = || "192.0.2.0/24".parse().unwrap();
    let all = Fallback::new(directory(), directory()).hiding(true);
    let all = Quota::new(UniqueNames::new(all), Usage::default());
    let all = ByNetwork::new(directory()).network(network(), ClientDirs::new(all).or_shared());
    let all = Renamed::new(Renamed::new(all, rules.clone()), TrimJunk);
    vec![
        ("Directory", BoxStorage::new(directory())),
        ("Fallback", BoxStorage::new(Fallback::new(directory(), directory()).hiding(true))),
        ("Split", BoxStorage::new(Split::new(directory(), directory()))),
        ("Quota", BoxStorage::new(Quota::new(directory(), Usage::default()))),
        ("TrimJunk", BoxStorage::new(Renamed::new(directory(), TrimJunk))),
        ("NameRules", BoxStorage::new(Renamed::new(directory(), rules))),
        ("ClientDirs", BoxStorage::new(ClientDirs::new(directory()))),
        ("ClientDirs or shared", BoxStorage::new(ClientDirs::new(directory()).or_shared())),
        ("ByNetwork", BoxStorage::new(ByNetwork::new(directory()).network(network(), directory()))),
        ("UniqueNames", BoxStorage::new(UniqueNames::new(directory()))),
        ("all", BoxStorage::new(all)),
    ]
}

fn attack(home: &Home, what: &str, storage: &BoxStorage, name: &[u8]) {
    let (cx, peer) = (Context::inline(), SocketAddr::from(([192, 0, 2, 1], 2000)));
    let what = format!("{what} with {}", name.escape_ascii());
    if let Ok(mut reader) = block_on(storage.open_read(&ReadRequest::new(name, peer), &cx)) {
        let content = block_on(reader.read_at(0, 1000)).unwrap();
        assert_ne!(content, SECRET, "{what}");
    }
    if let Ok(mut writer) = block_on(storage.open_write(&WriteRequest::new(name, peer, Owner(1)), &cx)) {
        block_on(writer.write_at(0, Bytes::from_static(b"changed"))).unwrap();
        let _ = block_on(writer.commit());
    }
    home.assert_untouched(&what);
}

#[test]
fn known_attacks() {
    for ignore_case in [false, true] {
        let home = Home::new();
        let home_path = home.0.path().to_str().unwrap().to_owned();
        let layers = layers(&home.directory(ignore_case));
        for name in [
            "../outside",
            "/../outside",
            "..\\outside",
            "dir/../../outside",
            "dir\\..\\..\\outside",
            "../root-sibling/file",
            "../root/../outside",
            "up/outside",
            "UP/outside",
            "up/up/outside",
            "root/outside",
            "outside@..",
            "outside@../..",
            "%2e%2e/outside",
            "..%2foutside",
            "..%5coutside",
            "....//outside",
            "out",
            "OUT",
            "out-dir/file",
            "out-dir/new",
            "Out-Dir/File",
            "../192.0.2.2/x",
            "192.0.2.2/../../outside",
            "../outside\u{7f}",
            "../outside ",
            "..",
            "../",
            ".",
            "",
            "/",
            "\\",
            "/etc/passwd",
            "//etc/passwd",
            "dir/..",
            ".tftp-upload-x",
            "../.tftp-upload-x",
        ] {
            for (what, storage) in &layers {
                attack(&home, what, storage, name.as_bytes());
                attack(&home, what, storage, &[name.as_bytes(), b"\xff\x00junk"].concat());
            }
        }
        for (what, storage) in &layers {
            attack(&home, what, storage, format!("{home_path}/outside").as_bytes());
            attack(&home, what, storage, b"..\xc0\xafoutside");
            attack(&home, what, storage, b"\xc0\xae\xc0\xae/outside");
        }
    }
}

#[test]
fn a_client_cannot_reach_anothers_directory_by_going_up_in_the_root() {
    for ignore_case in [false, true] {
        let home = Home::new();
        fs::create_dir_all(home.0.path().join("root/192.0.2.2/dir")).unwrap();
        let directory = home.directory(ignore_case);
        let cx = Context::inline();
        for files in [ClientDirs::new(directory.clone()), ClientDirs::new(directory.clone()).or_shared()] {
            let other = SocketAddr::from(([192, 0, 2, 2], 2000));
            for name in
                ["../192.0.2.1/file", "..\\192.0.2.1\\file", "dir/../../192.0.2.1/file", "../dir/../192.0.2.1/file"]
            {
                assert!(block_on(files.open_read(&ReadRequest::new(name, other), &cx)).is_err(), "{name}");
                assert!(block_on(files.open_write(&WriteRequest::new(name, other, Owner(1)), &cx)).is_err(), "{name}");
            }
        }
        assert_eq!(fs::read(home.0.path().join("root/192.0.2.1/file")).unwrap(), b"public");
    }
}

/// Names of parts that mean something, and of any bytes.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        5 => prop::sample::select(vec![
            "..", ".", "", "/", "\\", "outside", "OUTSIDE", "root-sibling", "file", "File", "out", "out-dir", "Dir", "up",
            "root", "@", "%2e", "192.0.2.1", "192.0.2.2", " ", "~",
        ])
        .prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let separator = prop::sample::select(vec!["/", "\\", "", "//", "/./"]);
    prop::collection::vec((part, separator), 1..8).prop_map(|parts| {
        parts.into_iter().flat_map(|(part, separator)| [part, separator.as_bytes().to_vec()].concat()).collect()
    })
}

#[test]
fn any_name_through_any_layer() {
    for ignore_case in [false, true] {
        let home = Home::new();
        let layers = layers(&home.directory(ignore_case));
        let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(name in name())| {
            for (what, storage) in &layers {
                attack(&home, what, storage, &name);
            }
        });
    }
}
