//! Names that attack.

use proptest::prelude::*;

/// Names above the root, by whatever way; no storage has them.
pub(crate) fn upwards() -> Vec<&'static str> {
    vec![
        "../outside",
        "/../outside",
        "..\\outside",
        "\\..\\outside",
        "..//outside",
        "./../outside",
        "dir/../../outside",
        "dir\\..\\..\\outside",
        "a/../../outside",
        "../root-sibling/file",
        "../root/../outside",
        "../outside-dir/file",
        "../../../../../../../../etc/passwd",
        "out",
        "out-dir/file",
        "out-dir/../outside",
        "dangling",
        "loop",
        "loop/file",
        "absolute",
        "proc/etc/passwd",
        "null",
        "fifo",
        "device",
        "dir",
        "dir/",
        "file/",
        "file/x",
        "..",
        "../",
        ".",
        "./",
        "",
        "/",
        "\\",
        "../outside\0",
        "file\0",
        "\0file",
        "fi\nle",
        "\x1b[31mfile",
        ".tftp-upload-x",
        "../.tftp-upload-x",
        "dir/.tftp-upload-x",
    ]
}

/// All that are known, `outside` being an absolute path: against the file system, against decoders, and against the rules of the layers.
pub(crate) fn attacks(outside: &str) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = upwards().into_iter().map(|name| name.as_bytes().to_vec()).collect();
    for text in [
        "OUT",
        "Out-Dir/File",
        "out-dir/new",
        "up/outside",
        "UP/outside",
        "up/up/outside",
        "up/root/../outside",
        "root/outside",
        "outside@..",
        "outside@../..",
        "%2e%2e/outside",
        "%2e%2e%2foutside",
        "..%2foutside",
        "..%5coutside",
        "%252e%252e%252foutside",
        "..%00/outside",
        "....//outside",
        "....\\\\outside",
        "..;/outside",
        "\u{ff0e}\u{ff0e}/outside",
        "..\u{2215}outside",
        "192.0.2.2/../../outside",
        "../192.0.2.2/x",
        "../outside\u{7f}",
        "../outside ",
        "/etc/passwd",
        "//etc/passwd",
        "\\\\host\\share\\file",
        "C:\\outside",
        "C:/outside",
        "file:///etc/passwd",
        "~/outside",
        "$HOME/outside",
        "con",
        "aux.txt",
        "file::$DATA",
        "file.",
        "file ",
        "a..b",
        "...",
        "%n%s%x",
        "{{ client.ip }}",
        "dir/..",
        "dir/../..",
        "dir/.",
        "192.0.2.1/out",
        "proc/../outside",
        "null/x",
        "fifo/x",
    ] {
        names.push(text.as_bytes().to_vec());
    }
    names.extend([
        outside.as_bytes().to_vec(),
        format!("/{outside}").into_bytes(),
        format!("..{outside}").into_bytes(),
        outside.replace('/', "\\").into_bytes(),
        b"..\xc0\xafoutside".to_vec(),
        b"\xc0\xae\xc0\xae/outside".to_vec(),
        b"\xc0\xae\xc0\xae\xc0\xafoutside".to_vec(),
        b"..\xe0\x80\xafoutside".to_vec(),
        b"\xff\xfe".to_vec(),
        vec![b'a'; 504],
        b"../".repeat(1000),
        [b"dir/../".repeat(100).as_slice(), b"../outside"].concat(),
        [b"a/".repeat(500).as_slice(), b"file"].concat(),
    ]);
    let with_junk: Vec<_> = names.iter().map(|name| [name, &b"\xff\x00junk"[..]].concat()).collect();
    names.extend(with_junk);
    names
}

/// Names of parts that mean something, and of any bytes.
pub(crate) fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        5 => prop::sample::select(vec![
            "..", ".", "", "/", "\\", "outside", "OUTSIDE", "root-sibling", "file", "File", "out", "out-dir", "Dir", "up",
            "root", "@", "%2e", "192.0.2.1", "192.0.2.2", " ", "~", "fifo", "device", "loop", "absolute", "proc",
        ])
        .prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let separator = prop::sample::select(vec!["/", "\\", "", "//", "/./"]);
    prop::collection::vec((part, separator), 1..8).prop_map(|parts| {
        parts.into_iter().flat_map(|(part, separator)| [part, separator.as_bytes().to_vec()].concat()).collect()
    })
}
