//! Content from templates.

use std::net::{IpAddr, SocketAddr};

use futures_lite::future::block_on;
use tftp_driver::storage::layers::{Fallback, Templates};
use tftp_driver::storage::{Context, Memory, ReadRequest, Reader, Storage, StorageError, conformance};

use crate::support::{get, get_as, memory, writer};

fn render(template: &'static str) -> Result<String, StorageError> {
    get(&Templates::new(memory(&[("a", template)])), "a")
}

fn failure(template: &'static str) -> String {
    match render(template) {
        Err(StorageError::Other(reason)) => reason,
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn templates_know_the_client_the_server_and_the_name() {
    let template = "{{ client.ip }} {{ client.port }} {{ client.hex }} {{ server.ip }} {{ name }}\n";
    let files = Templates::new(memory(&[("dir/a.cfg", template)]));
    let ask = |peer: SocketAddr, local_ip: IpAddr| {
        let request = ReadRequest { local_ip: Some(local_ip), ..ReadRequest::new("\\dir//a.cfg", peer) };
        let mut reader = block_on(files.open_read(&request, &Context::inline())).unwrap();
        assert!(reader.size().is_some());
        reader.try_read_at(0, 1000).unwrap().unwrap()
    };
    let v4 = ask("192.0.2.169:2000".parse().unwrap(), "192.0.2.1".parse().unwrap());
    assert_eq!(v4, "192.0.2.169 2000 C00002A9 192.0.2.1 dir/a.cfg\n");
    let mapped = ask("[::ffff:192.0.2.169]:2000".parse().unwrap(), "::ffff:192.0.2.1".parse().unwrap());
    assert_eq!(mapped, v4);
    let v6 = ask("[2001:db8::1]:7".parse().unwrap(), "2001:db8::2".parse().unwrap());
    assert_eq!(v6, "2001:db8::1 7 20010DB8000000000000000000000001 2001:db8::2 dir/a.cfg\n");
}

#[test]
fn conditions_leave_no_empty_lines_and_nothing_is_escaped() {
    let template =
        "a\n{% if client.ip == \"192.0.2.1\" %}\n  one <&> 'x' ${net0/ip}\n{% else %}\n  other\n{% endif %}\nz\n";
    let files = Templates::new(memory(&[("a.html", template)]));
    assert_eq!(get(&files, "a.html").unwrap(), "a\n  one <&> 'x' ${net0/ip}\nz\n");
    assert_eq!(get_as(&files, "a.html", ([192, 0, 2, 2], 1).into()).unwrap(), "a\n  other\nz\n");
}

#[test]
fn what_is_not_defined_is_an_error() {
    for template in ["{{ nothing }}", "{{ client.mac }}", "{% if clinet.ip %}{% endif %}", "{{ server.ip }}"] {
        assert!(failure(template).contains("undefined"), "{template}: {}", failure(template));
    }
    assert!(failure("a\nb {{ nothing }}").contains("(in a:2)"), "{}", failure("a\nb {{ nothing }}"));
    for template in ["{% include 'b' %}", "{% import 'b' as b %}", "{% extends 'b' %}", "{{", "{% if %}"] {
        assert!(failure(template).starts_with("the template fails: "), "{template}");
    }
    assert!(matches!(get(&Templates::new(memory(&[])), "a"), Err(StorageError::NotFound)));
}

#[test]
fn size_time_and_memory_are_bounded() {
    let long = "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}";
    assert_eq!(failure(long), "the template takes too long");
    assert_eq!(
        failure(
            "{% for i in range(20000) %}0123456789012345678901234567890123456789012345678901234567890123456789{% endfor %}"
        ),
        "the template makes more than 1048576 bytes"
    );
    let files = Templates::new(memory(&[("a", "0123456789"), ("b", "01234567890")])).max_size(10);
    assert_eq!(get(&files, "a").unwrap().len(), 10);
    assert!(get(&files, "b").is_err());

    // All that are being sent share what there is; then requests wait, as at any other limit of the server.
    let files = Templates::new(memory(&[("a", "0123456789")])).max_total(25);
    let open = || block_on(files.open_read(&ReadRequest::new("a", ([192, 0, 2, 1], 1).into()), &Context::inline()));
    let held = (open().unwrap(), open().unwrap());
    let refused = open();
    assert!(
        matches!(&refused, Err(StorageError::Io(error)) if error.kind() == std::io::ErrorKind::OutOfMemory),
        "{refused:?}"
    );
    drop(held);
    open().unwrap();

    let large = Memory::new();
    large.insert("a", vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(matches!(get(&Templates::new(large), "a"), Err(StorageError::Other(_))));
    let binary = Memory::new();
    binary.insert("a", &b"ab\xff"[..]).unwrap();
    let error = get(&Templates::new(binary), "a").unwrap_err();
    assert_eq!(error.to_string(), "the template is not UTF-8 from byte 2");
}

#[test]
fn templates_read_as_any_file_and_take_no_uploads() {
    let files = Fallback::new(Templates::new(memory(&[("a", "x{{ client.port }}y\n")])), memory(&[("b", "plain")]));
    block_on(conformance::readable(files.clone(), "a", b"x40000y\n", &Context::inline())).unwrap();
    assert_eq!(get(&files, "b").unwrap(), "plain");
    assert!(matches!(writer(&files, "c").map(drop), Err(StorageError::AccessDenied(_))));
}
