//! Names that lead elsewhere, and names that look as if they did.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use tftp_driver::storage::{Directory, StorageError, WritePolicy};

use crate::support::{Fixture, PUBLIC, SECRET, reader, skipped, temporaries, writer};

/// Neither reads nor writes, and changes nothing.
#[track_caller]
fn assert_unreachable(fixture: &Fixture, name: impl AsRef<[u8]>) {
    let name = name.as_ref();
    let shown = String::from_utf8_lossy(name).into_owned();
    let before = fixture.tree();
    assert!(fixture.get(name).is_err(), "{shown:?} can be read");
    assert!(fixture.put(name, b"overwritten").is_err(), "{shown:?} can be written");
    assert_eq!(fixture.tree(), before, "{shown:?}");
    fixture.assert_outside_untouched();
}

#[test]
fn traversal_in_every_form() {
    let fixture = Fixture::new();
    let home = fixture.outside("");
    let home = home.as_os_str().as_bytes();
    for name in [
        &b".."[..],
        b"../outside",
        b"/../outside",
        b"//../outside",
        b"./../outside",
        b"dir/../../outside",
        b"dir/../../root-sibling/file",
        b"dir/./.././../outside",
        b"..\\outside",
        b"\\..\\outside",
        b"dir\\..\\..\\outside",
        b"dir/..\\../outside",
        b"../root-sibling/file",
        b"../root/../outside",
        b"../../../../../../../../../../etc/passwd",
        b"/etc/passwd",
        b"\\etc\\passwd",
        b"//etc//passwd",
        b"/etc/shadow",
        b"/proc/self/environ",
        b"%2e%2e/outside",
        b"%2e%2e%2foutside",
        b"..%2foutside",
        b"..%5coutside",
        b"..%c0%afoutside",
        b"\xc0\xae\xc0\xae/outside",
        b"\xe0\x80\xae\xe0\x80\xae/outside",
        b"..\xc0\xafoutside",
        b"....//outside",
        b"..../outside",
        b".. /outside",
        b"..\0/outside",
        b"file\0.txt",
        b"../outside\0file",
        b"",
        b"/",
        b".",
        b"./",
        b"\\",
        b"file/",
        b"file/.",
        b"file/..",
        b"file/../file/x",
    ] {
        if name.first() == Some(&b'%') || name.starts_with(b"..%") || name == b"..\xc0\xafoutside" {
            // Ordinary characters to us: no file of that name, and no directory for it or a harmless new file.
            assert!(matches!(fixture.get(name), Err(StorageError::NotFound)));
            continue;
        }
        assert_unreachable(&fixture, name);
    }
    // Spelled from the system's root, a name is still beneath ours.
    assert_unreachable(&fixture, [home, b"/outside"].concat());
    assert_unreachable(&fixture, [home, b"/root/file"].concat());
}

#[test]
fn encoded_dots_are_ordinary_characters() {
    let fixture = Fixture::new();
    for name in ["%2e%2e%2foutside", "..%2foutside", "..%5coutside"] {
        fixture.put(name, PUBLIC).unwrap();
        assert_eq!(fs::read(fixture.inside(name)).unwrap(), PUBLIC);
    }
    fixture.assert_outside_untouched();
}

#[test]
fn dots_within_a_name_are_legal() {
    let fixture = Fixture::new();
    for name in ["a..b", "..a", "a..", "...", "dir/a..b", ".hidden", "a b", "%n%s%x", "foo_blksize_bar"] {
        fixture.put(name, name.as_bytes()).unwrap();
        assert_eq!(fixture.get(name).unwrap(), name.as_bytes());
        assert_eq!(fs::read(fixture.inside(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn spellings_that_clients_use() {
    let fixture = Fixture::new();
    for name in ["file", "/file", "//file", "\\file", "./file", "dir/../file", "/dir/file", "\\dir\\file", "dir//file"]
    {
        assert_eq!(fixture.get(name).unwrap(), PUBLIC, "{name}");
    }
    for name in ["\\dir\\new", "/dir/new2", "dir/../new", "dir//new3"] {
        fixture.put(name, PUBLIC).unwrap();
    }
    assert!(fixture.inside("dir/new").is_file());
    assert!(fixture.inside("new").is_file());
}

#[test]
fn names_need_not_be_utf_8() {
    let fixture = Fixture::new();
    fixture.put(b"\xff\xfe", PUBLIC).unwrap();
    assert_eq!(fixture.get(b"\xff\xfe").unwrap(), PUBLIC);
}

#[test]
fn control_bytes_are_refused() {
    let fixture = Fixture::new();
    for name in [&b"a\nb"[..], b"a\rb", b"\x1b[2J", b"a\x7fb", b"file\0"] {
        assert!(matches!(fixture.reader(name), Err(StorageError::InvalidName(_))), "{name:?}");
        assert!(matches!(fixture.writer(name), Err(StorageError::InvalidName(_))), "{name:?}");
    }
}

#[test]
fn long_names_fail_cleanly() {
    let fixture = Fixture::new();
    assert_unreachable(&fixture, "a".repeat(504));
    assert_unreachable(&fixture, "a".repeat(10_000));
    assert_unreachable(&fixture, "a/".repeat(5_000));
    assert_unreachable(&fixture, "../".repeat(5_000));
}

#[test]
fn links_out_are_never_followed() {
    let fixture = Fixture::new();
    let outside = fixture.outside("outside");
    symlink("../outside", fixture.inside("relative")).unwrap();
    symlink(&outside, fixture.inside("absolute")).unwrap();
    symlink("relative", fixture.inside("link-to-link")).unwrap();
    symlink("../elsewhere", fixture.inside("directory")).unwrap();
    symlink(fixture.outside("elsewhere"), fixture.inside("absolute-directory")).unwrap();
    symlink("..", fixture.inside("dir/up")).unwrap();
    symlink("../..", fixture.inside("dir/up-and-out")).unwrap();
    symlink("/proc/self/root", fixture.inside("magic")).unwrap();
    symlink("/", fixture.inside("slash")).unwrap();
    for name in [
        "relative",
        "absolute",
        "link-to-link",
        "directory/file",
        "directory/new",
        "absolute-directory/file",
        "dir/up-and-out/outside",
        "dir/up/../outside",
        "dir/up/../../outside",
        "directory/../outside",
        "magic/etc/passwd",
        "slash/etc/passwd",
    ] {
        assert_unreachable(&fixture, name);
    }
    // Up, but not out.
    assert_eq!(fixture.get("dir/up/file").unwrap(), PUBLIC);
}

#[test]
fn links_inside_are_read_but_not_written_through() {
    let fixture = Fixture::new();
    symlink("dir/file", fixture.inside("link")).unwrap();
    symlink("dir", fixture.inside("other-dir")).unwrap();
    symlink("nowhere", fixture.inside("dangling")).unwrap();
    assert_eq!(fixture.get("link").unwrap(), PUBLIC);
    assert_eq!(fixture.get("other-dir/file").unwrap(), PUBLIC);
    assert!(matches!(fixture.get("dangling"), Err(StorageError::NotFound)));
    for name in ["link", "dangling"] {
        assert!(matches!(fixture.writer(name), Err(StorageError::AccessDenied(_))), "{name}");
    }
    assert_eq!(fs::read(fixture.inside("dir/file")).unwrap(), PUBLIC);
    fixture.put("other-dir/new", b"new").unwrap();
    assert_eq!(fs::read(fixture.inside("dir/new")).unwrap(), b"new");
}

#[test]
fn link_loops_end() {
    let fixture = Fixture::new();
    symlink("loop", fixture.inside("loop")).unwrap();
    symlink("b", fixture.inside("a")).unwrap();
    symlink("a", fixture.inside("b")).unwrap();
    for name in ["loop", "a", "loop/x", "a/x"] {
        assert_unreachable(&fixture, name);
    }
}

#[test]
fn absolute_links_inside_are_refused_unless_asked_for() {
    let fixture = Fixture::new();
    symlink("/file", fixture.inside("from-root")).unwrap();
    symlink(fixture.inside("file"), fixture.inside("from-system")).unwrap();
    assert!(matches!(fixture.reader("from-root"), Err(StorageError::AccessDenied(_))));
    assert!(matches!(fixture.reader("from-system"), Err(StorageError::AccessDenied(_))));

    let Some(fixture) = Fixture::following_links() else { return };
    symlink("/file", fixture.inside("from-root")).unwrap();
    symlink("/dir", fixture.inside("absolute-dir")).unwrap();
    symlink("/../../outside", fixture.inside("out")).unwrap();
    symlink(fixture.outside("outside"), fixture.inside("from-system")).unwrap();
    assert_eq!(fixture.get("from-root").unwrap(), PUBLIC);
    assert_eq!(fixture.get("absolute-dir/file").unwrap(), PUBLIC);
    // `..` stops at the root, as at `/`.
    assert_eq!(fixture.get("../../file").unwrap(), PUBLIC);
    for name in ["out", "from-system", "../outside", "dir/../../outside"] {
        assert!(matches!(fixture.get(name), Err(StorageError::NotFound)), "{name}");
    }
    fixture.put("absolute-dir/new", b"new").unwrap();
    assert_eq!(fs::read(fixture.inside("dir/new")).unwrap(), b"new");
    fixture.assert_outside_untouched();
}

#[test]
fn only_regular_files() {
    let fixture = Fixture::new();
    let status = Command::new("mkfifo").arg(fixture.inside("fifo")).status().unwrap();
    assert!(status.success());
    let _socket = UnixListener::bind(fixture.inside("socket")).unwrap();
    // A FIFO without a writer would block a reader, one without a reader a writer.
    for name in ["fifo", "socket", "dir"] {
        assert!(matches!(fixture.reader(name), Err(StorageError::AccessDenied(_))), "{name}");
        assert!(matches!(fixture.writer(name), Err(StorageError::AccessDenied(_))), "{name}");
    }
    for name in ["dir/", "dir/.", "dir/..", "fifo/", "file/x"] {
        assert_unreachable(&fixture, name);
    }
}

#[test]
fn devices_are_not_files() {
    let directory = Directory::builder("/dev").write_policy(WritePolicy::OVERWRITE).open().unwrap();
    for name in ["null", "zero", "full", "tty", "ptmx", "random"] {
        match reader(&directory, name).map(drop) {
            Err(StorageError::AccessDenied(_) | StorageError::NotFound) => {}
            other => panic!("{name}: {other:?}"),
        }
        match writer(&directory, name, 1).map(drop) {
            Err(StorageError::AccessDenied(_) | StorageError::NotFound) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    let fixture = Fixture::new();
    let made = Command::new("mknod").arg(fixture.inside("null")).args(["c", "1", "3"]).output();
    if made.is_ok_and(|output| output.status.success()) {
        assert_unreachable(&fixture, "null");
    } else {
        skipped("devices_are_not_files (a device of our own)", "mknod is not allowed");
    }
}

#[test]
fn missing_directories_are_not_created() {
    let fixture = Fixture::new();
    assert_unreachable(&fixture, "missing/file");
    assert_unreachable(&fixture, "dir/missing/file");
}

#[test]
fn uploads_in_progress_are_out_of_reach() {
    let fixture = Fixture::new();
    let writer = fixture.writer("dir/new").unwrap();
    let temporary = temporaries(&fixture.inside("")).pop().unwrap();
    let temporary = temporary.strip_prefix(fixture.inside("")).unwrap().to_str().unwrap().to_owned();
    assert!(temporary.starts_with("dir/.tftp-upload-"));
    for name in [
        temporary.clone(),
        format!("/{temporary}"),
        format!("dir/../{temporary}"),
        temporary.replace('/', "\\"),
        temporary.to_uppercase(),
        ".tftp-upload-mine".to_owned(),
        ".tftp-upload-mine/file".to_owned(),
    ] {
        assert!(matches!(fixture.reader(&name), Err(StorageError::NotFound)), "{name}");
        assert!(matches!(fixture.writer(&name), Err(StorageError::AccessDenied(_))), "{name}");
    }
    drop(writer);
    assert!(temporaries(&fixture.inside("")).is_empty());
}

#[test]
fn the_root_may_be_renamed_and_its_name_taken() {
    let fixture = Fixture::new();
    fs::rename(fixture.inside(""), fixture.outside("moved")).unwrap();
    fs::create_dir(fixture.inside("")).unwrap();
    fs::write(fixture.inside("file"), SECRET).unwrap();
    assert_eq!(fixture.get("file").unwrap(), PUBLIC);
    fixture.put("new", b"new").unwrap();
    assert!(fixture.outside("moved/new").is_file());
}
